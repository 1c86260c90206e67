"""The demo's own errors."""

from __future__ import annotations


class SettingsError(ValueError):
    """A setting is missing or wrong. The text names the setting and what to change."""


class VaultError(Exception):
    """Sealed credentials cannot be opened. The text says what to do."""

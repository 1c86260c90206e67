"""The demo's own errors."""

from __future__ import annotations


class SettingsError(ValueError):
    """A setting is missing or wrong; the text says which one and what to do."""


class VaultError(Exception):
    """Sealed credentials cannot be opened; the text says what to do."""

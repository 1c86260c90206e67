"""The demo's own errors."""

from __future__ import annotations


class SettingsError(ValueError):
    """A setting is missing or wrong, or a file, port or database cannot be used; see the text."""


class VaultError(Exception):
    """Sealed credentials cannot be opened. The text says what to do."""

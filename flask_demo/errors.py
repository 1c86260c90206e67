"""The demo's own errors."""

from __future__ import annotations


class SettingsError(ValueError):
    """A setting is missing or wrong, or a file, folder, port or database cannot be used."""


class VaultError(Exception):
    """Sealed credentials cannot be opened. The text says what to do."""

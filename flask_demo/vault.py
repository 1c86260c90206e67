"""The vault encrypts credentials. Sealed credentials open only in the row they were sealed for.

The vault also seals short texts for the browser, which are bound to no row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import current_app

from authlib_kucoin import ApiKey

from .config import MAKE_VAULT_KEY
from .errors import SettingsError, VaultError
from .models import ConnectedKey


class Vault:
    """Seals (encrypts) the credentials in a row, and opens (decrypts) them.

    Args:
        keys: Fernet keys, comma-separated. The vault seals with the first key, and opens what was
            sealed with any of them.

    Raises:
        SettingsError: If ``keys`` is empty or holds anything but Fernet keys.
    """

    def __init__(self, keys: str) -> None:
        """Read the Fernet keys."""
        with suppress(ValueError):
            self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
            return
        # Not raised in an except block, because the error's context could show the Fernet keys.
        raise SettingsError(
            f"KUCOIN_VAULT_KEYS is not a comma-separated list of Fernet keys. {MAKE_VAULT_KEY}"
        )

    def put_key(self, row: ConnectedKey, key: ApiKey) -> None:
        """Seal the credentials of an API key into a row. The row must have its id already."""
        fields = ("api_name", "api_key", "secret", "passphrase", "broker_id")
        row.sealed_key = self._seal(row, "key", {name: getattr(key, name) for name in fields})

    def key(self, row: ConnectedKey) -> ApiKey:
        """Open the credentials of a row.

        Raises:
            VaultError: If the credentials are damaged, or were sealed with an unknown Fernet key,
                for another row or column, or for an earlier API key of the row.
        """
        return ApiKey(**self._open(row, "key", row.sealed_key))

    def put_token(self, row: ConnectedKey, token: Mapping[str, Any] | None) -> None:
        """Seal a token into a row that has its id already; with None, delete the row's token."""
        row.sealed_token = None if token is None else self._seal(row, "token", token)

    def token(self, row: ConnectedKey) -> dict[str, Any] | None:
        """Open the token of a row; return None if the row has no token.

        Raises:
            VaultError: As for :meth:`key`.
        """
        return self._open(row, "token", row.sealed_token) if row.sealed_token else None

    def reseal(self, row: ConnectedKey) -> None:
        """Seal the credentials and the token of a row again, with the first Fernet key.

        Raises:
            VaultError: If one of the two cannot be opened. The row is not changed then.
        """
        key, token = self.key(row), self.token(row)
        self.put_key(row, key)
        self.put_token(row, token)

    def seal_text(self, text: str) -> str:
        """Seal a text that a browser will hold for a short time, such as the callback's query."""
        return self._fernet.encrypt(text.encode()).decode()

    def open_text(self, sealed: str, max_age: int) -> str | None:
        """Open a sealed text; return None if it cannot be opened or is over ``max_age`` s old."""
        try:
            return self._fernet.decrypt(sealed, ttl=max_age).decode()
        except (InvalidToken, ValueError):  # ValueError: the text has characters beyond ASCII
            return None

    def _seal(self, row: ConnectedKey, what: str, content: Mapping[str, Any]) -> bytes:
        bound = {"place": _place(row, what), "content": content}
        return self._fernet.encrypt(json.dumps(bound).encode())

    def _open(self, row: ConnectedKey, what: str, sealed: bytes) -> dict[str, Any]:
        try:
            opened = json.loads(self._fernet.decrypt(sealed))
        except (InvalidToken, ValueError):
            opened = None
        if not isinstance(opened, dict) or opened.keys() != {"place", "content"}:
            raise VaultError(
                "The credentials cannot be opened: the key that sealed them is not in "
                "KUCOIN_VAULT_KEYS. Put it back there, or connect the account again."
            )
        if opened["place"] != _place(row, what):
            raise VaultError(
                "The credentials were sealed for another row or an earlier attempt, so somebody "
                "has moved them in the database. They are not used. Connect the account again."
            )
        return cast(dict[str, Any], opened["content"])


def _place(row: ConnectedKey, what: str) -> list[Any]:
    """Return what sealed content is bound to. Each new API key has another ``attempt_id``."""
    return [what, row.id, row.user_id, row.attempt_id]


def vault() -> Vault:
    """Return the vault of the current app."""
    return cast(Vault, current_app.extensions["kucoin_vault"])

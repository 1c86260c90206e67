"""The vault: encrypts credentials so that they can be opened only where they belong."""

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
    """Seals credentials into a row and opens them.

    Args:
        keys: Fernet keys, comma-separated. The first one seals; all of them open.

    Raises:
        SettingsError: If there is no key, or one is not a Fernet key.
    """

    def __init__(self, keys: str) -> None:
        """Read the keys."""
        with suppress(ValueError):
            self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
            return
        # Not raised in an except block, because the context of the error would hold the key.
        raise SettingsError(
            f"KUCOIN_VAULT_KEYS is not a comma-separated list of Fernet keys. {MAKE_VAULT_KEY}"
        )

    def put_key(self, row: ConnectedKey, key: ApiKey) -> None:
        """Seal the credentials of a key into a row, which must have its id already."""
        fields = ("api_name", "api_key", "secret", "passphrase", "broker_id")
        row.sealed_key = self._seal(row, "key", {name: getattr(key, name) for name in fields})

    def key(self, row: ConnectedKey) -> ApiKey:
        """Open the credentials of a row.

        Raises:
            VaultError: If they were sealed with another key, another row or attempt.
        """
        return ApiKey(**self._open(row, "key", row.sealed_key))

    def put_token(self, row: ConnectedKey, token: Mapping[str, Any] | None) -> None:
        """Seal a token into a row, which must have its id already. None drops the sealed one."""
        row.sealed_token = None if token is None else self._seal(row, "token", token)

    def token(self, row: ConnectedKey) -> dict[str, Any] | None:
        """Open the token of a row; None if no token is kept.

        Raises:
            VaultError: If it was sealed with another key, another row or attempt.
        """
        return self._open(row, "token", row.sealed_token) if row.sealed_token else None

    def reseal(self, row: ConnectedKey) -> None:
        """Seal the credentials and the token of a row again, with the first key.

        Raises:
            VaultError: If they cannot be opened. The row stays as it is.
        """
        key, token = self.key(row), self.token(row)
        self.put_key(row, key)
        self.put_token(row, token)

    def seal_text(self, text: str) -> str:
        """Seal a text, such as a URL with a code, that a browser keeps for a short time."""
        return self._fernet.encrypt(text.encode()).decode()

    def open_text(self, sealed: str, max_age: int) -> str | None:
        """Open a sealed text; None if it is older than so many seconds, or was not sealed here."""
        try:
            return self._fernet.decrypt(sealed, ttl=max_age).decode()
        except InvalidToken:
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
    """Return where a blob belongs. The attempt changes with each new key of the row."""
    return [what, row.id, row.user_id, row.attempt_id]


def vault() -> Vault:
    """Return the vault of the current app."""
    return cast(Vault, current_app.extensions["kucoin_vault"])

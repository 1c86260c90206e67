"""Tokens that are kept (``KUCOIN_KEEP_TOKENS``): refreshed by one worker, dropped when too old."""

from __future__ import annotations

from typing import Any, Final

from flask import current_app

from authlib_kucoin import TokenError

from .errors import VaultError
from .extensions import db, oauth
from .models import ConnectedKey, lock_keys, now
from .vault import vault

#: A token that expires in fewer seconds than this is refreshed before it is used.
_LEEWAY: Final = 120


def fresh_token(key_id: int) -> dict[str, Any] | None:
    """Return the kept token of a key, refreshed if it is about to expire.

    A refresh kills the old access token (document section 6.3) and may spend the old refresh
    token, so it happens under the row's lock: one worker asks KuCoin, and the others read the
    token that it has stored. A token that KuCoin refuses to refresh is dropped.

    Returns:
        The token, or None if the user has to approve again.

    Raises:
        KuCoinError: If KuCoin cannot refresh it now; the old token is kept.
    """
    token = None
    try:
        for row in lock_keys(ConnectedKey.id == key_id):
            token = vault().token(row)
            if token is not None and token["expires_at"] < now() + _LEEWAY:
                vault().put_token(row, None)  # stays dropped if KuCoin refuses
                token = oauth.kucoin.refresh_access_token(token)
                vault().put_token(row, token)
    except (TokenError, VaultError):
        token = None
    except BaseException:
        db.session.rollback()
        raise
    db.session.commit()
    return token


def drop_old_token(row: ConnectedKey) -> None:
    """Drop the token of a locked row if it has expired, or if tokens are no longer kept."""
    try:
        token = vault().token(row)
    except VaultError:
        return  # the next check reports it
    is_kept = current_app.config["KUCOIN_KEEP_TOKENS"]
    if token and not (is_kept and token.get("refresh_expires_at", token["expires_at"]) > now()):
        vault().put_token(row, None)


def forget_token(key_id: int) -> None:
    """Drop the token of a key, because KuCoin did not accept it."""
    for row in lock_keys(ConnectedKey.id == key_id):
        vault().put_token(row, None)
    db.session.commit()

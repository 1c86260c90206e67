"""Kept tokens (``KUCOIN_KEEP_TOKENS``): refreshed under a row's lock, deleted when too old."""

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

    A refresh makes KuCoin invalidate the old access token (document section 6.3), and perhaps the
    old refresh token. So the refresh happens under the row's lock: one worker asks KuCoin, and the
    workers that wait for the lock read the new token from the row afterwards. If the refresh ends
    with a ``TokenError``, the kept token is deleted.

    Returns:
        The token. None if the user has to approve again: no token is kept, the refresh ended with a
        ``TokenError``, or the vault cannot open the kept token.

    Raises:
        KuCoinError: If the refresh ended with another error, as when KuCoin is unavailable. The old
            token stays in the row.
    """
    token = None
    try:
        for row in lock_keys(ConnectedKey.id == key_id):
            token = vault().token(row)
            if token is not None and token["expires_at"] < now() + _LEEWAY:
                vault().put_token(row, None)  # stays None if KuCoin refuses
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
    """Delete the token of a locked row if it can no longer be used or tokens are no longer kept.

    A token can be used until its refresh token expires or, if it has none, until it expires itself.
    A token that the vault cannot open stays in the row: perhaps a vault key is missing for now
    only.
    """
    try:
        token = vault().token(row)
    except VaultError:
        return
    is_kept = current_app.config["KUCOIN_KEEP_TOKENS"]
    if token and not (is_kept and token.get("refresh_expires_at", token["expires_at"]) > now()):
        vault().put_token(row, None)


def forget_token(key_id: int) -> None:
    """Delete the kept token of a key, so that the next attempt asks for approval."""
    for row in lock_keys(ConnectedKey.id == key_id):
        vault().put_token(row, None)
    db.session.commit()

"""What is done with a key that is stored: check it, and keep its token fresh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from flask import current_app
from werkzeug.local import LocalProxy

from authlib_kucoin import KuCoinError, TokenError

from .models import ConnectAttempt, ConnectedKey, db, lock_keys, now
from .vault import VaultError, vault

#: Authlib's ``OAuth`` of the current app; ``oauth.kucoin`` is what was registered.
oauth: Any = LocalProxy(lambda: current_app.extensions["authlib.integrations.flask_client"])

#: A token that lives for fewer seconds than this is refreshed before it is used.
_LEEWAY: Final = 120
#: "Transfer" is KuCoin's word for withdrawing; between one's own accounts it is "InnerTransfer".
_WITHDRAWAL: Final = {"Transfer", "Withdraw", "Withdrawal"}


#: What a row says of its key, rather than of the account.
_OF_THE_KEY: Final = (
    "attempt_id",
    "latest_attempt_id",
    "stored_at",
    "api_name",
    "hint",
    "granted",
    "sub_name",
    "permissions",
    "ip_whitelist",
    "checked_at",
    "check_error",
)


class Finding(NamedTuple):
    """Something that the user should know about a key."""

    is_serious: bool
    text: str


def check(key: ConnectedKey) -> None:
    """Ask KuCoin whose a key is and what it may do, and write down the answer.

    What goes wrong is written down as well: a key is never lost over its check.
    """
    key_id, attempt_id = key.id, key.attempt_id
    info, error = None, ""
    try:
        credentials = vault().key(key)
        db.session.commit()  # no connection is held while KuCoin is asked
        info = oauth.kucoin.get_api_key_info(credentials)
    except (KuCoinError, VaultError) as problem:
        error = str(problem)
    keys = lock_keys(ConnectedKey.user_id == key.user_id)
    for row in keys:
        drop_old_token(row)
    # Not if it was disconnected or replaced in the meantime.
    for row in (row for row in keys if (row.id, row.attempt_id) == (key_id, attempt_id)):
        row.checked_at, row.check_error = now(), error
        if info is not None:
            row.uid, row.sub_name = info.uid, info.sub_name
            row.permissions, row.ip_whitelist = sorted(info.permissions), list(info.ip_whitelist)
            try:
                _merge([each for each in keys if each.uid == row.uid])
            except VaultError as problem:
                row.check_error = str(problem)
    db.session.commit()


def _merge(same_account: Sequence[ConnectedKey]) -> None:
    """Keep one row for an account: the oldest, whose id others know, with the newest key."""
    oldest, *others = same_account
    if not others:
        return
    *replaced, newest = sorted(same_account, key=lambda row: (row.stored_at, row.id))
    credentials, token = vault().key(newest), vault().token(newest)  # or nothing is touched
    attempt = db.session.get_one(ConnectAttempt, newest.attempt_id)
    for row in replaced:
        attempt.note_replaced(row.api_name)
    if newest is not oldest:
        for column in _OF_THE_KEY:
            setattr(oldest, column, getattr(newest, column))
        vault().put_key(oldest, credentials)
        vault().put_token(oldest, token)
    for row in others:
        db.session.delete(row)


def drop_old_token(row: ConnectedKey) -> None:
    """Drop a token that is past its time, or that is not to be kept any more."""
    try:
        token = vault().token(row)
    except VaultError:
        return  # the check says so
    is_kept = current_app.config["KUCOIN_KEEP_TOKENS"]
    if token and not (is_kept and token.get("refresh_expires_at", token["expires_at"]) > now()):
        vault().put_token(row, None)


def forget_token(key_id: int) -> None:
    """Drop the token of a key: KuCoin did not take it."""
    for row in lock_keys(ConnectedKey.id == key_id):
        vault().put_token(row, None)
    db.session.commit()


def findings(key: ConnectedKey) -> Iterator[Finding]:
    """Yield what is worth a warning in what KuCoin said of a key."""
    expected, found = set(current_app.config["KUCOIN_EXPECTED_PERMISSIONS"]), set(key.permissions)
    if key.uid is None:
        return
    if withdrawal := found & _WITHDRAWAL:
        yield Finding(
            is_serious=True,
            text=f"This key can withdraw funds ({', '.join(sorted(withdrawal))}). Nothing here "
            "needs that: delete it in KuCoin's API management.",
        )
    if more := found - expected - _WITHDRAWAL:
        yield Finding(
            is_serious=False,
            text=f"It can do more than is needed here: {', '.join(sorted(more))}. KuCoin decides "
            "that when it creates the key.",
        )
    if missing := expected - found:
        yield Finding(
            is_serious=False,
            text=f"It lacks {', '.join(sorted(missing))}, so some things here will not work.",
        )
    if not key.ip_whitelist:
        yield Finding(
            is_serious=False,
            text="It works from any IP address: KuCoin has not bound it to our servers.",
        )


def fresh_token(key_id: int) -> dict[str, Any] | None:
    """Return a kept token that will last, refreshed if need be; None if the user has to be asked.

    With a new pair the old access token is dead (document section 6.3) and the old refresh token
    has to be taken for spent, so it happens under the row's lock: of many workers one asks
    KuCoin, and the others read what it has stored. A token that KuCoin refuses to refresh, for
    whatever reason, is dropped: the user is asked, as without one.

    Raises:
        KuCoinError: If it could not be refreshed now; the old one is kept.
    """
    token = None
    try:
        for row in lock_keys(ConnectedKey.id == key_id):
            token = vault().token(row)
            if token is not None and token["expires_at"] < now() + _LEEWAY:
                vault().put_token(row, None)  # unless there is a new one
                token = oauth.kucoin.refresh_access_token(token)
                vault().put_token(row, token)
    except (TokenError, VaultError):
        token = None
    except BaseException:
        db.session.rollback()
        raise
    db.session.commit()
    return token

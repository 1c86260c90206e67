"""Checking a stored key: whose it is, what it may do, and what the user should know about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from flask import current_app

from authlib_kucoin import ApiKey, KuCoinError

from .errors import VaultError
from .extensions import db, oauth
from .models import ConnectAttempt, ConnectedKey, lock_keys, now
from .tokens import drop_old_token
from .vault import vault

#: "Transfer" is KuCoin's word for withdrawing. Moving funds between the wallets of one account is
#: "InnerTransfer".
_WITHDRAWAL: Final = {"Transfer", "Withdraw", "Withdrawal"}

#: The columns that describe the key. The others describe the account.
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


def check(key: ConnectedKey, credentials: ApiKey | None = None) -> None:
    """Ask KuCoin whose a key is and what it may do, and write down the answer.

    Errors are written down, too, and never raised: a failed check must not lose a key.

    Args:
        key: The row.
        credentials: Its credentials, if the caller has them. Otherwise the vault is opened.
    """
    key_id, attempt_id = key.id, key.attempt_id
    info, error = None, ""
    try:
        credentials = credentials or vault().key(key)
        db.session.commit()  # no connection is held while KuCoin is asked
        info = oauth.kucoin.get_api_key_info(credentials)
    except (KuCoinError, VaultError) as problem:
        error = str(problem)
    keys = lock_keys(ConnectedKey.user_id == key.user_id)
    for row in keys:
        drop_old_token(row)
    # No row matches if the key was disconnected or replaced in the meantime.
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
    """Merge the rows of one account into the oldest row, with the newest key.

    The oldest row stays because forms and links name its id.
    """
    oldest, *others = same_account
    if not others:
        return
    *replaced, newest = sorted(same_account, key=lambda row: (row.stored_at, row.id))
    credentials, token = vault().key(newest), vault().token(newest)  # raises before any change
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


def findings(key: ConnectedKey) -> Iterator[Finding]:
    """Yield the warnings that follow from what KuCoin said about a key."""
    expected, found = set(current_app.config["KUCOIN_EXPECTED_PERMISSIONS"]), set(key.permissions)
    if key.uid is None:
        return
    if withdrawal := found & _WITHDRAWAL:
        yield Finding(
            is_serious=True,
            text=f"This key can withdraw funds ({', '.join(sorted(withdrawal))}), which we never "
            "need. Delete it at KuCoin, in API management.",
        )
    if more := found - expected - _WITHDRAWAL:
        yield Finding(
            is_serious=False,
            text=f"It can do more than we need: {', '.join(sorted(more))}. KuCoin decides "
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

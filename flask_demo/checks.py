"""Checking a stored key: whose it is, and what it may do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import select

from authlib_kucoin import (
    ApiKey,
    ApiKeyInfo,
    KuCoinError,
    KuCoinUnavailable,
    MalformedResponse,
)

from . import events
from .errors import VaultError
from .extensions import db, oauth
from .models import ConnectAttempt, ConnectedKey, begin_write, lock_keys, now
from .permissions import WITHDRAWAL
from .tokens import drop_old_token
from .vault import vault

#: How many keys ``due_keys`` claims at once, and for how many seconds.
_BATCH: Final = 10
_CLAIM_SECONDS: Final = 10 * 60

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
    "expires_at",
    "site_type",
    "checked_at",
    "tried_at",
    "check_error",
)


def check(key: ConnectedKey, credentials: ApiKey | None = None) -> str:
    """Ask KuCoin whose a key is and what it may do, and write down the answer.

    Errors are written down, too, and never raised: a failed check must not lose a key.

    Args:
        key: The row.
        credentials: Its credentials, if the caller has them. Otherwise the vault is opened.

    Returns:
        The state of the key; see :func:`state_of`. ``"replaced"`` if the row holds another key by
        now, or none.
    """
    key_id, attempt_id, before = key.id, key.attempt_id, state_of(key)
    info: ApiKeyInfo | None = None
    error: Exception | None = None
    try:
        credentials = credentials or vault().key(key)
        db.session.commit()  # no connection is held while KuCoin is asked
        info = oauth.kucoin.get_api_key_info(credentials)
        if info.api_key not in ("", credentials.api_key):
            info = None
            raise MalformedResponse("KuCoin described another key.", operation="api_key_info")
    except (KuCoinError, VaultError) as problem:
        error = problem
    state = "replaced"
    keys = lock_keys(of_user=key.user_id)
    for row in keys:
        drop_old_token(row)
    # No row matches if the key was disconnected or replaced in the meantime.
    for row in (row for row in keys if (row.id, row.attempt_id) == (key_id, attempt_id)):
        _write_down(row, info, error)
        if info is not None:
            try:
                _merge([each for each in keys if each.uid == row.uid])
            except VaultError as problem:
                row.check_error, error = type(problem).__name__, problem
        state = state_of(row)
    db.session.commit()
    if state != before:
        events.changed("key", key_id, state, str(error or ""))
    return state


def _write_down(row: ConnectedKey, info: ApiKeyInfo | None, error: Exception | None) -> None:
    row.tried_at, row.check_error = now(), type(error).__name__ if error else ""
    if not isinstance(error, KuCoinUnavailable):
        row.checked_at = row.tried_at
    if info is not None:
        row.uid, row.sub_name = info.uid, info.sub_name
        row.permissions, row.ip_whitelist = sorted(info.permissions), list(info.ip_whitelist)
        row.expires_at = int(info.expires_at.timestamp()) if info.expires_at else None
        row.site_type = info.site_type
        attempt = db.session.get_one(ConnectAttempt, row.attempt_id)
        attempt.uid = info.uid


def due_keys(before: int, limit: int | None = None) -> Iterator[ConnectedKey]:
    """Claim and yield keys that KuCoin was last asked about before some time.

    Any number of processes can do this at once: they claim small batches, and PostgreSQL gives each
    of them other rows. A key is due again later if KuCoin was unavailable.

    Args:
        before: The time, in seconds since the epoch.
        limit: How many keys at most.
    """
    left = limit
    while left is None or left > 0:
        due = (
            select(ConnectedKey)
            .where(
                ConnectedKey.checked_at < before,
                ConnectedKey.tried_at < now() - _CLAIM_SECONDS,
            )
            .order_by(ConnectedKey.checked_at, ConnectedKey.id)
            .limit(min(_BATCH, left or _BATCH))
        )
        begin_write()
        claimed = db.session.scalars(due.with_for_update(skip_locked=True)).all()
        for key in claimed:
            key.tried_at = now()
        db.session.commit()
        if not claimed:
            return
        left = None if left is None else left - len(claimed)
        yield from claimed


def state_of(key: ConnectedKey) -> str:
    """Return the state of a key, which every page shows in the same way.

    ``"gone"``: KuCoin does not have it. ``"dangerous"``: it can withdraw funds. ``"failed"``: the
    last check failed. ``"unchecked"``: it has not been checked yet. Otherwise ``"connected"``.
    """
    if key.is_gone:
        return "gone"
    if WITHDRAWAL & set(key.permissions):
        return "dangerous"
    if key.check_error:
        return "failed"
    return "connected" if key.uid else "unchecked"


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
        if not row.is_gone:
            attempt.note_to_delete(row.api_name)
    if newest is not oldest:
        for column in _OF_THE_KEY:
            setattr(oldest, column, getattr(newest, column))
        vault().put_key(oldest, credentials)
        vault().put_token(oldest, token)
    for row in others:
        db.session.delete(row)

"""Checking a stored key: which account the key belongs to, and what the key may do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import inspect, select

from authlib_kucoin import ApiKey, ApiKeyInfo, KuCoinError, KuCoinUnavailable, MalformedResponse

from . import events
from .errors import VaultError
from .extensions import db, oauth
from .models import ConnectAttempt, ConnectedKey, begin_write, lock_keys, now
from .tokens import drop_old_token
from .vault import vault

#: The most keys that ``due_keys`` claims at once, and how long a claim lasts, in seconds.
_BATCH: Final = 10
_CLAIM_SECONDS: Final = 10 * 60

#: The columns that :func:`_merge` does not copy. It seals the credentials anew.
_OF_THE_ROW: Final = {"id", "user_id", "uid", "sealed_key", "sealed_token"}


def check(key: ConnectedKey, credentials: ApiKey | None = None) -> str:
    """Ask KuCoin which account a key belongs to and what the key may do, and store the answer.

    Also delete the user's old tokens (``drop_old_token``) and, if KuCoin described the key, merge
    the user's rows of the key's account.

    An error of KuCoin or of the vault is not raised: the key stays, and a later check can succeed.
    A database error is raised.

    Args:
        key: The row of the key.
        credentials: The credentials, if the caller has them. Otherwise they come from the vault.

    Returns:
        The state of the key, or of the newer key if the merge has put one into the row.
        ``"replaced"`` if, before the result could be stored, the row was deleted or another key was
        stored in it.
    """
    key_id, attempt_id, before = key.id, key.attempt_id, key.state
    info: ApiKeyInfo | None = None
    error: Exception | None = None
    try:
        credentials = credentials or vault().key(key)
        db.session.commit()  # no database connection is held while KuCoin is asked
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
    for row in [row for row in keys if (row.id, row.attempt_id) == (key_id, attempt_id)]:
        _store_result(row, info, error)
        try:
            _merge([each for each in keys if info and each.uid == info.uid])
        except VaultError as problem:
            row.check_error, error = type(problem).__name__, problem
        state = row.state
    db.session.commit()
    if state != before:
        events.changed("key", key_id, state, str(error or ""))
    return state


def _store_result(row: ConnectedKey, info: ApiKeyInfo | None, error: Exception | None) -> None:
    row.tried_at = now()
    if isinstance(error, KuCoinUnavailable):
        if not row.is_gone:  # a key that is gone stays gone
            row.check_error = type(error).__name__
        return
    row.checked_at, row.check_error = row.tried_at, type(error).__name__ if error else ""
    if info is not None:
        row.uid, row.sub_name, row.site_type = info.uid, info.sub_name, info.site_type
        row.permissions, row.ip_whitelist = sorted(info.permissions), list(info.ip_whitelist)
        row.expires_at = int(info.expires_at.timestamp()) if info.expires_at else None
        db.session.get_one(ConnectAttempt, row.attempt_id).uid = info.uid


def _merge(same_account: Sequence[ConnectedKey]) -> None:
    """Merge the rows of one account: the oldest row gets the newest key; other rows are deleted.

    The oldest row stays because open pages have its id in forms and links. The newest key's attempt
    lists the replaced keys for deletion at KuCoin, except those that are gone (``is_gone``).

    Raises:
        VaultError: If the newest key or its token cannot be opened. Nothing is changed then.
    """
    if len(same_account) < 2:
        return
    oldest = same_account[0]
    *replaced, newest = sorted(same_account, key=lambda row: (row.stored_at, row.id))
    credentials, token = vault().key(newest), vault().token(newest)  # raises before any change
    attempt = db.session.get_one(ConnectAttempt, newest.attempt_id)
    for row in replaced:
        if not row.is_gone:
            attempt.note_to_delete(row.api_name)
    if newest is not oldest:
        for column in {*inspect(ConnectedKey).columns.keys()} - _OF_THE_ROW:
            setattr(oldest, column, getattr(newest, column))
        vault().put_key(oldest, credentials)
        vault().put_token(oldest, token)
    for row in same_account[1:]:
        db.session.delete(row)


def due_keys(before: int, limit: int | None = None) -> Iterator[ConnectedKey]:
    """Claim and yield the keys that have had no check with a result since a given time.

    Keys that were claimed or checked since ten minutes before this call are left out. Several
    processes can do this at once: each claims small batches and marks them with the time, and
    PostgreSQL skips rows that another process has locked. So no key is claimed twice within ten
    minutes. If the check of a key had no result, as when KuCoin is unreachable, a call after these
    ten minutes can yield the key again.

    Args:
        before: The time, in seconds since 1970.
        limit: The largest number of keys to yield; None for all that are due.
    """
    claimed, unclaimed_since = 0, now() - _CLAIM_SECONDS
    while limit is None or claimed < limit:
        begin_write()
        due = (
            select(ConnectedKey)
            .where(ConnectedKey.checked_at < before, ConnectedKey.tried_at < unclaimed_since)
            .order_by(ConnectedKey.checked_at, ConnectedKey.id)
            .limit(_BATCH if limit is None else min(_BATCH, limit - claimed))
        )
        keys = db.session.scalars(due.with_for_update(skip_locked=True)).all()
        for key in keys:
            key.tried_at = now()
        db.session.commit()
        if not keys:
            return
        claimed += len(keys)
        yield from keys

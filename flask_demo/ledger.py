"""The ledger: each attempt to get a key is a row that is written before anything happens.

``started → claimed → provisioning → stored``, or ``denied``, ``failed``, ``unknown``, ``expired``.
Each step is committed before the next begins, so after a crash a row still tells how far its
attempt came, and every key that KuCoin issued is either stored or flagged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from flask import current_app
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer
from sqlalchemy import select, update

from authlib_kucoin import ApiKey, ApiKeyOutcomeUnknown, AuthorizationDenied, KuCoinError

from .models import ConnectAttempt, ConnectedKey, Status, db, lock_keys, now
from .vault import vault

log = logging.getLogger(__name__)

#: How long the user has at KuCoin, in seconds.
LOGIN_SECONDS: Final = 15 * 60
#: After how many seconds a worker that has not finished a step must have died.
WORKER_SECONDS: Final = 60

#: What a row that was left at a step reads as, and after how many seconds.
_ABANDONED: Final = {
    Status.STARTED: (LOGIN_SECONDS, Status.EXPIRED),
    Status.CLAIMED: (WORKER_SECONDS, Status.FAILED),
    Status.PROVISIONING: (WORKER_SECONDS, Status.UNKNOWN),
}


def start(user_id: int) -> ConnectAttempt:
    """Write an attempt down."""
    attempt = ConnectAttempt(
        user_id=user_id, status=Status.STARTED, created_at=now(), changed_at=now()
    )
    db.session.add(attempt)
    db.session.commit()
    return attempt


def start_rotation(key: ConnectedKey, seen: int) -> ConnectAttempt | None:
    """Write down an attempt to replace a key.

    Args:
        key: The key to be replaced.
        seen: The latest attempt about the key when the user decided. If there is another by
            now, they have clicked twice, and this one is not to happen: None is returned.
    """
    attempt = ConnectAttempt(
        user_id=key.user_id, status=Status.STARTED, created_at=now(), changed_at=now()
    )
    db.session.add(attempt)
    db.session.flush()
    turn = db.session.execute(
        update(ConnectedKey)
        .where(ConnectedKey.id == key.id, ConnectedKey.latest_attempt_id == seen)
        .values(latest_attempt_id=attempt.id)
        .returning(ConnectedKey.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    if turn is None:
        db.session.rollback()
        return None
    db.session.commit()
    return attempt


def sign(attempt: ConnectAttempt) -> str:
    """Return the ``state`` that finds back to an attempt: its id and the user's, signed, dated."""
    return _serializer().dumps([attempt.id, attempt.user_id])


def find(state: str) -> ConnectAttempt | None:
    """Return the attempt that a ``state`` belongs to; None if we have not signed it."""
    serializer = _serializer()
    try:
        attempt_id, user_id = serializer.loads(state, max_age=LOGIN_SECONDS)
    except SignatureExpired as late:
        # Ours, but too late: the attempt reads as expired.
        attempt_id, user_id = serializer.load_payload(late.payload or b"")
    except BadData:
        return None
    return own_attempt(attempt_id, user_id)


def own_attempt(attempt_id: int, user_id: int) -> ConnectAttempt | None:
    """Return a user's attempt as it reads now."""
    attempts = select(ConnectAttempt).where(
        ConnectAttempt.id == attempt_id, ConnectAttempt.user_id == user_id
    )
    attempt = db.session.scalar(attempts)
    settle(filter(None, [attempt]))
    return attempt


def settle(attempts: Iterable[ConnectAttempt]) -> None:
    """Write down what became of attempts that nobody works on any more."""
    for attempt in attempts:
        seconds, outcome = _ABANDONED.get(attempt.status, (0, attempt.status))
        if outcome != attempt.status and attempt.changed_at + seconds < now():
            advance(attempt, outcome, error="Interrupted")


def advance(attempt: ConnectAttempt, status: Status, *, error: str = "", detail: str = "") -> bool:
    """Take an attempt one step further, unless somebody else has: then return False.

    One UPDATE, so that of two workers at most one succeeds.
    """
    moved = db.session.execute(
        update(ConnectAttempt)
        .where(ConnectAttempt.id == attempt.id, ConnectAttempt.status == attempt.status)
        .values(status=status, changed_at=now(), error=error, detail=detail)
        .returning(ConnectAttempt.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    db.session.refresh(attempt)
    db.session.commit()
    if moved is not None:
        log.info("attempt %d: %s %s", attempt.id, status, error)
    return moved is not None


def fail(attempt: ConnectAttempt, error: KuCoinError) -> None:
    """Write down how an attempt failed."""
    status = Status.FAILED
    if isinstance(error, AuthorizationDenied):
        status = Status.DENIED
    elif isinstance(error, ApiKeyOutcomeUnknown):
        status = Status.UNKNOWN
    advance(attempt, status, error=type(error).__name__, detail=str(error))


def store(
    attempt: ConnectAttempt,
    key: ApiKey,
    token: Mapping[str, Any],
    replaces: ConnectedKey | None = None,
) -> ConnectedKey:
    """Commit a new key, sealed, in one transaction with the attempt it came of.

    Args:
        attempt: The attempt; it is stored now, whatever it was taken for in the meantime.
        key: The new key, whose secret will not be shown again (document section 4).
        token: What it was asked for with; kept only with ``KUCOIN_KEEP_TOKENS``.
        replaces: The key of the same account whose credentials give way.
    """
    row = next(iter(lock_keys(ConnectedKey.id == replaces.id)), None) if replaces else None
    if row is None:  # or it was disconnected in the meantime
        row = ConnectedKey(user_id=attempt.user_id, sealed_key=b"")
        db.session.add(row)
    else:
        attempt.note_replaced(row.api_name)
    row.attempt_id = row.latest_attempt_id = attempt.id
    row.stored_at = now()
    row.api_name = key.api_name
    row.hint = f"{key.api_key[:4]}…{key.api_key[-4:]}"
    row.granted = sorted(key.permissions)
    row.checked_at = None
    db.session.flush()  # gives a new row the id that the blob is bound to
    vault().put_key(row, key)
    vault().put_token(row, token if current_app.config["KUCOIN_KEEP_TOKENS"] else None)
    # Spelled out, since this session has not seen what others have written to it meanwhile.
    db.session.execute(
        update(ConnectAttempt)
        .where(ConnectAttempt.id == attempt.id)
        .values(status=Status.STORED, changed_at=now(), error="", detail="")
    )
    db.session.commit()
    log.info("attempt %d: %s as key %d", attempt.id, attempt.status, row.id)
    return row


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="kucoin-connect-attempt")

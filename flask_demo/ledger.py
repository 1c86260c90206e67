"""The ledger: one database row for each attempt to connect an account or to replace a key.

The row is committed before anything is sent to KuCoin, and before the browser leaves for KuCoin.
Its status goes ``started → claimed → provisioning → stored``, or ends as ``denied``, ``failed``,
``unknown`` or ``expired``. ``models.py`` (``Status``) says what each status means. Each status is
committed before the next step begins. So after a crash the row shows the last step that was begun,
and :func:`settle` ends the attempt later: a key that KuCoin has issued is either stored, or its
attempt becomes ``unknown`` and the key's secret is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import select, update

from authlib_kucoin import ApiKey, ApiKeyOutcomeUnknown, AuthorizationDenied, KuCoinError

from . import events
from .extensions import db
from .limits import LOGIN_SECONDS, WORKER_SECONDS
from .models import OPEN_DUTY, ConnectAttempt, ConnectedKey, Status, lock_keys, now
from .vault import vault

#: For each unfinished status: the seconds after which an attempt counts as abandoned, and the
#: status that it is then given.
_ABANDONED: Final = {
    Status.STARTED: (LOGIN_SECONDS, Status.EXPIRED),
    Status.CLAIMED: (WORKER_SECONDS, Status.FAILED),
    Status.PROVISIONING: (WORKER_SECONDS, Status.UNKNOWN),
}


def start(user_id: int, permissions: Sequence[str] = ()) -> ConnectAttempt:
    """Begin an attempt to connect an account: commit its row.

    Args:
        user_id: The id of the user.
        permissions: The permissions to ask for; ``KUCOIN_PERMISSIONS`` if empty.
    """
    return _started(_add(user_id=user_id, permissions=permissions))


def start_rotation(key: ConnectedKey) -> ConnectAttempt | None:
    """Begin an attempt to replace a key: commit its row, as the key's latest attempt.

    Returns:
        The attempt. None if, since ``key`` was read, the key's row was deleted or got another
        latest attempt, as by a parallel request to replace the key.
    """
    attempt = _add(user_id=key.user_id, is_renewal=True, uid=key.uid)
    db.session.flush()
    moved = db.session.execute(
        update(ConnectedKey)
        .filter_by(id=key.id, latest_attempt_id=key.latest_attempt_id)
        .values(latest_attempt_id=attempt.id)
        .returning(ConnectedKey.id)
    ).scalar()
    if moved is None:
        db.session.rollback()
        return None
    return _started(attempt)


def _add(permissions: Sequence[str] = (), **columns: Any) -> ConnectAttempt:
    columns["permissions"] = list(permissions or current_app.config["KUCOIN_PERMISSIONS"])
    attempt = ConnectAttempt(status=Status.STARTED, created_at=now(), changed_at=now(), **columns)
    db.session.add(attempt)
    return attempt


def _started(attempt: ConnectAttempt) -> ConnectAttempt:
    db.session.commit()
    events.changed("attempt", attempt.id, Status.STARTED)
    return attempt


def sign(attempt: ConnectAttempt) -> str:
    """Return the ``state`` of an attempt: the attempt's id and the user's id, signed and dated."""
    return _serializer().dumps([attempt.id, attempt.user_id])


def find(state: str) -> ConnectAttempt | None:
    """Return the attempt of a ``state``; None if the ``state`` is forged or there is no such row.

    The date in the ``state`` is not checked: the attempt itself expires.
    """
    try:
        attempt_id, user_id = _serializer().loads(state)
    except BadData:
        return None
    return own_attempt(attempt_id, user_id)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="kucoin-connect-attempt")


def own_attempt(attempt_id: int, user_id: int) -> ConnectAttempt | None:
    """Return an attempt of a user, or None. If the attempt was abandoned, settle it first."""
    own = select(ConnectAttempt).filter_by(id=attempt_id, user_id=user_id)
    found = db.session.scalars(own).all()
    settle(found)
    return found[0] if found else None


def settle(attempts: Iterable[ConnectAttempt]) -> None:
    """Write the outcome into the rows of abandoned attempts; leave other attempts alone."""
    for attempt in attempts:
        seconds, outcome = _ABANDONED.get(attempt.status, (0, attempt.status))
        # abs(): after the clock was set back, changed_at can be in the future.
        if outcome != attempt.status and abs(now() - attempt.changed_at) > seconds:
            advance(attempt, outcome, error="Interrupted")


def advance(
    attempt: ConnectAttempt, status: Status, *, error: str = "", detail: str = "", reason: str = ""
) -> bool:
    """Give an attempt its next status; return False if another worker has changed the old one.

    A single UPDATE compares and sets the status, so at most one of several workers succeeds. In
    either case ``attempt`` has the values of the database afterwards.

    Args:
        attempt: The attempt, with the status that this worker has read.
        status: The next status.
        error: The new ``ConnectAttempt.error``. The attempt's page chooses its text by this value.
        detail: KuCoin's message, for the page.
        reason: The text of the error, for the log.
    """
    moved = db.session.scalar(
        update(ConnectAttempt)
        .filter_by(id=attempt.id, status=attempt.status)
        .values(status=status, changed_at=now(), error=error, detail=detail)
        .returning(ConnectAttempt)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if moved is None:
        db.session.refresh(attempt)
    db.session.commit()
    if moved is not None:
        events.changed("attempt", attempt.id, status, reason)
    return moved is not None


def fail(attempt: ConnectAttempt, error: KuCoinError) -> None:
    """End an attempt with an error, unless another worker has changed its status meanwhile."""
    status = Status.FAILED
    if isinstance(error, AuthorizationDenied):
        status = Status.DENIED
    elif isinstance(error, ApiKeyOutcomeUnknown):
        status = Status.UNKNOWN
    code = f" ({error.code})" if error.code else ""
    detail = f"{error.msg}{code}" if error.msg else ""
    advance(attempt, status, error=type(error).__name__, detail=detail, reason=str(error))


def store(
    attempt: ConnectAttempt, key: ApiKey, token: dict[str, Any], replaces: ConnectedKey | None
) -> ConnectedKey:
    """Seal a new key and commit it together with the outcome of its attempt.

    Args:
        attempt: The attempt that created the key. It becomes ``stored`` even if another worker has
            settled it as abandoned meanwhile.
        key: The new key. KuCoin shows its secret only once (document section 4).
        token: The token that the key was created with. It is kept only with
            ``KUCOIN_KEEP_TOKENS``.
        replaces: The row whose key the new key replaces; None for a new row. If the row was deleted
            meanwhile, the new key gets a new row as well.
    """
    row = next(iter(lock_keys(ConnectedKey.id == replaces.id)), None) if replaces else None
    if row is None:  # also if the row was deleted meanwhile
        row = ConnectedKey(user_id=attempt.user_id, sealed_key=b"")
        db.session.add(row)
    elif not row.is_gone:
        attempt.note_to_delete(row.api_name)
    row.attempt_id = row.latest_attempt_id = attempt.id
    row.stored_at = now()
    row.api_name = key.api_name
    row.hint = f"{key.api_key[:4]}…{key.api_key[-4:]}"
    row.granted = sorted(key.permissions)
    row.checked_at = row.tried_at = 0
    row.check_error = ""
    # What a check has found was about the old key.
    row.uid = row.sub_name = row.site_type = row.expires_at = None
    row.permissions, row.ip_whitelist = [], []
    db.session.flush()  # gives a new row its id, which the vault needs
    vault().put_key(row, key)
    vault().put_token(row, token if current_app.config["KUCOIN_KEEP_TOKENS"] else None)
    # Write all these columns. The session would leave out those that are unchanged since it read
    # them, but another worker may have settled the attempt since.
    db.session.execute(
        update(ConnectAttempt)
        .where(ConnectAttempt.id == attempt.id)
        .values(status=Status.STORED, changed_at=now(), error="", detail="")
    )
    db.session.commit()
    events.changed("attempt", attempt.id, Status.STORED)
    events.changed("key", row.id, "stored", f"attempt {attempt.id}")
    return row


def duties(user_id: int) -> Sequence[ConnectAttempt]:
    """Return the attempts after which the user has something to do at KuCoin, newest first."""
    attempts = select(ConnectAttempt).where(ConnectAttempt.user_id == user_id, OPEN_DUTY)
    return db.session.scalars(attempts.order_by(ConnectAttempt.id.desc())).all()

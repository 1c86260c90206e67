"""The tables: users, the ledger of connect attempts, and the connected keys."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

from flask_login import UserMixin
from sqlalchemy import JSON, BigInteger, ColumnElement, Enum, ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from .extensions import Base, db
from .permissions import WITHDRAWAL

#: A time, in seconds since 1970 (UTC), as in tokens.
Seconds = Annotated[int, mapped_column(BigInteger)]
Words = Annotated[list[str], mapped_column(JSON)]

#: The largest id that PostgreSQL's type ``integer`` can hold.
LARGEST_ID: Final = 2**31 - 1


def now() -> int:
    """Return the current time in seconds since 1970. All lifetimes in the demo use this clock."""
    return int(time.time())


class Status(StrEnum):
    """How far a connect attempt has come."""

    STARTED = "started"  # the browser is at KuCoin
    CLAIMED = "claimed"  # the browser is back, and one worker exchanges the code
    PROVISIONING = "provisioning"  # from here on, a key may exist
    STORED = "stored"  # the key is in the vault
    DENIED = "denied"  # the user or KuCoin refused, or the callback was not valid
    FAILED = "failed"  # it is certain that no key was created
    UNKNOWN = "unknown"  # a key may exist, but its secret is lost
    EXPIRED = "expired"  # the browser did not come back in time


class User(Base, UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """A user of this application. Add what your own sign-in needs, such as a password hash."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    #: Each sign-out raises this number. Session cookies with a lower number are no longer valid.
    epoch: Mapped[int] = mapped_column(default=0)

    def get_id(self) -> str:
        """Return the text that Flask-Login keeps in the session: the id and the epoch."""
        return f"{self.id}.{self.epoch}"


#: Selects attempts after which the user has something to do at KuCoin and has not ticked it off.
OPEN_DUTY: Final = text(
    "done_at IS NULL AND (status = 'unknown' OR CAST(to_delete AS VARCHAR) != '[]')"
)


class ConnectAttempt(Base):
    """A row of the ledger, written before the browser leaves for KuCoin."""

    __tablename__ = "connect_attempt"
    __table_args__ = (
        Index("ix_connect_attempt_user", "user_id", "id"),
        # Holds the open duties only, so it stays small for users with many attempts.
        Index("ix_open_duty", "user_id", "id", postgresql_where=OPEN_DUTY, sqlite_where=OPEN_DUTY),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    status: Mapped[Status] = mapped_column(
        Enum(Status, native_enum=False, length=16, values_callable=lambda e: [s.value for s in e])
    )
    created_at: Mapped[Seconds]
    changed_at: Mapped[Seconds]
    #: The class of the error, and KuCoin's message, from which the library has removed secrets.
    error: Mapped[str] = mapped_column(default="")
    detail: Mapped[str] = mapped_column(default="")
    #: What Authlib stores for the callback, and a hash of the browser's id. See logins.py.
    login: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    browser: Mapped[str] = mapped_column(default="")
    #: The permissions that the demo asks for, if the site uses Fast API 2.
    permissions: Mapped[Words] = mapped_column(default=list)
    #: Whether the user asked to replace a connected key.
    is_renewal: Mapped[bool] = mapped_column(default=False)
    #: The uid of the KuCoin account; None until a check has found it.
    uid: Mapped[str | None]
    #: The names of keys that the demo no longer holds and that still exist at KuCoin.
    to_delete: Mapped[Words] = mapped_column(default=list)
    #: When the user ticked off what was left to do at KuCoin.
    done_at: Mapped[Seconds | None]

    def note_to_delete(self, name: str) -> None:
        """Add the name of a key that the user has to delete at KuCoin."""
        self.to_delete = [*self.to_delete, name]  # SQLAlchemy does not notice an append
        self.done_at = None


class ConnectedKey(Base):
    """An API key of a KuCoin account. The vault seals its credentials."""

    __tablename__ = "connected_key"
    __table_args__ = (
        # The check of all keys reads in this order: the longest unchecked key first.
        Index("ix_connected_key_due", "checked_at", "id"),
        # SQLite must never reuse an id, because forms and sealed credentials name the id.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    #: The attempt that created this key.
    attempt_id: Mapped[int] = mapped_column(ForeignKey(ConnectAttempt.id), index=True)
    #: The latest attempt to create or replace this key. A form with an older id is out of date.
    latest_attempt_id: Mapped[int] = mapped_column(ForeignKey(ConnectAttempt.id))
    sealed_key: Mapped[bytes]
    sealed_token: Mapped[bytes | None]
    stored_at: Mapped[Seconds]
    #: The name of the key at KuCoin, and the first and last characters of the API key.
    api_name: Mapped[str]
    hint: Mapped[str]
    #: The permissions that KuCoin named when it created the key, such as ``API_SPOT``.
    granted: Mapped[Words]
    # From key info, which has other names for permissions, such as ``Spot``:
    uid: Mapped[str | None]
    sub_name: Mapped[str | None]
    permissions: Mapped[Words] = mapped_column(default=list)
    ip_whitelist: Mapped[Words] = mapped_column(default=list)
    expires_at: Mapped[Seconds | None]
    site_type: Mapped[str | None]
    #: When a check last had a result, and 0 before the first result. A refusal by KuCoin is a
    #: result. No answer from KuCoin is not a result, so the key stays due for a check.
    checked_at: Mapped[Seconds] = mapped_column(default=0)
    #: When the last check began, with or without a result, and 0 before the first check.
    tried_at: Mapped[Seconds] = mapped_column(default=0)
    #: The class of the error of the last check; empty if the check succeeded.
    check_error: Mapped[str] = mapped_column(default="")

    @property
    def is_gone(self) -> bool:
        """Whether the last check found that KuCoin does not have the key."""
        return self.check_error == "ApiKeyInvalid"

    @property
    def state(self) -> str:
        """The state of the key, for pages and log lines."""
        if self.is_gone:
            return "gone"
        if WITHDRAWAL & set(self.permissions):
            return "dangerous"
        if self.check_error:
            return "check-failed"
        return "connected" if self.uid else "unchecked"


def begin_write() -> None:
    """Commit, and begin a transaction that will write. SQLite takes its lock before reading."""
    db.session.commit()
    if db.engine.dialect.name == "sqlite":
        db.session.execute(text("BEGIN IMMEDIATE"))


def lock_keys(*criteria: ColumnElement[bool], of_user: int | None = None) -> Sequence[ConnectedKey]:
    """Read keys from the database and lock them until the next commit or rollback.

    The database releases the locks of a worker that has died. PostgreSQL locks the rows in the
    order of their ids, so two workers cannot block each other. SQLite locks the whole database.

    Args:
        criteria: The conditions that the keys have to meet.
        of_user: The id of a user, to select the user's keys only. The user's row is locked first,
            so that other workers cannot add a key of this user meanwhile.
    """
    begin_write()
    if of_user is not None:
        user = select(User.id).where(User.id == of_user).with_for_update(key_share=True)
        db.session.execute(user)
        criteria = (*criteria, ConnectedKey.user_id == of_user)
    keys = select(ConnectedKey).where(*criteria).order_by(ConnectedKey.id).with_for_update()
    return db.session.scalars(keys, execution_options={"populate_existing": True}).all()

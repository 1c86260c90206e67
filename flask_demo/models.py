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
    """Return the current time in whole seconds since 1970."""
    return int(time.time())


class Status(StrEnum):
    """How far a connect attempt has come, or how it ended."""

    STARTED = "started"  # the browser is sent to KuCoin, unless a kept token can be used
    CLAIMED = "claimed"  # one worker has the attempt: it exchanges the code or has a kept token
    PROVISIONING = "provisioning"  # from here on, a key may exist
    STORED = "stored"  # the key was stored in the vault
    DENIED = "denied"  # the user or KuCoin refused, or the callback was not valid
    FAILED = "failed"  # it is certain that no key was created
    UNKNOWN = "unknown"  # a key may exist, but its secret is lost
    EXPIRED = "expired"  # started, and not claimed in time: mostly the browser did not come back


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


#: Selects attempts that left the user something to do at KuCoin, until the user ticks it off.
OPEN_DUTY: Final = text(
    "done_at IS NULL AND (status = 'unknown' OR CAST(to_delete AS VARCHAR) != '[]')"
)


class ConnectAttempt(Base):
    """An attempt to connect an account or to replace a key: one row of the ledger (ledger.py).

    The row is committed before the attempt sends anything to KuCoin. If a kept token makes a new
    approval unnecessary, the browser does not go to KuCoin.
    """

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
    #: An error's class, or the word ``Interrupted`` or ``NotStored``; empty if there is no error.
    error: Mapped[str] = mapped_column(default="")
    #: KuCoin's message and error code, in which the library has masked secrets.
    detail: Mapped[str] = mapped_column(default="")
    #: What Authlib stores for the callback. See logins.py.
    login: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    #: A hash of the id of the browser that began the login at KuCoin. See logins.py.
    browser: Mapped[str] = mapped_column(default="")
    #: The permissions that the demo asks for, if the site uses Fast API 2.
    permissions: Mapped[Words] = mapped_column(default=list)
    #: Whether the user asked to replace a connected key.
    is_renewal: Mapped[bool] = mapped_column(default=False)
    #: The uid of the KuCoin account: at first that of the key to replace, if any, and then the one
    #: that a check has found. None if unknown.
    uid: Mapped[str | None]
    #: The names of keys that the demo no longer holds and that the user should delete at KuCoin.
    to_delete: Mapped[Words] = mapped_column(default=list)
    #: When the user ticked off what was left to do at KuCoin; None before that, and again after a
    #: key was added to ``to_delete``.
    done_at: Mapped[Seconds | None]

    def note_to_delete(self, name: str) -> None:
        """Add the name of a key that the user has to delete at KuCoin."""
        self.to_delete = [*self.to_delete, name]  # SQLAlchemy does not notice an append
        self.done_at = None


class ConnectedKey(Base):
    """An API key of a KuCoin account. The vault seals its credentials."""

    __tablename__ = "connected_key"
    __table_args__ = (
        # due_keys (checks.py) reads in this order: the longest unchecked key first.
        Index("ix_connected_key_due", "checked_at", "id"),
        # SQLite must never reuse a row's id, because forms and sealed credentials name the id.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    #: The attempt that created this key.
    attempt_id: Mapped[int] = mapped_column(ForeignKey(ConnectAttempt.id), index=True)
    #: The latest attempt to create or replace this key. A form that names an older attempt is out
    #: of date.
    latest_attempt_id: Mapped[int] = mapped_column(ForeignKey(ConnectAttempt.id))
    sealed_key: Mapped[bytes]
    sealed_token: Mapped[bytes | None]
    stored_at: Mapped[Seconds]
    #: The name of the key at KuCoin.
    api_name: Mapped[str]
    #: The first and last four characters of the API key.
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
    #: When a check of the key last had a result, and 0 before the first result. An error is a
    #: result, too, except KuCoinUnavailable, which does not change this time.
    checked_at: Mapped[Seconds] = mapped_column(default=0)
    #: When the key was last claimed for a check or its last check ended, with or without a result:
    #: the later of the two times; 0 if there was neither.
    tried_at: Mapped[Seconds] = mapped_column(default=0)
    #: The class of the error of the last check; empty if the check succeeded or there was no
    #: check.
    #: A KuCoinUnavailable does not replace an ApiKeyInvalid.
    check_error: Mapped[str] = mapped_column(default="")

    @property
    def is_gone(self) -> bool:
        """Whether KuCoin refused the key as invalid in the last check that had a result.

        If so, the key was deleted, belongs to another site, or has a wrong credential.
        """
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
    """Commit, and prepare for a transaction that will write: SQLite takes its lock at once."""
    db.session.commit()
    if db.engine.dialect.name == "sqlite":
        db.session.execute(text("BEGIN IMMEDIATE"))


def lock_keys(*criteria: ColumnElement[bool], of_user: int | None = None) -> Sequence[ConnectedKey]:
    """Commit, then read keys from the database and lock them until the next commit or rollback.

    The database releases the locks of a worker that has died. PostgreSQL locks the rows in the
    order of their ids, so two workers cannot deadlock here. SQLite locks the whole database.

    Args:
        criteria: The conditions that the keys have to meet.
        of_user: The id of a user, to select the user's keys only. The user's row is locked first,
            so that workers that call this for one user take turns. In PostgreSQL, a new key of
            the user can still be added.
    """
    begin_write()
    if of_user is not None:
        user = select(User.id).where(User.id == of_user).with_for_update(key_share=True)
        db.session.execute(user)
        criteria = (*criteria, ConnectedKey.user_id == of_user)
    keys = select(ConnectedKey).where(*criteria).order_by(ConnectedKey.id).with_for_update()
    return db.session.scalars(keys, execution_options={"populate_existing": True}).all()

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

#: Seconds since the epoch, as in tokens.
Seconds = Annotated[int, mapped_column(BigInteger)]
Words = Annotated[list[str], mapped_column(JSON)]

#: The largest id in PostgreSQL.
LARGEST_ID: Final = 2**31 - 1


def now() -> int:
    """Return the current time. All lifetimes in the demo use this clock."""
    return int(time.time())


class Status(StrEnum):
    """How far a connect attempt has come."""

    STARTED = "started"  # the browser is at KuCoin
    CLAIMED = "claimed"  # the browser is back, and one worker exchanges the code
    PROVISIONING = "provisioning"  # from here on, a key may exist
    STORED = "stored"  # the key is in the vault
    DENIED = "denied"  # the user or KuCoin refused, or the callback cannot be trusted
    FAILED = "failed"  # no key was created
    UNKNOWN = "unknown"  # a key may exist, but its secret is lost
    EXPIRED = "expired"  # the browser did not come back


class User(Base, UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """A user of this application. Add what your own sign-in needs, such as a password hash."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    #: Raised by each sign-out, which ends all sessions of the user, also copies of the cookie.
    epoch: Mapped[int] = mapped_column(default=0)

    def get_id(self) -> str:
        """Return what Flask-Login keeps in the session: the id and the epoch."""
        return f"{self.id}.{self.epoch}"


#: The condition for attempts that left something for the user to do at KuCoin, and it is not done.
OPEN_DUTY: Final = text(
    "done_at IS NULL AND (status = 'unknown' OR CAST(to_delete AS VARCHAR) != '[]')"
)


class ConnectAttempt(Base):
    """A row of the ledger, written before the browser leaves for KuCoin."""

    __tablename__ = "connect_attempt"
    __table_args__ = (
        Index("ix_connect_attempt_user", "user_id", "id"),
        # Holds the open duties only: few rows, however many attempts a user has.
        Index("ix_open_duty", "user_id", "id", postgresql_where=OPEN_DUTY, sqlite_where=OPEN_DUTY),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    status: Mapped[Status] = mapped_column(
        Enum(Status, native_enum=False, length=16, values_callable=lambda e: [s.value for s in e])
    )
    created_at: Mapped[Seconds]
    changed_at: Mapped[Seconds]
    #: The class of the error, and KuCoin's own words, from which the library removes secrets.
    error: Mapped[str] = mapped_column(default="")
    detail: Mapped[str] = mapped_column(default="")
    #: What Authlib has to remember of the login, and a hash of the browser's id. See logins.py.
    login: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    browser: Mapped[str] = mapped_column(default="")
    #: What Fast API 2 asks for.
    permissions: Mapped[Words] = mapped_column(default=list)
    #: Whether the attempt is to replace a key that is connected already.
    is_renewal: Mapped[bool] = mapped_column(default=False)
    #: The number of the KuCoin account, once it is known.
    uid: Mapped[str | None]
    #: The names of keys that are no longer held here but still exist at KuCoin.
    to_delete: Mapped[Words] = mapped_column(default=list)
    #: When the user said that everything that was left to do at KuCoin is done.
    done_at: Mapped[Seconds | None]

    def note_to_delete(self, name: str) -> None:
        """Write down a key that the user has to delete at KuCoin."""
        self.to_delete = [*self.to_delete, name]  # a new list, so that SQLAlchemy notices
        self.done_at = None


class ConnectedKey(Base):
    """An API key of a KuCoin account. The vault seals its credentials."""

    __tablename__ = "connected_key"
    __table_args__ = (
        # For the check of all keys, which begins with the key that was checked longest ago.
        Index("ix_connected_key_due", "checked_at", "id"),
        # Ids are never reused, because forms and sealed credentials name them.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    #: The attempt that created this key.
    attempt_id: Mapped[int] = mapped_column(ForeignKey(ConnectAttempt.id), index=True)
    #: The latest attempt about this key. A form that names an older one is out of date.
    latest_attempt_id: Mapped[int] = mapped_column(ForeignKey(ConnectAttempt.id))
    sealed_key: Mapped[bytes]
    sealed_token: Mapped[bytes | None]
    stored_at: Mapped[Seconds]
    #: The name of the key at KuCoin, and the two ends of its id.
    api_name: Mapped[str]
    hint: Mapped[str]
    #: The permissions KuCoin named when it created the key (``authGroup``), such as ``API_SPOT``.
    granted: Mapped[Words]
    # The columns below hold the key info, in its own words, such as ``Spot``.
    uid: Mapped[str | None]
    sub_name: Mapped[str | None]
    permissions: Mapped[Words] = mapped_column(default=list)
    ip_whitelist: Mapped[Words] = mapped_column(default=list)
    expires_at: Mapped[Seconds | None]
    site_type: Mapped[str | None]
    #: When a check last ended with a result, which may be a refusal. 0 if none has. An unreachable
    #: KuCoin is no result, so this decides when a key is due again.
    checked_at: Mapped[Seconds] = mapped_column(default=0)
    #: When a check was last begun, whether or not it had a result. 0 if none has been begun.
    tried_at: Mapped[Seconds] = mapped_column(default=0)
    #: The class of the error of the last check; empty if it went well.
    check_error: Mapped[str] = mapped_column(default="")

    @property
    def is_gone(self) -> bool:
        """Whether KuCoin has said that the key does not exist."""
        return self.check_error == "ApiKeyInvalid"

    @property
    def state(self) -> str:
        """The state that the pages show and the log names."""
        if self.is_gone:
            return "gone"
        if WITHDRAWAL & set(self.permissions):
            return "dangerous"
        if self.check_error:
            return "check-failed"
        return "connected" if self.uid else "unchecked"


def begin_write() -> None:
    """Commit, and begin a transaction that writes. SQLite has to know before its first read."""
    db.session.commit()
    if db.engine.dialect.name == "sqlite":
        db.session.execute(text("BEGIN IMMEDIATE"))


def lock_keys(*criteria: ColumnElement[bool], of_user: int | None = None) -> Sequence[ConnectedKey]:
    """Read keys anew and lock them until the next commit.

    The lock ends with the connection, so a dead worker blocks nobody. PostgreSQL locks the rows in
    the order of their ids, which rules out deadlocks. SQLite locks the whole database.

    Args:
        criteria: Which keys.
        of_user: All keys of a user, and also those that are being added at this moment: the user's
            row is locked first.
    """
    begin_write()
    if of_user is not None:
        user = select(User.id).where(User.id == of_user).with_for_update(key_share=True)
        db.session.execute(user)
        criteria = (*criteria, ConnectedKey.user_id == of_user)
    keys = select(ConnectedKey).where(*criteria).order_by(ConnectedKey.id).with_for_update()
    return db.session.scalars(keys, execution_options={"populate_existing": True}).all()

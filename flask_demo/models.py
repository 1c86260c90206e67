"""The tables: users, the ledger of connect attempts, and the keys that came of them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final

from flask_login import UserMixin  # type: ignore[import-untyped]
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Enum,
    ForeignKey,
    Index,
    String,
    event,
    func,
    select,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .config import SettingsError, in_memory

#: Seconds since the epoch, as in tokens.
Seconds = Annotated[int, mapped_column(BigInteger)]
Words = Annotated[list[str], mapped_column(JSON)]

_SCHEMA_LOCK = 0x6B75636F696E  # any number, as long as all workers take the same


#: As large as ids get in PostgreSQL.
LARGEST_ID: Final = 2**31 - 1


class Base(DeclarativeBase):
    """Base of the models."""


# What was read stays readable after a commit: no connection is held while KuCoin is asked.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


def now() -> int:
    """Return the time. Every lifetime in the demo counts by this clock."""
    return int(time.time())


class Status(StrEnum):
    """How far a connect attempt came."""

    STARTED = "started"  # the browser was sent to KuCoin
    CLAIMED = "claimed"  # it came back, and one worker exchanges the code
    PROVISIONING = "provisioning"  # a key may have been asked for
    STORED = "stored"  # the key is in the vault
    DENIED = "denied"  # the user or KuCoin said no, or the callback was not to be trusted
    FAILED = "failed"  # no key was created
    UNKNOWN = "unknown"  # a key may exist that nobody holds the secret of
    EXPIRED = "expired"  # the browser did not come back


class User(Base, UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """A user of this application. Yours will have a password, or whatever you sign in with."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)


class ConnectAttempt(Base):
    """One row of the ledger, written before the browser leaves for KuCoin."""

    __tablename__ = "connect_attempt"
    __table_args__ = (Index("ix_connect_attempt_user", "user_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    status: Mapped[Status] = mapped_column(
        Enum(Status, native_enum=False, length=16, values_callable=lambda e: [s.value for s in e])
    )
    created_at: Mapped[Seconds]
    changed_at: Mapped[Seconds]
    #: The class of the error, and what it said; the library keeps secrets out of both.
    error: Mapped[str] = mapped_column(default="")
    detail: Mapped[str] = mapped_column(default="")
    #: The names of the keys that were replaced here. They still exist at KuCoin.
    replaced: Mapped[str] = mapped_column(default="")

    def note_replaced(self, name: str) -> None:
        """Write down one more key that still exists at KuCoin, and is not held here any more."""
        self.replaced = ", ".join(filter(None, (self.replaced, name)))


class ConnectedKey(Base):
    """An API key of a KuCoin account; its credentials are sealed by the vault."""

    __tablename__ = "connected_key"
    # An id is never used again: forms and sealed blobs name it.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - as SQLAlchemy wants it

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    #: The attempt that this key came of.
    attempt_id: Mapped[int] = mapped_column(ForeignKey(ConnectAttempt.id), index=True)
    #: The latest one that is about it: to replace a key, the user must know of that.
    latest_attempt_id: Mapped[int] = mapped_column(ForeignKey(ConnectAttempt.id))
    sealed_key: Mapped[bytes]
    sealed_token: Mapped[bytes | None]
    stored_at: Mapped[Seconds]
    #: What to recognise the key by at KuCoin.
    api_name: Mapped[str]
    hint: Mapped[str]
    #: KuCoin's ``authGroup`` (document section 4), such as ``API_SPOT``.
    granted: Mapped[Words]
    # From here on what the key info said, in its own words, such as ``Spot``.
    uid: Mapped[str | None]
    sub_name: Mapped[str | None]
    permissions: Mapped[Words] = mapped_column(default=list)
    ip_whitelist: Mapped[Words] = mapped_column(default=list)
    checked_at: Mapped[Seconds | None]
    check_error: Mapped[str] = mapped_column(default="")


def lock_keys(*criteria: ColumnElement[bool]) -> Sequence[ConnectedKey]:
    """Return keys as they are now, and keep everybody else from changing them until the commit.

    The lock goes with the connection, so a worker that dies blocks nobody. PostgreSQL locks the
    rows, in the order of their ids, so that nobody waits in a circle. SQLite can only lock the
    database, and must do so before anything is read.
    """
    db.session.commit()
    if db.engine.dialect.name == "sqlite":
        db.session.execute(text("BEGIN IMMEDIATE"))
    keys = select(ConnectedKey).where(*criteria).order_by(ConnectedKey.id).with_for_update()
    return db.session.scalars(keys, execution_options={"populate_existing": True}).all()


def create_tables() -> None:
    """Create the tables that are missing; many workers may try at once.

    Raises:
        SettingsError: If there can be no such file.
    """
    sqlite = db.engine.dialect.name == "sqlite"
    if sqlite:
        event.listen(db.engine, "connect", _set_up_sqlite)
    if sqlite and not in_memory(db.engine.url):
        file = str(db.engine.url.database)
        try:
            # SQLite gives its journal the mode of the database file.
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise SettingsError(f"The database's file {file} cannot be had: {error}.") from None
    with db.engine.begin() as connection:
        if sqlite:
            connection.execute(text("BEGIN IMMEDIATE"))
        else:
            connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
        Base.metadata.create_all(connection)
    if not in_memory(db.engine.url):
        db.engine.dispose()  # a server that forks its workers must not hand them our connection


def _set_up_sqlite(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    # Readers go on while one writes.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()

"""The database: its URL, time limits for waits, and migrating the tables at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.util import CommandError
from sqlalchemy import URL, Connection, event, func, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError

from . import limits
from .errors import SettingsError
from .extensions import db, migrate

_SCHEMA_LOCK: Final = 0x6B75636F696E  # any number; all workers have to use the same one

_SQLITE: Final = {"timeout": limits.STATEMENT_SECONDS}
_POSTGRESQL: Final = {
    "connect_timeout": limits.CONNECT_SECONDS,
    # The kernel gives up a host that has gone silent. tcp_user_timeout, in milliseconds, applies
    # while the host owes us acknowledgements. The keepalives are for a connection on which nothing
    # is sent.
    "tcp_user_timeout": limits.SILENCE_SECONDS * 1000,
    "keepalives_idle": limits.SILENCE_SECONDS,
    "keepalives_interval": limits.CONNECT_SECONDS,
    "keepalives_count": 3,
    # No prepared statements: they belong to one connection to the server, and PgBouncer in
    # transaction mode may give each transaction another connection.
    "prepare_threshold": None,
}
# Limits to set at the start of each transaction: PgBouncer refuses them as connection options.
_LIMITS: Final[dict[str, float]] = {
    "lock_timeout": limits.LOCK_SECONDS,
    "statement_timeout": limits.STATEMENT_SECONDS,
    "idle_in_transaction_session_timeout": limits.IDLE_SECONDS,
}


def database_url(settings: Mapping[str, Any], default: Path) -> str:
    """Return the URL of the database; a PostgreSQL URL without a driver gets psycopg.

    Args:
        settings: The settings. ``SQLALCHEMY_DATABASE_URI`` wins over ``DATABASE_URL``.
        default: The SQLite file to use if neither is set. Its folder is made then, and for a
            relative path of an SQLite file.

    Raises:
        SettingsError: If the URL cannot be read or names a database or driver that the demo cannot
            use, or the folder cannot be made.
    """
    given = settings.get("SQLALCHEMY_DATABASE_URI") or settings.get("DATABASE_URL")
    if not given:
        make_folder(default.parent)
        return f"sqlite:///{default}"
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):  # the error repeats the URL, which may hold a password
        raise SettingsError(
            "DATABASE_URL is not a database URL. Write it as postgresql://user:password@host/name."
        ) from None
    if url.drivername in ("postgres", "postgresql"):  # as hosting providers write the URL
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("postgresql+psycopg", "sqlite"):
        raise SettingsError("DATABASE_URL has to begin with postgresql:// or sqlite:///.")
    if in_memory(url) and not settings.get("TESTING"):
        raise SettingsError(
            "DATABASE_URL names no file, so each worker would have a database of its own. "
            "Write it as sqlite:////path/to/file.sqlite."
        )
    if url.drivername == "sqlite" and not Path(url.database or "/").is_absolute():
        make_folder(default.parent)  # Flask-SQLAlchemy puts the file there
    return url.render_as_string(hide_password=False)


def make_folder(path: Path) -> None:
    """Make a folder for this user only, unless it exists.

    Raises:
        SettingsError: If the folder cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The folder {path} cannot be made: {error.strerror}. Set DEMO_INSTANCE to another one."
        ) from None


def engine_options(url: str) -> dict[str, Any]:
    """Return the options of SQLAlchemy's engine for a database URL."""
    options: dict[str, Any] = {
        "hide_parameters": True,  # SQLAlchemy shows no parameters in errors and logs
        "pool_pre_ping": True,  # replace connections that the server has closed
    }
    if url.startswith("sqlite"):
        return options | {"connect_args": _SQLITE}
    # Keep up to 15 connections open. By default, SQLAlchemy would keep 5 of them open, and close
    # the other 10 after each use.
    return options | {"connect_args": _POSTGRESQL, "pool_size": 15, "max_overflow": 0}


def in_memory(url: URL) -> bool:
    """Return whether a URL names an SQLite database in memory."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def prepare_database() -> None:
    """Set up the engine of the current app, and migrate the tables to this version.

    Raises:
        SettingsError: If the tables cannot be migrated because the database is read-only or this
            version does not know their revision, or if the SQLite file cannot be opened.
        DBAPIError: For any other error of the database, as when it does not answer.
    """
    engine = db.engine
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        if not in_memory(engine.url):
            _own_file(Path(str(engine.url.database)))
    else:
        event.listen(engine, "begin", _set_limits)
    try:
        command.upgrade(migrate.get_config(), "head")  # runs migrations/env.py
    except CommandError as error:
        raise SettingsError(
            f"The tables are not this version's: {error}. Run the version that made them."
        ) from None
    except DBAPIError as error:
        reason = str(error.orig).partition("\n")[0]
        if "readonly" not in reason and "read-only" not in reason:
            raise
        raise SettingsError(
            f"The database is read-only ({reason}). Give this program the right to write to it."
        ) from None
    finally:
        if not in_memory(engine.url):
            engine.dispose()  # workers that are forked later must not share this connection


def lock_schema(connection: Connection) -> None:
    """Begin a transaction and lock out other workers' migrations; wait for one that has begun."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("BEGIN IMMEDIATE"))
    else:
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))


def _own_file(path: Path) -> None:
    """Create the SQLite file for this user only; remove others' rights to an existing file.

    SQLite creates its journal files with the same mode.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise SettingsError(
            f"The database file {path} cannot be opened: {error}. Check DATABASE_URL."
        ) from None


def _set_up_sqlite(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")  # a worker can read while another one writes
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _set_limits(connection: Connection) -> None:
    limits = (f"set_config('{name}', '{seconds}s', true)" for name, seconds in _LIMITS.items())
    connection.exec_driver_sql(f"SELECT {', '.join(limits)}")

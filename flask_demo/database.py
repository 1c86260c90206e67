"""The database: its URL, the options of its engine, and its tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, event, func, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError

from .errors import SettingsError
from .extensions import Base, db

_SCHEMA_LOCK: Final = 0x6B75636F696E  # any number, as long as all workers use the same one


def database_url(settings: Mapping[str, Any], default: Path) -> str:
    """Return the URL of the database, with the driver that the demo uses.

    Args:
        settings: May hold ``SQLALCHEMY_DATABASE_URI`` or ``DATABASE_URL``.
        default: The SQLite file to use if they hold neither.

    Raises:
        SettingsError: If the URL cannot be read or names a database that the demo cannot use.
    """
    given = settings.get("SQLALCHEMY_DATABASE_URI") or settings.get("DATABASE_URL")
    if not given:
        default.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return f"sqlite:///{default}"
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):  # its text repeats the URL, which may hold a password
        raise SettingsError(
            "DATABASE_URL is not a database URL. Write it as postgresql://user:password@host/name."
        ) from None
    if url.drivername in ("postgres", "postgresql"):  # as hosting providers write it
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("postgresql+psycopg", "sqlite"):
        raise SettingsError("DATABASE_URL has to begin with postgresql:// or sqlite:///.")
    if in_memory(url) and not settings.get("TESTING"):
        raise SettingsError(
            "DATABASE_URL names no file, so each worker would have a database of its own. "
            "Write it as sqlite:////path/to/file.sqlite."
        )
    return url.render_as_string(hide_password=False)


def engine_options(url: str) -> dict[str, Any]:
    """Return the options of SQLAlchemy's engine for a database URL."""
    timeout = {"timeout": 30} if url.startswith("sqlite") else {"connect_timeout": 5}
    return {
        "connect_args": timeout,
        "hide_parameters": True,  # in errors and in the log
        "pool_pre_ping": True,  # after a restart of the database, no request fails
    }


def in_memory(url: URL) -> bool:
    """Return whether a database is SQLite's in memory, which ends with its process."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def create_tables() -> None:
    """Create the missing tables. Workers that start at the same moment take turns.

    Raises:
        SettingsError: If the SQLite file cannot be created or opened.
    """
    is_sqlite = db.engine.dialect.name == "sqlite"
    if is_sqlite:
        event.listen(db.engine, "connect", _set_up_sqlite)
    if is_sqlite and not in_memory(db.engine.url):
        file = str(db.engine.url.database)
        try:
            # SQLite gives its journal the mode of the database file.
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise SettingsError(
                f"The database file {file} cannot be opened: {error}. Check DATABASE_URL."
            ) from None
    with db.engine.begin() as connection:
        if is_sqlite:
            connection.execute(text("BEGIN IMMEDIATE"))
        else:
            connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
        Base.metadata.create_all(connection)
    if not in_memory(db.engine.url):
        db.engine.dispose()  # forked workers must not share this connection


def _set_up_sqlite(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")  # reading goes on while another worker writes
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()

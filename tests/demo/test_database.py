"""A database that is down, locked or restarted, a lost answer to a commit, parallel sign-ins."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from authlib_kucoin.sandbox import Sandbox
from flask_demo import ledger
from flask_demo.extensions import db
from flask_demo.models import ConnectedKey, Status, User
from tests.demo.apps import Clock, MakeApp, at_once, both_databases, status_of
from tests.demo.visitor import Visitor, text_of, then


@pytest.fixture
def down(app: Flask) -> Iterator[threading.Event]:
    """While this event is set, each statement and commit fails as if the database were down."""
    down = threading.Event()

    def refuse(*_args: object) -> None:
        if down.is_set():
            raise OperationalError("canary-statement", {}, OSError("the database is down"))

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", refuse)
        event.listen(db.engine, "commit", refuse)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return down


@both_databases
@pytest.mark.parametrize(
    ("method", "issued", "reads_as"),
    [
        ("authorize_redirect", 0, Status.EXPIRED),
        ("authorize_access_token", 0, Status.FAILED),
        ("create_api_key", 1, Status.UNKNOWN),
        ("get_api_key_info", 1, Status.STORED),
    ],
)
def test_database_goes_down(
    alice: Visitor,
    sandbox: Sandbox,
    clock: Clock,
    down: threading.Event,
    *,
    method: str,
    issued: int,
    reads_as: Status,
) -> None:
    """If the database fails during a connect, an error page is shown.

    An issued key is stored, or its attempt becomes unknown.
    """
    with then(alice.app, method, down.set):
        path = alice.approve(alice.begin())
        response = alice.follow(alice.get(path))
    assert response.status_code == 500
    assert "This is our fault" in text_of(response)
    assert "canary" not in response.text
    down.clear()
    assert len(sandbox.issued_keys) == issued
    clock.advance(16 * 60)
    alice.get("/")
    assert status_of(alice.app, 1) == reads_as


def test_key_that_cannot_be_stored(alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a new key cannot be stored, the attempt becomes unknown at once."""

    def fail(*_args: object) -> None:
        raise OperationalError("UPDATE", {}, OSError("disk full"))

    monkeypatch.setattr(ledger, "store", fail)
    page = text_of(alice.connect())
    assert "our database failed before the key was stored" in page
    assert status_of(alice.app, 1) == Status.UNKNOWN


@both_databases
def test_commit_whose_answer_is_lost(
    alice: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the key was stored and only the database's answer was lost, the attempt stays stored."""
    armed = threading.Event()
    with app.app_context():
        dialect = db.engine.dialect
    commit = dialect.do_commit

    def commit_and_lose_the_answer(connection: Any) -> None:
        commit(connection)
        if armed.is_set():
            armed.clear()
            raise dialect.loaded_dbapi.OperationalError("the connection is gone")

    monkeypatch.setattr(dialect, "do_commit", commit_and_lose_the_answer)
    with then(app, "create_api_key", armed.set):
        page = text_of(alice.connect())
    assert "Your key is stored" in page
    assert status_of(app, 1) == Status.STORED
    with app.app_context():
        assert db.session.scalars(select(ConnectedKey.attempt_id)).all() == [1]


def test_same_name_signed_in_twice_at_once(app: Flask, sandbox: Sandbox) -> None:
    """Two parallel sign-ins with one new name lead to one user."""
    other = Visitor(app, sandbox)

    def sign_in_elsewhere(*_args: object) -> None:
        at_once(lambda: other.post("/login", username="alice"))

    alice = Visitor(app, sandbox)
    event.listen(db.session, "before_flush", sign_in_elsewhere, once=True)
    alice.post("/login", username="alice")
    for visitor in (alice, other):
        assert "Signed in as <b>alice</b>" in visitor.get("/").text
    with app.app_context():
        assert db.session.scalars(select(User.name)).all() == ["alice"]


def test_restarted_database(make_app: MakeApp, sandbox: Sandbox, postgres_database: str) -> None:
    """A pooled connection that the server has closed does not make a request fail."""
    app = make_app(DATABASE_URL=postgres_database)
    alice = Visitor(app, sandbox, "alice")
    login_page = alice.begin()
    engine = create_engine(postgres_database, poolclass=NullPool)
    with engine.connect() as other:
        ended = other.execute(
            text(
                "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar()
    assert ended
    assert "is connected" in text_of(alice.follow(alice.get(alice.approve(login_page))))


def test_locked_sqlite(make_app: MakeApp, sandbox: Sandbox, tmp_path: Path) -> None:
    """If another program holds SQLite's lock for too long, the callback leads to the error page."""
    app = make_app(SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 0.05}})
    app.config["PROPAGATE_EXCEPTIONS"] = False
    alice = Visitor(app, sandbox, "alice")
    path = alice.approve(alice.begin())
    file = tmp_path / "instance" / "kucoin.sqlite"
    with closing(sqlite3.connect(file, check_same_thread=False)) as other:
        with then(app, "create_api_key", lambda: other.execute("BEGIN IMMEDIATE")):
            assert alice.get(path).location.startswith("/kucoin/problem/500?")
        assert "In progress" in text_of(alice.get("/"))  # reading works while the lock is held
    assert status_of(app, 1) == Status.PROVISIONING

"""Waits for PostgreSQL have time limits, and the demo works behind PgBouncer."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from authlib_kucoin.sandbox import Sandbox
from flask_demo import create_app, database, limits
from flask_demo.extensions import db
from flask_demo.models import ConnectedKey, lock_keys
from tests.demo.apps import MakeApp, at_once
from tests.demo.visitor import Visitor, text_of, then
from tests.support.ports import free_port
from tests.support.waiting import wait_until


@pytest.fixture
def app(make_app: MakeApp, postgres_database: str) -> Flask:
    """The demo on PostgreSQL."""
    return make_app(DATABASE_URL=postgres_database)


_LIMITS = {
    "lock_timeout": limits.LOCK_SECONDS,
    "statement_timeout": limits.STATEMENT_SECONDS,
    "idle_in_transaction_session_timeout": limits.IDLE_SECONDS,
}


def test_limits_of_a_transaction(app: Flask) -> None:
    """Each transaction has the three time limits, also a connection's second transaction."""
    with app.app_context():
        for _ in range(2):
            for name, seconds in _LIMITS.items():
                shown = db.session.scalar(text(f"SELECT current_setting('{name}')::interval"))
                assert shown.total_seconds() == seconds
            db.session.commit()


@pytest.mark.parametrize(
    ("name", "statement", "error"),
    [
        ("lock_timeout", "SELECT 1 FROM user_account FOR UPDATE", "lock timeout"),
        ("statement_timeout", "SELECT pg_sleep(60)", "statement timeout"),
        ("statement_timeout", "SELECT 1 FROM user_account FOR UPDATE", "statement timeout"),
    ],
)
def test_wait_for_a_statement_ends(
    alice: Visitor, monkeypatch: pytest.MonkeyPatch, name: str, statement: str, error: str
) -> None:
    """A wait for a locked row and a slow statement end with an error."""
    with alice.app.app_context(), db.engine.connect() as other:
        other.execute(text("SELECT 1 FROM user_account FOR UPDATE"))
        monkeypatch.setitem(database._LIMITS, name, 0.1)
        with pytest.raises(OperationalError, match=error):
            db.session.execute(text(statement))


def test_idle_transaction_ends(alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL ends a transaction that sends no statement, and releases its locks."""
    alice.connect()
    with alice.app.app_context():
        monkeypatch.setitem(database._LIMITS, "idle_in_transaction_session_timeout", 0.1)
        with db.engine.connect() as stopped:
            stopped.execute(text("SELECT 1 FROM connected_key FOR UPDATE"))
            assert lock_keys(ConnectedKey.id == 1)
            db.session.commit()
            with pytest.raises(DBAPIError, match="idle-in-transaction timeout"):
                stopped.execute(text("SELECT 1"))
            stopped.invalidate()


def test_silent_database_host(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A database host that accepts the connection and sends nothing leads to an error."""
    options = database._POSTGRESQL
    monkeypatch.setitem(options, "connect_timeout", options["connect_timeout"] - 3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"
        began = time.monotonic()
        with pytest.raises(OperationalError, match="timeout expired"):
            create_app({**settings, "DATABASE_URL": url})
        assert time.monotonic() - began < 8


def test_a_page_says_so(app: Flask, alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a row stays locked, the callback leads to a page whose link can try again."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    path = alice.approve(alice.begin())
    with app.app_context(), db.engine.connect() as other:
        other.execute(text("SELECT 1 FROM connect_attempt FOR UPDATE"))
        with monkeypatch.context() as patch:
            patch.setitem(database._LIMITS, "lock_timeout", 0.1)
            page = alice.follow(alice.get(path))
    assert page.status_code == 500
    again = page.text.partition('href="/kucoin/callback?')[2].partition('"')[0]
    assert "code" not in again
    assert "is connected" in text_of(alice.follow(alice.get(f"/kucoin/callback?{again}")))


def test_connections_are_kept(app: Flask) -> None:
    """Twelve threads that use the database at once, five times, open only twelve connections."""
    opened: list[object] = []
    all_have_one, all_are_done = threading.Barrier(12), threading.Barrier(12)
    with app.app_context():
        event.listen(db.engine, "connect", lambda connection, _: opened.append(connection))

    def work() -> None:
        with app.app_context():
            for _ in range(5):
                db.session.execute(text("SELECT 1"))
                all_have_one.wait(30)
                db.session.commit()
                all_are_done.wait(30)

    at_once(*[work] * 12)
    assert len(opened) == 12


@pytest.fixture
def pgbouncer(postgres_database: str) -> Iterator[str]:
    """The URL of a PgBouncer in transaction mode with at most two connections to PostgreSQL."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("no PgBouncer: apt-get install pgbouncer")
    url, port = make_url(postgres_database), free_port()
    user: dict[str, Any] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "users").write_text('"postgres" ""\n')
        (folder / "ini").write_text(
            f"[databases]\n* = host={url.query.get('host', url.host)}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {folder / 'users'}\n"
            "pool_mode = transaction\ndefault_pool_size = 2\n"
        )
        if os.geteuid() == 0:  # PgBouncer refuses to run as root
            nobody = pwd.getpwnam("nobody")
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        process = stack.enter_context(
            subprocess.Popen([program, "-q", folder / "ini"], stderr=subprocess.DEVNULL, **user)
        )
        stack.callback(process.terminate)

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens)
        yield f"postgresql://postgres@127.0.0.1:{port}/{url.database}"


def test_behind_pgbouncer(make_app: MakeApp, pgbouncer: str, sandbox: Sandbox) -> None:
    """36 connects, six at once, work behind PgBouncer in transaction mode."""
    app = make_app(DATABASE_URL=pgbouncer, KUCOIN_KEEP_TOKENS="1")
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def connect(number: int) -> list[bool]:
        visitor = Visitor(app, sandbox, f"user {number}")
        return ["is connected" in text_of(visitor.connect()) for _ in range(6)]

    results = at_once(*[lambda number=number: connect(number) for number in range(6)])
    assert results == [[True] * 6] * 6
    with app.app_context():
        shown = db.session.scalar(text("SELECT current_setting('lock_timeout')"))
        assert shown == f"{limits.LOCK_SECONDS}s"


def test_silent_database_host_later(make_app: MakeApp, pgbouncer: str) -> None:
    """Database sockets have the options by which the kernel gives up a host that has vanished."""
    app = make_app(DATABASE_URL=pgbouncer)
    with app.app_context(), db.engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        with socket.socket(fileno=os.dup(driver.pgconn.socket)) as wire:
            option = lambda name: wire.getsockopt(socket.IPPROTO_TCP, name)  # noqa: E731
            assert option(socket.TCP_USER_TIMEOUT) == limits.SILENCE_SECONDS * 1000
            assert option(socket.TCP_KEEPIDLE) == limits.SILENCE_SECONDS
            assert option(socket.TCP_KEEPINTVL) * option(socket.TCP_KEEPCNT) <= 20
            assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize("method", ["authorize_access_token", "create_api_key", "get_api_key_info"])
def test_no_connection_is_held_while_kucoin_is_asked(
    alice: Visitor, app: Flask, method: str
) -> None:
    """While a connect or a check waits for KuCoin, the demo holds no database connection."""
    held = []
    with app.app_context():
        engine = db.engine
    with then(app, method, lambda: held.append(engine.pool.checkedout())):  # type: ignore[attr-defined]
        assert "is connected" in text_of(alice.connect())
        alice.post("/kucoin/keys/1/check")
    assert set(held) == {0}

"""The ledger under fire: clicked twice, left, crashed, and with the database gone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from demo_support import Clock, MakeApp
from flask import Flask
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool
from visitor import Visitor, text_of, then

from authlib_kucoin.sandbox import Sandbox
from flask_demo import ledger
from flask_demo.models import ConnectAttempt, ConnectedKey, Status, User, db

both_databases = pytest.mark.parametrize("app", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def app(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    """The demo, on PostgreSQL if the test asks for it."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return make_app()
    return make_app(DATABASE_URL=request.getfixturevalue("postgres_database"))


def status_of(app: Flask, attempt_id: int) -> Status:
    """Return what stands in the row."""
    with app.app_context():
        return db.session.get_one(ConnectAttempt, attempt_id).status


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls in threads, all at the same time, and return their results."""
    start = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        start.wait()
        results[number] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_second_callback_shows_the_first_outcome(alice: Visitor, sandbox: Sandbox) -> None:
    """Reloading, going back, or opening the address again asks KuCoin for nothing."""
    path = alice.approve(alice.begin())
    first = alice.get(path)
    for _ in range(3):
        again = alice.get(path)
        assert (again.status_code, again.location) == (303, first.location)
    assert sandbox.totals["token"] == sandbox.totals["create_api_key"] == 1


@both_databases
def test_two_callbacks_at_once(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """Of many callbacks at the same moment, from copies of one browser, one makes a key."""
    path = alice.approve(alice.begin())
    cookie = alice.http.get_cookie("session")
    assert cookie

    def call() -> int:
        tab = app.test_client()
        tab.set_cookie("session", cookie.value)
        return tab.get(path).status_code

    assert at_once(*[call] * 8) == [303] * 8
    assert sandbox.totals["token"] == sandbox.totals["create_api_key"] == 1
    assert "is connected" in text_of(alice.get("/kucoin/attempts/1"))


def test_two_connects_at_once(alice: Visitor, sandbox: Sandbox) -> None:
    """Two attempts of one user do not disturb each other; the account has one row in the end."""
    first, second = alice.begin(), alice.begin()
    for login_page in (second, first):
        assert "is connected" in text_of(alice.follow(alice.get(alice.approve(login_page))))
    assert len(sandbox.issued_keys) == 2
    assert text_of(alice.get("/")).count("Account 165111215") == 1
    assert "The old key still exists" in text_of(alice.get("/kucoin/attempts/1"))


@both_databases
def test_same_account_twice_at_once(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """Two callbacks for one account, in two workers, end in one row, and neither key is lost."""
    paths = [alice.approve(alice.begin()) for _ in range(4)]
    cookie = alice.http.get_cookie("session")
    assert cookie

    def call(path: str) -> int:
        tab = app.test_client()
        tab.set_cookie("session", cookie.value)
        return tab.get(path).status_code

    assert at_once(*[lambda path=path: call(path) for path in paths]) == [303] * 4
    assert len(sandbox.issued_keys) == 4
    with app.app_context():
        statuses = db.session.scalars(select(ConnectAttempt.status)).all()
        assert statuses == [Status.STORED] * 4
        # Their checks may have missed each other; any later check puts that right.
        newest = max(db.session.scalars(select(ConnectedKey)).all(), key=lambda key: key.id)
    alice.post(f"/kucoin/keys/{newest.id}/check")
    assert text_of(alice.get("/")).count("Account 165111215") == 1


def test_head_and_wrong_methods(alice: Visitor, sandbox: Sandbox) -> None:
    """A prefetch by HEAD, or a link to connect, begins nothing and uses nothing up."""
    path = alice.approve(alice.begin())
    response = alice.http.head(path)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET")
    assert alice.get("/kucoin/connect").status_code == 405
    assert alice.http.post(path).status_code in (400, 405)
    assert "token" not in sandbox.totals
    assert "is connected" in text_of(alice.follow(alice.get(path)))


def test_callback_after_sign_out(alice: Visitor, sandbox: Sandbox) -> None:
    """Who signs out while at KuCoin has to begin again, also after signing in again."""
    path = alice.approve(alice.begin())
    alice.post("/logout")
    assert alice.get(path).location == "/"
    alice.post("/login", username="alice")
    page = text_of(alice.follow(alice.get(path)))
    assert "This was not the browser that began" in page
    assert status_of(alice.app, 1) == Status.DENIED
    assert "token" not in sandbox.totals


def test_callback_as_another_user(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """Nobody can finish, or spoil, what somebody else has begun (login CSRF)."""
    path = alice.approve(alice.begin())
    mallory = Visitor(app, sandbox, "mallory")
    response = mallory.get(path)
    assert response.status_code == 403
    assert "begun by another user" in text_of(response)
    assert "token" not in sandbox.totals
    assert "is connected" in text_of(alice.follow(alice.get(path)))


def test_callback_in_another_browser(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """A state is bound to the browser session that began, even for the same user."""
    path = alice.approve(alice.begin())
    other = Visitor(app, sandbox, "alice")
    assert "This was not the browser that began" in text_of(other.follow(other.get(path)))
    assert "token" not in sandbox.totals


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?state=",
        "?code=a",
        "?code=a&state=b",
        "?code=a&state=WzEsMV0.awURdA.GO3IpuegIHPrVjuMd2yEtxFnOr8",
        "?state=%00%ff%f0%9f%92%a9",
        "?state=" + "A" * 50_000,
        "?success=false&code=1&msg=<script>alert(1)</script>",
    ],
)
def test_hostile_callbacks(alice: Visitor, sandbox: Sandbox, query: str) -> None:
    """What we have not signed is refused in words, and nothing of it is repeated."""
    response = alice.get(f"/kucoin/callback{query}")
    assert response.status_code == 400
    assert "belongs to no connection that was begun here" in text_of(response)
    assert "alert(1)" not in response.text
    assert sandbox.totals == {}


@pytest.mark.parametrize(
    "more", ["&code=x", "&state=x", "&success=true&success=true", "&code=" + "A" * 50_000]
)
def test_callback_with_doubled_parameters(alice: Visitor, sandbox: Sandbox, more: str) -> None:
    """A callback that says two things is not believed, and the attempt is over."""
    path = alice.approve(alice.begin())
    page = text_of(alice.follow(alice.get(path + more)))
    assert "Your account was not connected" in page
    assert "token" not in sandbox.totals


def test_many_logins_under_way(alice: Visitor) -> None:
    """However often Connect is pressed, the session cookie stays far below what browsers take."""
    login_pages = [alice.begin() for _ in range(12)]
    cookie = alice.http.get_cookie("session")
    assert cookie
    assert len(cookie.value) < 3000
    for login_page in login_pages[-4:]:
        assert "is connected" in text_of(alice.follow(alice.get(alice.approve(login_page))))


@pytest.mark.parametrize(
    ("left_at", "reads_as", "said"),
    [
        (Status.STARTED, Status.EXPIRED, "This attempt has expired"),
        (Status.CLAIMED, Status.FAILED, "The connection was interrupted"),
        (Status.PROVISIONING, Status.UNKNOWN, "our own server stopped before"),
    ],
)
def test_crashed_attempts(
    alice: Visitor, clock: Clock, left_at: Status, reads_as: Status, said: str
) -> None:
    """What a dead worker has left reads as what it is, on its page and in the list."""
    alice.begin()
    with alice.app.app_context():
        attempt = db.session.get_one(ConnectAttempt, 1)
        attempt.status = left_at
        db.session.commit()
    page = alice.get("/kucoin/attempts/1")
    assert ('http-equiv="refresh"' in page.text) is (left_at != Status.STARTED)
    clock.advance(16 * 60 if left_at == Status.STARTED else 62)
    alice.get("/")
    assert status_of(alice.app, 1) == reads_as
    assert said in text_of(alice.get("/kucoin/attempts/1"))


def test_slow_worker_asks_for_nothing(alice: Visitor, clock: Clock, sandbox: Sandbox) -> None:
    """A worker that was given up for dead, and told so to the user, asks for no key any more."""
    path = alice.approve(alice.begin())

    def meanwhile() -> None:
        clock.advance(90)
        with alice.app.app_context():
            ledger.own_attempt(1, 1)  # the user looks

    with then(alice.app, "authorize_access_token", meanwhile):
        page = text_of(alice.follow(alice.get(path)))
    assert "The connection was interrupted" in page
    assert sandbox.issued_keys == ()


def test_slow_answer_is_stored(alice: Visitor, clock: Clock) -> None:
    """A key that comes after the attempt was taken for lost is stored all the same."""
    path = alice.approve(alice.begin())

    def meanwhile() -> None:
        clock.advance(90)
        with alice.app.app_context():
            ledger.own_attempt(1, 1)
        assert status_of(alice.app, 1) == Status.UNKNOWN

    with then(alice.app, "create_api_key", meanwhile):
        page = text_of(alice.follow(alice.get(path)))
    assert "is connected" in page
    with alice.app.app_context():
        attempt = db.session.get_one(ConnectAttempt, 1)
    assert (attempt.status, attempt.error, attempt.detail) == (Status.STORED, "", "")


@pytest.fixture
def down(app: Flask) -> Iterator[threading.Event]:
    """The database does not answer while this is set."""
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
    """Before, during and after provisioning: a page says so, and each key is stored or flagged."""
    with then(alice.app, method, down.set):
        path = alice.approve(alice.begin())
        response = alice.get(path)
    assert response.status_code == 500
    assert "It is our fault" in text_of(response)
    assert "canary" not in response.text
    down.clear()
    assert len(sandbox.issued_keys) == issued
    clock.advance(16 * 60)
    alice.get("/")
    assert status_of(alice.app, 1) == reads_as


def test_key_that_cannot_be_stored(alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """If only the storing fails, the attempt is flagged at once."""

    def fail(*_args: object) -> None:
        raise OperationalError("UPDATE", {}, OSError("disk full"))

    monkeypatch.setattr(ledger, "store", fail)
    page = text_of(alice.connect())
    assert "our database failed before it was stored" in page
    assert status_of(alice.app, 1) == Status.UNKNOWN


@both_databases
def test_commit_whose_answer_is_lost(
    alice: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was stored is not flagged as unknown only because the database went silent."""
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
    assert "is connected" in page
    assert status_of(app, 1) == Status.STORED
    with app.app_context():
        assert db.session.scalars(select(ConnectedKey.attempt_id)).all() == [1]


def test_same_name_signed_in_twice_at_once(app: Flask, sandbox: Sandbox) -> None:
    """Of two sign-ins that find no user yet, each gets the one that is made."""
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
    """A connection that was kept, and that the server has ended since, costs no attempt."""
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
    """A SQLite file that somebody else holds for too long is a database that is down."""
    app = make_app(SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 0.05}})
    app.config["PROPAGATE_EXCEPTIONS"] = False
    alice = Visitor(app, sandbox, "alice")
    path = alice.approve(alice.begin())
    file = tmp_path / "instance" / "kucoin.sqlite"
    with closing(sqlite3.connect(file, check_same_thread=False)) as other:
        with then(app, "create_api_key", lambda: other.execute("BEGIN IMMEDIATE")):
            assert alice.get(path).status_code == 500
        assert "In progress" in text_of(alice.get("/"))  # readers go on meanwhile
    assert status_of(app, 1) == Status.PROVISIONING

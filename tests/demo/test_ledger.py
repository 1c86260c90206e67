"""The ledger: parallel callbacks, forged callbacks, abandoned attempts and slow workers."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from sqlalchemy import select

from authlib_kucoin.sandbox import Sandbox
from flask_demo import ledger
from flask_demo.extensions import db
from flask_demo.models import ConnectAttempt, ConnectedKey, Status
from tests.demo.apps import Clock, at_once, both_databases, status_of
from tests.demo.visitor import Visitor, text_of, then


def test_second_callback_shows_the_first_outcome(alice: Visitor, sandbox: Sandbox) -> None:
    """A callback that is opened again shows the same outcome, and KuCoin is not asked again."""
    path = alice.approve(alice.begin())
    first = alice.get(path)
    for _ in range(3):
        again = alice.get(path)
        assert (again.status_code, again.location) == (303, first.location)
    assert sandbox.totals["token"] == sandbox.totals["create_api_key"] == 1


@both_databases
def test_two_callbacks_at_once(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """Eight parallel requests with one callback create one key."""
    path = alice.approve(alice.begin())

    def call() -> int:
        return alice.copy().get(path).status_code

    assert at_once(*[call] * 8) == [303] * 8
    assert sandbox.totals["token"] == sandbox.totals["create_api_key"] == 1
    assert "is connected" in text_of(alice.get("/kucoin/attempts/1"))


def test_two_connects_at_once(alice: Visitor, sandbox: Sandbox) -> None:
    """Two attempts of one user both succeed, and the account has one row afterwards."""
    first, second = alice.begin(), alice.begin()
    for login_page in (second, first):
        assert "is connected" in text_of(alice.follow(alice.get(alice.approve(login_page))))
    assert len(sandbox.issued_keys) == 2
    assert text_of(alice.get("/")).count("Account 165111215") == 1
    assert "An old key still works" in text_of(alice.get("/kucoin/attempts/1"))


@both_databases
def test_same_account_twice_at_once(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """Four parallel callbacks for one account store four keys, whose rows are merged into one."""
    paths = [alice.approve(alice.begin()) for _ in range(4)]

    def call(path: str) -> int:
        return alice.copy().get(path).status_code

    with then(app, "get_api_key_info", threading.Barrier(4, timeout=30).wait):
        assert at_once(*[lambda path=path: call(path) for path in paths]) == [303] * 4
    assert len(sandbox.issued_keys) == 4
    with app.app_context():
        statuses = db.session.scalars(select(ConnectAttempt.status)).all()
        assert statuses == [Status.STORED] * 4
        assert len(db.session.scalars(select(ConnectedKey)).all()) == 1
    assert text_of(alice.get("/")).count("Account 165111215") == 1


def test_head_and_wrong_methods(alice: Visitor, sandbox: Sandbox) -> None:
    """A HEAD of the callback and a GET of connect are refused and do not use up the callback."""
    path = alice.approve(alice.begin())
    response = alice.http.head(path)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET")
    assert alice.get("/kucoin/connect").status_code == 405
    assert "token" not in sandbox.totals
    assert "is connected" in text_of(alice.follow(alice.get(path)))


def test_callback_after_sign_out(alice: Visitor, sandbox: Sandbox) -> None:
    """A connect from before a sign-out cannot be finished, even if the user signs in again."""
    path = alice.approve(alice.begin())
    alice.post("/logout")
    assert alice.get(path).location == "/"
    alice.post("/login", username="alice")
    page = text_of(alice.follow(alice.get(path)))
    assert "You began in another browser" in page
    assert status_of(alice.app, 1) == Status.DENIED
    assert "token" not in sandbox.totals


def test_callback_as_another_user(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """A callback that another user opens is a 403 and does not end the attempt (login CSRF)."""
    path = alice.approve(alice.begin())
    mallory = Visitor(app, sandbox, "mallory")
    response = mallory.follow(mallory.get(path))
    assert response.status_code == 403
    assert "begun under another name" in text_of(response)
    assert "token" not in sandbox.totals
    assert "is connected" in text_of(alice.follow(alice.get(path)))


def test_callback_in_another_browser(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """A callback in another browser is refused, even if the same user has signed in there."""
    path = alice.approve(alice.begin())
    other = Visitor(app, sandbox, "alice")
    assert "You began in another browser" in text_of(other.follow(other.get(path)))
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
    """A missing or forged state leads to an error page, without the `msg` of the callback."""
    alice.begin()  # attempt 1, which one of the forged states names
    response = alice.follow(alice.get(f"/kucoin/callback{query}"))
    assert response.status_code == 400
    assert "belongs to no connection that was begun here" in text_of(response)
    assert "alert(1)" not in response.text
    assert sandbox.totals == {}


@pytest.mark.parametrize(
    "more", ["&code=x", "&state=x", "&success=true&success=true", "&code=" + "A" * 50_000]
)
def test_callback_with_doubled_parameters(alice: Visitor, sandbox: Sandbox, more: str) -> None:
    """A callback that repeats a parameter ends the attempt, and no code is exchanged."""
    path = alice.approve(alice.begin())
    page = text_of(alice.follow(alice.get(path + more)))
    assert "Your account was not connected" in page
    assert "token" not in sandbox.totals


def test_many_logins_under_way(alice: Visitor) -> None:
    """12 parallel logins keep the session cookie small; the first and the last four can finish."""
    login_pages = [alice.begin() for _ in range(12)]
    cookie = alice.http.get_cookie("session")
    assert cookie
    assert len(cookie.value) < 500
    for login_page in (login_pages[0], *login_pages[-4:]):
        assert "is connected" in text_of(alice.follow(alice.get(alice.approve(login_page))))


@pytest.mark.parametrize(
    ("left_at", "reads_as", "said"),
    [
        (Status.STARTED, Status.EXPIRED, "This attempt has expired"),
        (Status.CLAIMED, Status.FAILED, "The connection was interrupted"),
        (Status.PROVISIONING, Status.UNKNOWN, "our server stopped before"),
    ],
)
def test_crashed_attempts(
    alice: Visitor, clock: Clock, left_at: Status, reads_as: Status, said: str
) -> None:
    """When the first page lists an unfinished attempt past its time limit, the attempt is ended."""
    alice.begin()
    with alice.app.app_context():
        attempt = db.session.get_one(ConnectAttempt, 1)
        attempt.status = left_at
        db.session.commit()
    page = alice.get("/kucoin/attempts/1")
    assert ("See whether it is done" in page.text) is (left_at != Status.STARTED)
    clock.advance(16 * 60 if left_at == Status.STARTED else 62)
    alice.get("/")
    assert status_of(alice.app, 1) == reads_as
    assert said in text_of(alice.get("/kucoin/attempts/1"))


def test_slow_worker_asks_for_nothing(alice: Visitor, clock: Clock, sandbox: Sandbox) -> None:
    """A worker asks for no key if its attempt was settled as abandoned during the exchange."""
    path = alice.approve(alice.begin())

    def meanwhile() -> None:
        clock.advance(90)
        with alice.app.app_context():
            ledger.own_attempt(1, 1)  # the page of the attempt does this

    with then(alice.app, "authorize_access_token", meanwhile):
        page = text_of(alice.follow(alice.get(path)))
    assert "The connection was interrupted" in page
    assert sandbox.issued_keys == ()


def test_slow_answer_is_stored(alice: Visitor, clock: Clock) -> None:
    """A key that arrives after its attempt was settled as unknown is stored all the same."""
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

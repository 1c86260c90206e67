"""The ledger under fire: clicked twice, left, crashed, and with the database gone."""

from __future__ import annotations

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

    def call() -> int:
        return alice.copy().get(path).status_code

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
    assert "An old key still works" in text_of(alice.get("/kucoin/attempts/1"))


@both_databases
def test_same_account_twice_at_once(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """Two callbacks for one account, in two workers, end in one row, and neither key is lost."""
    paths = [alice.approve(alice.begin()) for _ in range(4)]

    def call(path: str) -> int:
        return alice.copy().get(path).status_code

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
    assert "token" not in sandbox.totals
    assert "is connected" in text_of(alice.follow(alice.get(path)))


def test_callback_after_sign_out(alice: Visitor, sandbox: Sandbox) -> None:
    """Who signs out while at KuCoin has to begin again, also after signing in again."""
    path = alice.approve(alice.begin())
    alice.post("/logout")
    assert alice.get(path).location == "/"
    alice.post("/login", username="alice")
    page = text_of(alice.follow(alice.get(path)))
    assert "You began in another browser" in page
    assert status_of(alice.app, 1) == Status.DENIED
    assert "token" not in sandbox.totals


def test_callback_as_another_user(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """Nobody can finish, or spoil, what somebody else has begun (login CSRF)."""
    path = alice.approve(alice.begin())
    mallory = Visitor(app, sandbox, "mallory")
    response = mallory.follow(mallory.get(path))
    assert response.status_code == 403
    assert "begun by another user" in text_of(response)
    assert "token" not in sandbox.totals
    assert "is connected" in text_of(alice.follow(alice.get(path)))


def test_callback_in_another_browser(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """A state is bound to the browser session that began, even for the same user."""
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
    """What we have not signed is refused in words, and nothing of it is repeated."""
    response = alice.follow(alice.get(f"/kucoin/callback{query}"))
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
    """However often Connect is pressed, the session cookie stays small, and each login works."""
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
    """What a dead worker has left reads as what it is, on its page and in the list."""
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

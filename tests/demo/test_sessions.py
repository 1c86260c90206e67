"""Parallel and slow requests do not undo a sign-out, and a lost session does not lose a login."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from authlib_kucoin.sandbox import Sandbox
from flask_demo.extensions import db
from flask_demo.models import ConnectAttempt, Status
from tests.demo.apps import Clock, at_once, status_of
from tests.demo.visitor import Visitor, csrf_token, kucoin_of, text_of, then


@pytest.mark.parametrize("method", ["authorize_access_token", "create_api_key", "get_api_key_info"])
def test_no_answer_after_kucoin_changes_the_session(alice: Visitor, method: str) -> None:
    """A callback sets no cookie after it has waited for KuCoin, so a sign-out meanwhile stays."""
    path = alice.approve(alice.begin())
    other = Visitor(alice.app, alice.sandbox)

    def sign_out() -> None:
        other.http = alice.copy()
        other.post("/logout")

    with then(alice.app, method, sign_out):
        response = alice.get(path)
    assert "Set-Cookie" not in response.headers
    assert response.location == "/kucoin/attempts/1"
    # The cookie from before the sign-out is no longer valid.
    assert "Signed in as" not in alice.get("/").text


def test_check_and_new_key_set_no_cookie(alice: Visitor, app: Flask) -> None:
    """A check and a new key set no cookie after they have waited for KuCoin."""
    alice.connect()
    app.config["KUCOIN_KEEP_TOKENS"] = True
    alice.connect()
    for action in ("check", "rotate"):
        response = alice.post(f"/kucoin/keys/1/{action}")
        assert response.status_code == 303
        assert "Set-Cookie" not in response.headers


def test_sign_out_ends_copies_of_the_cookie(alice: Visitor) -> None:
    """A copy of the session cookie from before a sign-out is not valid afterwards."""
    copy = alice.copy()
    assert "Signed in as" in copy.get("/").text
    alice.post("/logout")
    assert "Signed in as" not in copy.get("/").text
    alice.post("/login", username="alice")
    assert "Signed in as" not in copy.get("/").text


def test_two_tabs_connect_at_once(alice: Visitor) -> None:
    """Two tabs that press Connect at once can both finish their logins."""
    token = csrf_token(alice.get("/"))

    def connect() -> Any:
        return alice.copy().post("/kucoin/connect", data={"csrf_token": token})

    for login in at_once(connect, connect):
        assert "Set-Cookie" not in login.headers
        page = text_of(alice.follow(alice.get(alice.approve(login.location))))
        assert "is connected" in page


def test_pressed_again_while_kucoin_is_slow(alice: Visitor, app: Flask) -> None:
    """A second press for a new key shows that the first is in progress; one new key is created."""
    app.config["KUCOIN_KEEP_TOKENS"] = True
    alice.connect()
    answers: list[Any] = []
    form = {"csrf_token": csrf_token(alice.get("/")), "seen": "1"}

    def press_again() -> None:
        tab = alice.copy()
        answers.append(tab.post("/kucoin/keys/1/rotate", data=form))
        answers.append(tab.get(answers[0].location))

    with then(app, "create_api_key", press_again):
        first = alice.post("/kucoin/keys/1/rotate", seen="1")
    second, page = answers
    assert first.location == second.location == "/kucoin/attempts/2"
    assert "See whether it is done" in text_of(page)
    assert "is connected" in text_of(alice.follow(first))
    assert len(alice.sandbox.issued_keys) == 2


def test_lost_session_goes_on(alice: Visitor) -> None:
    """After a lost session, a sign-in lets the callback go on; meanwhile its code is sealed."""
    path = alice.approve(alice.begin())
    code = re.search("[0-9a-f]{32}", path)
    assert code
    alice.http.delete_cookie("session")
    assert alice.get(path).location == "/"
    cookie = alice.http.get_cookie("session")
    assert cookie
    read = SecureCookieSessionInterface().get_signing_serializer(alice.app)
    assert read
    assert code[0] not in str(read.loads(cookie.value))
    page = alice.follow(alice.follow(alice.post("/login", username="alice")))
    assert "is connected" in text_of(page)


def test_lost_session_of_somebody_else(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """After a lost session, another user who signs in cannot finish the connect."""
    path = alice.approve(alice.begin())
    alice.http.delete_cookie("session")
    alice.get(path)
    response = alice.get(alice.post("/login", username="mallory").location)
    assert "begun under another name" in text_of(alice.follow(response))
    assert "token" not in sandbox.totals
    assert status_of(app, 1) == Status.STARTED


def test_no_return_to_elsewhere(app: Flask, sandbox: Sandbox) -> None:
    """After the sign-in the browser goes to a path of this site only, and to no very long one."""
    nobody = Visitor(app, sandbox)
    nobody.get("/kucoin/attempts/1?next=//evil.example")
    location = nobody.post("/login", username="alice").location
    assert location == "/kucoin/attempts/1?next=//evil.example"
    nobody = Visitor(app, sandbox)
    nobody.get("/kucoin/attempts/1?" + "x" * 5000)  # too long for a cookie
    assert nobody.post("/login", username="alice").location == "/"


def test_return_under_a_prefix(app: Flask) -> None:
    """If a server puts a prefix in front of the demo's paths, the page to return to has it, too."""
    http, under_prefix = app.test_client(), {"base_url": "http://localhost/demo"}
    http.get("/kucoin/attempts/1", **under_prefix)
    form = {"csrf_token": csrf_token(http.get("/", **under_prefix)), "username": "alice"}
    location = http.post("/login", data=form, **under_prefix).location
    assert location == "/demo/kucoin/attempts/1"


def test_waiting_answer_outlives_another_tab(app: Flask, sandbox: Sandbox) -> None:
    """A form sent from another tab without a sign-in does not replace the page to return to."""
    nobody = Visitor(app, sandbox)
    nobody.get("/kucoin/attempts/1")
    nobody.post("/kucoin/connect")
    assert nobody.post("/login", username="alice").location == "/kucoin/attempts/1"


def test_head_keeps_nothing_for_the_sign_in(app: Flask, sandbox: Sandbox) -> None:
    """A HEAD of the callback without a sign-in is not opened as a GET after the sign-in."""
    nobody = Visitor(app, sandbox)
    assert nobody.http.head("/kucoin/callback?code=a&state=b").location == "/"
    assert nobody.post("/login", username="alice").location == "/"


def test_sealed_callback_ends(alice: Visitor, clock: Clock) -> None:
    """A sealed callback is refused after the time limit of a login, and so is a forged one."""
    query = urlsplit(alice.approve(alice.begin())).query
    response = alice.http.post("/kucoin/callback", data=dict(parse_qsl(query)))
    assert response.location.startswith("/kucoin/callback?sealed=")
    clock.advance(16 * 60)
    for sealed in (response.location.partition("=")[2], "forged", "%C3%A9"):
        assert alice.follow(alice.get(f"/kucoin/callback?sealed={sealed}")).status_code == 400


def test_callback_fails_unexpectedly(alice: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the callback's view raises, the browser is redirected to a URL with the code sealed."""
    alice.app.config["PROPAGATE_EXCEPTIONS"] = False
    path = alice.approve(alice.begin())
    monkeypatch.setattr(kucoin_of(alice.app), "authorize_access_token", lambda: 1 / 0)
    response = alice.get(path)
    assert response.status_code == 303
    assert "code" not in response.location
    assert alice.follow(response).status_code == 500


def test_clock_that_was_set_back(alice: Visitor, clock: Clock) -> None:
    """After the clock was set back by an hour, an unfinished attempt from before is ended."""
    clock.advance(3600)
    alice.http.delete_cookie("session")
    alice.post("/login", username="alice")
    alice.begin()
    with alice.app.app_context():
        db.session.get_one(ConnectAttempt, 1).status = Status.PROVISIONING
        db.session.commit()
    clock.advance(-3600)
    alice.http.delete_cookie("session")  # its signature has a date in the future
    alice.post("/login", username="alice")
    assert "Please look in your KuCoin account" in text_of(alice.get("/kucoin/attempts/1"))

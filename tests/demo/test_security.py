"""Protection against forged requests, and a search for secrets where none belong."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import pytest
import requests
from flask import Flask, request
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from werkzeug.serving import make_server

from authlib_kucoin.sandbox import Sandbox
from flask_demo import ledger
from flask_demo.__main__ import RequestHandler
from flask_demo.extensions import db
from flask_demo.models import ConnectAttempt
from tests.demo.apps import HOUR, Clock, MakeApp
from tests.demo.visitor import Visitor, csrf_token, kucoin_of, text_of

POSTS = [
    "/login",
    "/logout",
    "/kucoin/connect",
    "/kucoin/attempts/1/done",
    "/kucoin/keys/1/check",
    "/kucoin/keys/1/rotate",
    "/kucoin/keys/1/disconnect",
]


@pytest.mark.parametrize("path", POSTS)
def test_every_post_needs_a_token(alice: Visitor, sandbox: Sandbox, path: str) -> None:
    """A form without the session's CSRF token is refused and changes nothing."""
    alice.connect()
    before = sandbox.totals
    for token in ("", "x", csrf_token(Visitor(alice.app, sandbox).get("/"))):
        response = alice.http.post(path, data={"csrf_token": token, "username": "mallory"})
        assert response.status_code == 400
        assert "Your page was too old" in text_of(response)
    assert sandbox.totals == before
    assert "Signed in as <b>alice</b>" in alice.get("/").text
    assert "Account 165111215" in alice.get("/").text


def test_no_post_is_forgotten(app: Flask) -> None:
    """`POSTS` names every route that accepts a POST, except the callback's redirect."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.methods and "POST" in rule.methods]
    paths = {re.sub("<.*>", "1", rule.rule) for rule in rules}
    assert paths == {*POSTS, "/kucoin/callback"}  # the callback only redirects to its GET


def test_csrf_token_expires(alice: Visitor, clock: Clock) -> None:
    """A form that was open for two hours is refused, and the page says to load it again."""
    token = csrf_token(alice.get("/"))
    clock.advance(2 * HOUR)
    response = alice.http.post("/kucoin/connect", data={"csrf_token": token})
    assert response.status_code == 400
    assert "Go back, load the page again" in text_of(response)


def test_session_fixation(app: Flask, sandbox: Sandbox) -> None:
    """A sign-in empties the session and changes its CSRF token; a sign-out removes the user."""
    visitor = Visitor(app, sandbox)
    visitor.get("/")
    with visitor.http.session_transaction() as session:
        session["planted"] = "by an attacker"
        csrf = session["csrf_token"]
    visitor.post("/login", username="alice")
    visitor.get("/")
    with visitor.http.session_transaction() as session:
        assert "planted" not in session
        assert session["csrf_token"] != csrf
    visitor.post("/logout")
    with visitor.http.session_transaction() as session:
        assert "_user_id" not in session


def test_a_planted_cookie_locks_nobody_out(make_app: MakeApp, sandbox: Sandbox) -> None:
    """A cookie with bytes that are not ASCII causes no error, under any of four names."""
    http = make_app(KUCOIN_SITE=sandbox.url).test_client(use_cookies=False)
    names = ("remember_token", "__Host-remember", "session", ";")
    for name in names:
        cookie = f"{name}=1|é".encode().decode("latin-1")
        assert http.get("/", headers={"Cookie": cookie}).status_code == 200


def test_cookie(alice: Visitor) -> None:
    """The session cookie has HttpOnly and SameSite=Lax."""
    alice.http.delete_cookie("session")
    cookie = alice.http.get("/").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_headers(alice: Visitor, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages, error pages and a redirect forbid framing, caching, sniffing and foreign content."""
    alice.connect()
    alice.app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(ledger, "own_attempt", _raise_for_the_second)
    pages = ["/", "/kucoin/attempts/1", "/nowhere", "/kucoin/problem/400", "/kucoin/attempts/2"]
    more = ["/logout", "/kucoin/callback"]
    for path, status in zip([*pages, *more], [200, 200, 404, 400, 500, 405, 303], strict=True):
        response = alice.get(path)
        assert response.status_code == status
        headers = response.headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; img-src 'self'; "
            f"form-action 'self' {sandbox.url}; base-uri 'none'; frame-ancestors 'none'"
        )
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "<script" not in response.text
        assert "style=" not in response.text
    with alice.get("/static/style.css") as response:
        assert response.headers["Cache-Control"] == "no-cache"


_own_attempt = ledger.own_attempt


def _raise_for_the_second(attempt_id: int, user_id: int) -> ConnectAttempt | None:
    if attempt_id == 2:
        raise ZeroDivisionError
    return _own_attempt(attempt_id, user_id)


def test_kucoin_may_lead_on_from_its_login_page(make_app: MakeApp) -> None:
    """For an https site, form-action allows any https: Chromium checks KuCoin's redirects, too."""
    response = make_app(KUCOIN_SITE="eu").test_client().get("/")
    assert "; form-action 'self' https:; " in response.headers["Content-Security-Policy"]


def test_no_open_redirect(alice: Visitor) -> None:
    """A parameter `next` does not change where sign-in and sign-out redirect to."""
    for path in ("/login?next=//evil.example", "/logout?next=//evil.example"):
        assert alice.post(path, username="alice").location == "/"
        alice.post("/login", username="alice")


def test_large_request(alice: Visitor) -> None:
    """A form of more than 64 KiB is refused with a page."""
    response = alice.http.post("/login", data={"csrf_token": "x", "username": "a" * 100_000})
    assert response.status_code == 413
    assert "This is too large" in text_of(response)


def test_markup_in_what_others_say(alice: Visitor, sandbox: Sandbox) -> None:
    """HTML in a name or in KuCoin's message is shown as text."""
    markup = "<img src=x onerror=alert(1)>"
    alice.post("/login", username=markup)
    assert "&lt;img" in alice.get("/").text
    sandbox.fail_next("token", f"envelope:1:{markup}")
    page = alice.connect()
    assert "&lt;img" in page.text
    assert markup not in page.text


# --- secrets -------------------------------------------------------------------------------------


class Records(logging.Handler):
    """A log handler that keeps every record as text, with its traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.name} {self.format(record)} {record.__dict__}")

    def of_the_demo(self, url: str) -> list[str]:
        """Return the records as text, without those of the test's own HTTP client."""
        port = url.rpartition(":")[2]
        return [text for text in self.texts if not (text.startswith("urllib3") and port in text)]


@contextmanager
def logged() -> Iterator[Records]:
    """Collect the records of all loggers at DEBUG."""
    records, root = Records(), logging.getLogger()
    names = [None, *(name for name in root.manager.loggerDict), "werkzeug", "sqlalchemy.engine"]
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    root.addHandler(records)
    try:
        yield records
    finally:
        root.removeHandler(records)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve an app like `python -m flask_demo`, and yield its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=RequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Secrets:
    """Collects the codes, tokens, secrets and passphrases of the app's calls that succeed."""

    def __init__(self, app: Flask, patch: pytest.MonkeyPatch) -> None:
        self.values: set[str] = set()
        kucoin = kucoin_of(app)
        for name in ("authorize_access_token", "refresh_access_token", "create_api_key"):
            patch.setattr(kucoin, name, self._heard(getattr(kucoin, name)))

    def _heard(self, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            if isinstance(result, dict):
                self.values |= {result["access_token"], result["refresh_token"]}
            else:
                self.values |= {result.secret, result.passphrase}
            if "code" in request.args:
                self.values.add(request.args["code"])
            return result

        return call

    def spelled(self) -> set[str]:
        """Return the secrets, plain and in three URL encodings."""
        return {
            spelling
            for value in self.values
            for spelling in (value, quote(value), quote(value, safe=""), quote_plus(value))
        }


def test_secrets_stay_put(
    make_app: MakeApp, sandbox: Sandbox, clock: Clock, tmp_path: Path, monkeypatch: Any
) -> None:
    """No secret is in a page, a cookie, the database's file or a log record, even at DEBUG."""
    seen: list[bytes] = []
    with logged() as records, requests.Session() as browser:
        app = make_app(KUCOIN_KEEP_TOKENS="1")
        secrets = Secrets(app, monkeypatch)

        def keep(response: requests.Response, *_args: object, **_kwargs: object) -> None:
            kept = dict(response.headers)
            assert "code=" not in kept.get("Location", "")
            seen.append(response.content + repr(kept).encode())

        browser.hooks["response"].append(keep)
        with served(app) as url:

            def post(path: str, **fields: str) -> requests.Response:
                page = browser.get(url).text
                token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
                data = {"csrf_token": token, **fields}
                return browser.post(url + path, data=data, allow_redirects=False)

            def connect() -> None:
                callback = sandbox.approve(post("/kucoin/connect").headers["Location"])
                browser.get(callback)
                browser.get(callback)  # the callback is opened again, as by a reload

            post("/login", username="alice")
            connect()
            post("/kucoin/keys/1/check")
            clock.advance(HOUR)
            post("/kucoin/keys/1/rotate")
            for operation in ("token", "create_api_key", "api_key_info"):
                for fault in ("echo", "lost", "503"):  # "echo" repeats the secrets that it gets
                    sandbox.fail_next(operation, fault)
                    connect()
            for number in range(1, 14):
                browser.get(f"{url}/kucoin/attempts/{number}")
            browser.get(f"{url}/nowhere?code=1")
            cookies = [cookie.value or "" for cookie in browser.cookies]
    assert len(secrets.values) > 20
    texts = records.of_the_demo(url)
    assert len([text for text in texts if "GET /kucoin/callback" in text]) >= 20
    files = [path.read_bytes() for path in (tmp_path / "instance").iterdir()]
    haystacks = [*seen, *files, *(text.encode() for text in [*texts, *cookies])]
    for needle in secrets.spelled():
        assert not [hay for hay in haystacks if needle.encode() in hay], needle


def test_a_statement_that_fails_shows_no_parameter(app: Flask) -> None:
    """The error of a failed SQL statement does not show its parameters."""
    with app.app_context(), pytest.raises(OperationalError) as caught:
        db.session.execute(text("SELECT :given FROM nowhere"), {"given": "canary-parameter"})
    assert "canary" not in str(caught.value)


def test_request_log(app: Flask) -> None:
    """The request log shows the callback's path, and no query, not even of an invalid request."""
    with logged() as records, served(app) as url:
        requests.get(f"{url}/kucoin/callback?code=canary-code&state=x", timeout=10).close()
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as raw:
            raw.sendall(b"GET /kucoin/callback?code=canary-code x HTTP/1.1\r\n\r\n")
            raw.settimeout(10)
            raw.recv(1000)
    text = "\n".join(records.of_the_demo(url))
    assert "GET /kucoin/callback HTTP/1.1" in text
    assert "Bad request syntax ('GET /kucoin/callback x HTTP/1.1')" in text
    assert "canary-code" not in text

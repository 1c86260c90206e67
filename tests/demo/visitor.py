"""A simulated user of the demo, with a browser session, who decides at KuCoin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from authlib_kucoin.sandbox import Sandbox
from flask_demo.extensions import db

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """One browser session.

    Args:
        app: The demo.
        sandbox: The sandbox that the demo uses.
        name: The name to sign in with; if empty, nobody signs in.
    """

    def __init__(self, app: Flask, sandbox: Sandbox, name: str = "") -> None:
        self.app = app
        self.sandbox = sandbox
        self.http = app.test_client()
        if name:
            assert self.post("/login", username=name).status_code == 303

    def copy(self) -> FlaskClient:
        """Return a client with copies of the cookies, for a request from another tab."""
        tab = self.app.test_client()
        for name in ("session", "browser"):
            if cookie := self.http.get_cookie(name):
                tab.set_cookie(name, cookie.value)
        return tab

    def get(self, path: str) -> TestResponse:
        """Open a page."""
        return self.http.get(path)

    def post(self, path: str, **fields: Any) -> TestResponse:
        """Send a form with the CSRF token of the first page."""
        fields["csrf_token"] = csrf_token(self.get("/"))
        return self.http.post(path, data=fields)

    def begin(self) -> str:
        """Press Connect and return the address of KuCoin's login page."""
        return self.post("/kucoin/connect").location

    def approve(self, login_page: str) -> str:
        """Press Approve, and return path and query of the callback that KuCoin redirects to."""
        return _path(self.sandbox.approve(login_page))

    def cancel(self, login_page: str) -> str:
        """Press Cancel, and return path and query of the callback that KuCoin redirects to."""
        return _path(self.sandbox.cancel(login_page))

    def connect(self) -> TestResponse:
        """Connect an account, and return the page with the outcome."""
        return self.follow(self.get(self.approve(self.begin())))

    def follow(self, response: TestResponse) -> TestResponse:
        """Assert that a response is a redirect with status 303, and open its target."""
        assert response.status_code == 303, response.status
        return self.get(response.location)


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def csrf_token(page: TestResponse) -> str:
    """Return the CSRF token of a page's forms."""
    token = _TOKEN.search(page.text)
    assert token
    return token[1]


def text_of(response: TestResponse) -> str:
    """Return the text of a page's main part, without tags."""
    body = response.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", f"<main{body}")).split())


def kucoin_of(app: Flask) -> Any:
    """Return the app for KuCoin that the demo has registered with Authlib's `OAuth`."""
    return app.extensions["authlib.integrations.flask_client"].kucoin


@contextmanager
def then(app: Flask, method: str, do: Callable[[], object]) -> Iterator[None]:
    """Call a function each time a method of `kucoin_of(app)` has returned, not if it raises.

    The demo gets the method's result afterwards.
    """
    kucoin = kucoin_of(app)
    original = getattr(kucoin, method)

    def call(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        do()
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kucoin, method, call)
        yield


@contextmanager
def closed_after(app: Flask) -> Iterator[Flask]:
    """Close the app's connections to KuCoin and to the database at the end of the block."""
    try:
        yield app
    finally:
        kucoin_of(app).close()
        with app.app_context():
            db.engine.dispose()

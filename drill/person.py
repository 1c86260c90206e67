"""A simulated user who connects a KuCoin account and retries when a page fails to load."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

import requests

from authlib_kucoin.sandbox import Sandbox

_TOKEN: Final = re.compile(r'name="csrf_token" value="([^"]+)"')
_KEY: Final = re.compile(r'action="(/kucoin/keys/\d+/rotate)"')
_SEEN: Final = re.compile(r'name="seen" value="(\d+)"')
_BROKEN: Final = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
#: The statuses by which nginx says that no machine answers, or that a machine has died.
_FROM_A_PROXY: Final = (502, 504)
_TRIES: Final = 100
_PAUSE: Final = 0.1
_TIMEOUT: Final = 60.0


class Unexpected(Exception):
    """The demo gave an answer that it should never give, or none; the text says which."""


class Person:
    """A user with a browser.

    Args:
        url: The URL of the demo.
        sandbox: The sandbox that the demo uses.
        name: The user's name.
        stop: While this event is set, the user does not retry.
    """

    def __init__(
        self, url: str, sandbox: Sandbox, name: str, stop: threading.Event | None = None
    ) -> None:
        """Open the browser."""
        self.sandbox = sandbox
        self.name = name
        #: How often the connection broke, nginx had no answer from the demo, or the callback led to
        #: the error page, by the step of the user.
        self.broken: Counter[str] = Counter()
        #: The headers and the body of each answer.
        self.seen: list[str] = []
        #: The time that the slowest answer took, in seconds.
        self.slowest = 0.0
        self._url = url
        self._stop = stop or threading.Event()
        self._http = requests.Session()
        self._http.trust_env = False

    def connect(self) -> int:
        """Sign in, connect an account, and return the id of the attempt."""
        self.sign_in()
        return self.come_back(self.sandbox.approve(self.begin()))

    def sign_in(self) -> None:
        """Sign in."""
        self._send("sign in", "/login", username=self.name)

    def begin(self) -> str:
        """Press Connect and return the address of KuCoin's login page."""
        return self._send("connect", "/kucoin/connect").headers["Location"]

    def come_back(self, callback: str) -> int:
        """Open the callback and the page of the outcome, and return the id of the attempt."""
        path = self.open_callback(callback)
        self.page(path)
        return int(path.rpartition("/")[2])

    def open_callback(self, callback: str) -> str:
        """Open the callback until the demo can process it; return the path that it redirects to."""
        for _ in range(_TRIES):
            response = self._ask("callback", "GET", callback.removeprefix(self._url))
            path = urlsplit(_expect(response, 303, "callback").headers["Location"]).path
            if not path.startswith("/kucoin/problem/500") or self._stop.wait(_PAUSE):
                return path
            self.broken["callback"] += 1
        raise Unexpected("callback: the demo's database cannot be reached")

    def open_callback_once(self, callback: str) -> int | None:
        """Open the callback once; return the status, or None if the connection broke."""
        try:
            return self._request("GET", callback.removeprefix(self._url)).status_code
        except _BROKEN:
            return None

    def renew(self, at_once: int) -> None:
        """Ask for a new key in ``at_once`` tabs at the same time.

        The first key on the page of accounts is replaced. If there is none, nothing is sent.

        Raises:
            Unexpected: If a tab gets an answer that is no redirect, or none.
        """
        page = self.page("/")
        key, token, seen = (pattern.search(page) for pattern in (_KEY, _TOKEN, _SEEN))
        if key and token and seen:
            form = {"csrf_token": token[1], "seen": seen[1]}
            with ThreadPoolExecutor(at_once) as tabs:
                asked = [
                    tabs.submit(self._ask, "renew", "POST", key[1], form) for _ in range(at_once)
                ]
            for answer in asked:
                if (status := answer.result().status_code) not in (302, 303):
                    raise Unexpected(f"renew: {status} instead of a redirect")

    def page(self, path: str) -> str:
        """Return a page."""
        return _expect(self._ask("page", "GET", path), 200, path).text

    def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        self._http.close()

    def _send(self, step: str, path: str, **fields: str) -> requests.Response:
        token = _TOKEN.search(self.page("/"))
        if token is None:
            raise Unexpected("the page has no form")
        response = self._ask(step, "POST", path, {"csrf_token": token[1], **fields})
        return _expect(response, {"connect": 302}.get(step, 303), step)

    def _ask(
        self, step: str, method: str, path: str, form: dict[str, str] | None = None
    ) -> requests.Response:
        for _ in range(_TRIES):
            try:
                response = self._request(method, path, form)
                if response.status_code not in _FROM_A_PROXY:
                    return response
            except _BROKEN:
                pass
            self.broken[step] += 1
            if self._stop.wait(_PAUSE):
                break
        raise Unexpected(f"{step}: the demo cannot be reached")

    def _request(
        self, method: str, path: str, form: dict[str, str] | None = None
    ) -> requests.Response:
        began = time.monotonic()
        response = self._http.request(
            method, f"{self._url}{path}", data=form, allow_redirects=False, timeout=_TIMEOUT
        )
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.seen.append(f"{response.headers}{response.text}")
        return response


def _expect(response: requests.Response, status: int, step: str) -> requests.Response:
    if response.status_code != status:
        raise Unexpected(f"{step}: {response.status_code} instead of {status}")
    return response

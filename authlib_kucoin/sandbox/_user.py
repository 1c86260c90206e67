"""A user without a browser: opens the login page and presses a button, over real HTTP."""

from __future__ import annotations

import http.client
import ssl
from html.parser import HTMLParser
from typing import Literal, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

_TIMEOUT = 30.0


class Callback(str):
    """Where the browser is sent: the callback URL, and the answer it carries there.

    Where the sandbox answers by form POST (`method` is "POST"), the URL is the form's target.
    """

    __slots__ = ("fields", "method")

    def __new__(cls, url: str, method: Literal["GET", "POST"], fields: dict[str, str]) -> Self:
        """Keep the answer's fields beside the URL."""
        callback = super().__new__(cls, url)
        callback.method = method
        callback.fields = fields
        return callback

    method: Literal["GET", "POST"]
    fields: dict[str, str]


class User:
    """Someone who is signed in at KuCoin and decides."""

    def __init__(self, base_url: str, tls: tuple[str, str] | None) -> None:
        """Use the sandbox at a URL."""
        self._base_url = base_url
        parts = urlsplit(base_url)
        if tls is None:
            self._http = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT)
        else:
            context = ssl.create_default_context(cafile=tls[0])
            context.check_hostname = False  # the certificate itself is what is trusted
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            self._http = http.client.HTTPSConnection(
                parts.netloc, timeout=_TIMEOUT, context=context
            )

    def decide(self, authorization_url: str, decision: str) -> Callback:
        """Open the login page, press a button, and stop before the way back.

        Raises:
            ValueError: The URL leads elsewhere, or the sandbox refused the login request.
        """
        if not authorization_url.startswith(f"{self._base_url}/"):
            raise ValueError(f"the authorization URL does not lead to {self._base_url}")
        try:
            page, _ = self._send("GET", authorization_url.removeprefix(self._base_url))
            form = urlencode({"ticket": page.fields["ticket"], "decision": decision})
            page, location = self._send("POST", "/oauth/decision", form)
        finally:
            self._http.close()
        if location is not None:
            _, _, redirect_uri = authorization_url.partition("&redirect_uri=")
            answer = location[len(redirect_uri.partition("&")[0]) + 1 :]
            return Callback(location, "GET", dict(parse_qsl(answer)))
        return Callback(page.action, "POST", page.fields)

    def _send(self, method: str, target: str, form: str | None = None) -> tuple[_Form, str | None]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        self._http.request(method, target, form, headers)
        response = self._http.getresponse()
        page = _Form(response.read().decode())
        location = response.getheader("Location")
        if location is None and not page.action:
            raise ValueError(f"the sandbox answered {response.status}: {page.text}")
        return page, location


class _Form(HTMLParser):
    """The form of a page, and its text where there is none."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.text = ""
        self._hidden = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = found["action"]
        elif tag == "input":
            self.fields[found["name"]] = found["value"]
        elif tag in {"style", "title"}:
            self._hidden += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "title"}:
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.text = f"{self.text} {data.strip()}".strip()

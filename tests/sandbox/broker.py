"""A client of the sandbox that sends targets, bodies and header values unchanged."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authlib_kucoin.sandbox import Sandbox

REDIRECT = "https://shop.example/kucoin/callback"
FORM = "application/x-www-form-urlencoded"
ADD_KEY = "/_oauth/resource/ucenter/outer/api-key/add"
ADD_KEY_2 = "/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add"
GROUPS = (
    "API_COMMON",
    "API_SPOT",
    "API_FUTURES",
    "API_MARGIN",
    "API_EARN",
    "API_TRANSFER",
    "API_WITHDRAW_OAUTH",
)
KEY_INFO = "/api/v1/user/api-key"


@dataclass(frozen=True)
class Answer:
    """One answer: status, header fields by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Wire:
    """One TCP connection to a sandbox; sends bytes as they are."""

    def __init__(self, sandbox: Sandbox, source: str = "127.0.0.1") -> None:
        """Connect from an address of this machine."""
        parts = urlsplit(sandbox.url)
        assert parts.hostname is not None
        self._socket = socket.create_connection(
            (parts.hostname, parts.port or 0), timeout=10, source_address=(source, 0)
        )
        self._stream = self._socket.makefile("rb")
        self.host = parts.netloc

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
        self._socket.close()

    def __enter__(self) -> Self:
        """Return this connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def send(self, raw: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(raw)

    def send_the_end(self) -> None:
        """End the sending half of the connection."""
        self._socket.shutdown(socket.SHUT_WR)

    def is_closed(self) -> bool:
        """Wait for a byte or the end of the connection; return whether the end came."""
        return self._stream.read(1) == b""

    def receive(self, *, bodyless: bool = False) -> Answer:
        """Read one answer; it has no body if `bodyless`, whatever its Content-Length.

        Raises:
            ConnectionError: The connection ended without an answer.
        """
        line = self._stream.readline()
        if not line:
            raise ConnectionError("ended without an answer")
        headers: dict[str, str] = {}
        while (header := self._stream.readline()) not in {b"\r\n", b""}:
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = b"" if bodyless else self._stream.read(int(headers["content-length"]))
        return Answer(int(line.split()[1]), headers, body)

    def ask(
        self,
        method: str,
        target: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and read its answer.

        Host is added unless it is among `headers`, and Content-Length unless `body` is None.
        """
        lines = [f"{method} {target} HTTP/1.1"]
        if "Host" not in (headers or {}):
            lines.append(f"Host: {self.host}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body.encode())}")
        self.send(("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode())
        return self.receive(bodyless=method == "HEAD")


class Broker:
    """A broker's server, whose requests are correct unless a test changes them."""

    def __init__(self, sandbox: Sandbox, wire: Wire) -> None:
        """Talk to a sandbox over one connection."""
        self.sandbox = sandbox
        self.wire = wire

    def login_url(self, redirect_uri: str = REDIRECT, state: str = "123") -> str:
        """Return the login page's URL (document section 7.1)."""
        return f"{self.sandbox.url}{self.login_target(redirect_uri, state)}"

    def login_target(self, redirect_uri: str = REDIRECT, state: str = "123") -> str:
        """Return the login page's request target."""
        return (
            f"/oauth?response_type=code&client_id={self.sandbox.client_id}"
            f"&redirect_uri={redirect_uri}&scope=OAUTH_CREATE_API&state={quote(state, safe='')}"
        )

    def new_code(self, redirect_uri: str = REDIRECT) -> str:
        """Let the user approve, and return the code."""
        return self.sandbox.approve(self.login_url(redirect_uri)).fields["code"]

    def token_target(self, code: str, redirect_uri: str = REDIRECT) -> str:
        """Return the token call's request target (document section 7.2)."""
        return (
            f"/_oauth/access-token?grant_type=authorization_code&code={quote(code, safe='')}"
            f"&redirect_uri={redirect_uri}&client_id={self.sandbox.client_id}"
        )

    def new_tokens(self) -> dict[str, Any]:
        """Return a fresh pair of tokens."""
        answer = self.wire.ask("GET", self.token_target(self.new_code()))
        assert answer.status == 200
        tokens: dict[str, Any] = answer.json
        return tokens

    def form(self, path: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """Post a form."""
        return self.wire.ask("POST", path, urlencode(fields), {"Content-Type": FORM, **headers})

    def refresh(self, refresh_token: str) -> Answer:
        """Refresh a pair of tokens (document section 7.3)."""
        return self.form(
            "/_oauth/refresh-token",
            {
                "grant_type": "authorization_code",
                "refresh_token": refresh_token,
                "scope": "OAUTH_CREATE_API",
            },
        )

    def is_valid(self, access_token: str) -> bool:
        """Ask whether a token is valid (document section 7.4)."""
        answer = self.form("/_oauth/validate-access-token", {"access_token": access_token})
        assert answer.json["access_token"] == access_token
        valid: bool = answer.json["is_valid"]
        return valid

    def ask_key(self, access_token: str) -> Answer:
        """Ask for an API key (document section 4)."""
        headers = {"Content-Type": FORM, "Authorization": f"bearer {access_token}"}
        return self.wire.ask("POST", ADD_KEY, "", headers)

    def ask_key_2(self, access_token: str, *permissions: str, **changed: object) -> Answer:
        """Ask for an API key with these permissions, by the call of Fast API 2.0.

        `changed` replaces members of the body, or adds others.
        """
        content = {
            "authGroupMap": {name: name in permissions for name in GROUPS},
            "isAddressbookOnly": False,
        } | changed
        headers = {"Content-Type": "application/json", "Authorization": f"bearer {access_token}"}
        return self.wire.ask("POST", ADD_KEY_2, json.dumps(content), headers)

    def new_key(self) -> dict[str, Any]:
        """Return a fresh API key's data."""
        answer = self.ask_key(self.new_tokens()["access_token"])
        assert answer.json["success"] is True
        data: dict[str, Any] = answer.json["data"]
        return data


def refused(answer: Answer, code: str, section: str) -> bool:
    """Assert that the answer is the refusal `code`; return whether its text cites `section`."""
    content = answer.json
    assert content.keys() == {"success", "code", "msg", "retry", "data"}
    assert (answer.status, content["success"], content["retry"]) == (200, False, False)
    assert content["data"] is None
    assert content["code"] == f"sandbox.{code}", content
    cited = f"document section {section}" if section[0].isdigit() else section
    return bool(content["msg"].endswith(f"({cited})"))

"""Runs `rehearse` with a scripted person, on a sandbox behind a proxy that can change answers."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from authlib_kucoin.__main__ import parser
from authlib_kucoin._tools import rehearse
from authlib_kucoin._tools.rehearse.terminal import Terminal
from authlib_kucoin.sandbox import Sandbox
from tests.support.wire import Seen, Wire

_OPERATIONS = {
    "/_oauth/access-token": "token",
    "/_oauth/refresh-token": "refresh",
    "/_oauth/validate-access-token": "validate",
    "/_oauth/resource/ucenter/outer/api-key/add": "create_api_key",
    "/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add": "create_api_key",
    "/api/v1/user/api-key": "api_key_info",
}
_SECRET = ("access_token", "refresh_token", "apiKey", "secret", "passphrase")
_REDIRECT = "https://broker.example.com/kucoin/callback"


@dataclass
class Reply:
    """An answer of the sandbox, which a change can modify before the proxy forwards it.

    Attributes:
        asked: The fields of the form in the request's body; empty if there is no form.
        first: The JSON of the sandbox's first answer: the first token, if the exchange succeeded.
        status: The HTTP status.
        headers: The headers that the proxy sends, except Content-Length.
        content: The JSON that the proxy sends.
        raw: If not None, the body that the proxy sends instead of the JSON.
        lost: If true, the proxy resets the connection without an answer.
    """

    asked: dict[str, str]
    first: dict[str, Any]
    status: int
    headers: dict[str, str]
    content: Any
    raw: str | None = None
    lost: bool = False


Change = Callable[[Reply], object]


@dataclass
class Deviant:
    """A sandbox behind a proxy that can change the sandbox's answers.

    Attributes:
        sandbox: The sandbox.
        wire: The proxy, which the client sends its requests to.
        changes: The functions that change answers, by operation.
        secrets: The credentials, codes and states in the sandbox's answers and callbacks so far.
        first: The JSON of the sandbox's first answer; empty before it.
    """

    sandbox: Sandbox
    wire: Wire
    changes: dict[str, Change] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    first: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let the proxy forward requests to the sandbox."""
        self.wire.answer = self._answer

    def _answer(self, seen: Seen) -> bytes | None:
        passed = {n: v for n, v in seen.fields if n.lower() not in ("host", "connection")}
        connection = http.client.HTTPConnection(urlsplit(self.sandbox.url).netloc, timeout=10)
        connection.request(seen.line.split(" ")[0], seen.target, seen.body, passed)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        self.first = self.first or dict(content)
        reply = Reply(
            dict(parse_qsl(seen.body.decode())),
            self.first,
            answer.status,
            {"Content-Type": "application/json", "Date": answer.headers["Date"]},
            content,
        )
        for each in (content, content.get("data") or {}):
            self.secrets.update(str(each[name]) for name in _SECRET if each.get(name))
        if change := self.changes.get(_OPERATIONS[seen.path]):
            change(reply)
        if reply.lost:
            return None
        body = (json.dumps(reply.content) if reply.raw is None else reply.raw).encode()
        reply.headers["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        return f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode() + body


class Person(Terminal):
    """A scripted person: decides at the sandbox, pastes the callback, and answers each question.

    The person approves, pastes the callback unchanged and types "yes", unless a test changes
    `decide`, `edit` or `types`.
    """

    def __init__(self, deviant: Deviant, types: str = "yes") -> None:
        """Take the text that the person types when asked whether to make a key."""
        self.said: list[str] = []
        self.types = types
        self.edit: Callable[[str], str] = lambda pasted: pasted
        self.decide = deviant.sandbox.approve
        self._deviant = deviant

    def say(self, text: str = "", *, indent: str = "") -> None:
        self.said.append(text)

    def show(self, text: str) -> None:
        self.said.append(text)

    def ask(self, question: str) -> str:
        self.said.append(question)
        return self.types

    def ask_hidden(self, question: str) -> str:
        deviant = self._deviant
        (url,) = [text for text in self.said if text.startswith(f"{deviant.wire.url}/oauth?")]
        callback = self.decide(url.replace(deviant.wire.url, deviant.sandbox.url))
        pasted = urlencode(callback.fields) if callback.method == "POST" else str(callback)
        pasted = self.edit(pasted)
        fields = callback.fields
        hidden = {"state"} if fields.get("success") == "false" else {"code", "state"}
        deviant.secrets.update(value for name, value in fields.items() if name in hidden)
        return pasted


@dataclass(frozen=True)
class Rehearsed:
    """A finished rehearsal.

    Attributes:
        status: The exit code.
        report: The report in JSON, parsed.
        markdown: The report in Markdown.
        said: What the terminal showed, except the question for the callback.
    """

    status: int
    report: dict[str, Any]
    markdown: str
    said: str

    @property
    def learnt(self) -> dict[str, str]:
        """The report's answers to open questions, by question."""
        learnt: dict[str, str] = self.report["learnt"]
        return learnt

    @property
    def differences(self) -> list[str]:
        """The report's list of differences from the document."""
        differences: list[str] = self.report["differences"]
        return differences


def rehearsed(deviant: Deviant, folder: Path, person: Person, *arguments: str) -> Rehearsed:
    """Run a rehearsal to its end, and check that its reports hold no secret.

    The terminal may show secrets only in the login page's URL, or with --show-key.
    """
    options = parser().parse_args(
        [
            *("rehearse", "--site", deviant.wire.url, "--client-id", "sandbox-client"),
            *("--redirect-uri", _REDIRECT, "--report", str(folder / "report"), *arguments),
        ]
    )
    status = rehearse.run(options, terminal=person)
    text = (folder / "report.json").read_text()
    markdown = (folder / "report.md").read_text()
    printed = [] if "--show-key" in arguments else person.said
    seen = "\n".join([text, markdown, *(line for line in printed if "/oauth?" not in line)])
    forms = deviant.secrets | {quote(secret, safe="") for secret in deviant.secrets}
    assert [secret for secret in forms if secret in seen] == []
    return Rehearsed(status, json.loads(text), markdown, "\n".join(person.said))

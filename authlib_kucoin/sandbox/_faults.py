"""The faults: the ways in which an answer can be spoilt. `_fault_queue.py` chooses the calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote

from ._answers import as_json, envelope
from ._gateway import GATEWAY_ERRORS, refuse
from ._http import Request, Response
from ._journal import secrets_sent

#: For each fault that takes no value: what the caller gets.
PLAIN_FAULTS: Final = {
    "html": "status 200 with an HTML page",
    "empty": "status 200 with an empty body",
    "wrong_shape": "status 200 with a JSON list",
    "deep_json": "status 200 with JSON nested 100,000 deep",
    "redirect": "a 302 to another path",
    "echo": "an error whose text repeats the secrets of the request",
    "reset_before": "a TCP reset; the sandbox has not acted on the request",
    "truncated": "the sandbox acts, but the JSON of its answer is cut short",
    "cut": "the sandbox acts, but the connection ends in the middle of its answer",
    "lost": "the sandbox acts, but the connection ends without an answer",
    "reset_after": "the sandbox acts, but a TCP reset comes instead of an answer",
    "set_cookie": "the normal answer, with a cookie",
}

#: The ways to write a fault that error texts and the start page list.
FAULT_FORMS: Final = (
    *PLAIN_FAULTS,
    "a status from 400 to 599",
    "STATUS:RETRY_AFTER",
    "gateway:CODE",
    "delay:SECONDS",
    "envelope:CODE:MSG",
    "oauth:ERROR",
)

_REFUSED: Final = "envelope:sandbox.refused:refused on demand (sandbox)"

#: Other names for faults: for each, the fault that it means.
_IN_OTHER_WORDS: Final = {
    "5xx": "503",
    "delay": "delay:1",
    "did_it_then_lost_the_answer": "lost",
    "envelope": _REFUSED,
    "error_envelope": _REFUSED,
    "reset": "reset_before",
    "truncated_json": "truncated",
}

_DEPTH: Final = 100_000


@dataclass(frozen=True, slots=True)
class Fault:
    """How an answer is spoilt.

    `parse` makes a fault of any kind. A kind with parameters also has a class method of its own,
    such as `Fault.http`.
    """

    kind: str
    code: str = ""
    msg: str = ""
    retry: bool = False
    status: int = 200
    seconds: float = 0.0
    retry_after: str = ""

    def __str__(self) -> str:
        """Return the fault as text, such as "lost", "429:30" or "delay:5".

        The text leaves out `retry`, and the `status` of an envelope or an OAuth error.
        """
        if self.kind in {"envelope", "oauth"}:
            return ":".join([self.kind, self.code, *([self.msg] if self.msg else [])])
        if self.kind == "http":
            return f"{self.status}:{self.retry_after}" if self.retry_after else str(self.status)
        if self.kind == "gateway":
            return f"gateway:{self.code}"
        if self.kind == "delay":
            return f"delay:{self.seconds:.6f}".rstrip("0").rstrip(".")
        return self.kind

    @classmethod
    def envelope(cls, code: str, msg: str, *, retry: bool = False, status: int = 200) -> Fault:
        """Return a fault: the answer is KuCoin's error envelope (document section 4)."""
        return cls("envelope", code=code, msg=msg, retry=retry, status=status)

    @classmethod
    def oauth(cls, error: str, description: str = "", *, status: int = 400) -> Fault:
        """Return a fault: the answer is an OAuth error (RFC 6749 section 5.2)."""
        return cls("oauth", code=error, msg=description, status=status)

    @classmethod
    def http(cls, status: int, *, retry_after: int | str = "") -> Fault:
        """Return a fault: the answer is a 4xx with an envelope, or a 5xx with an HTML page.

        Args:
            status: From 400 to 599.
            retry_after: The header ``Retry-After``: seconds, or an HTTP date.

        Raises:
            ValueError: The status is not from 400 to 599, or `retry_after` has other characters
                than ASCII letters, digits, spaces, commas, colons and underscores.
        """
        if not 400 <= status <= 599:
            raise ValueError("an HTTP fault is a status from 400 to 599")
        if not re.fullmatch(r"[\w ,:]*", str(retry_after), re.ASCII):
            raise ValueError("retry_after must be a number of seconds or an HTTP date")
        return cls("http", status=status, retry_after=str(retry_after))

    @classmethod
    def gateway(cls, code: str) -> Fault:
        """Return a fault: the answer is that of KuCoin's REST gateway for one of its codes.

        Raises:
            ValueError: The code is unknown; the text lists the known codes.
        """
        if code not in GATEWAY_ERRORS:
            raise ValueError(
                f"unknown gateway code {code!r}; known are {', '.join(GATEWAY_ERRORS)}"
            )
        return cls("gateway", code=code)

    @classmethod
    def delay(cls, seconds: float) -> Fault:
        """Return a fault: the sandbox acts at once, but sends its answer later.

        Raises:
            ValueError: The time is negative, longer than a day, or NaN.
        """
        if not 0 <= seconds <= 86_400:
            raise ValueError("a delay is a number of seconds from 0 to 86400")
        return cls("delay", seconds=seconds)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Return the fault that a text names.

        Raises:
            ValueError: The fault is unknown, or has a value that is not allowed. The error's text
                says what is allowed.
        """
        word = re.sub(r"\W+", "_", text.lower(), flags=re.ASCII)
        text = word if word in PLAIN_FAULTS else _IN_OTHER_WORDS.get(word, text)
        kind, _, rest = text.partition(":")
        if text in PLAIN_FAULTS:
            return cls(text)
        if re.fullmatch(r"[45]\d\d", kind, re.ASCII):
            return cls.http(int(kind), retry_after=rest)
        if kind == "gateway" and rest:
            return cls.gateway(rest)
        if kind == "delay" and re.fullmatch(r"\d{1,6}(\.\d{1,6})?", rest, re.ASCII):
            return cls.delay(float(rest))
        if kind == "envelope" and rest:
            code, _, msg = rest.partition(":")
            return cls.envelope(code, msg)
        if kind == "oauth" and rest:
            error, _, description = rest.partition(":")
            return cls.oauth(error, description)
        raise ValueError(f"unknown fault {text!r}; known are {', '.join(FAULT_FORMS)}")

    @property
    def is_known(self) -> bool:
        """Whether the sandbox knows faults of this kind."""
        return self.kind in _INSTEAD or self.kind in _AFTERWARDS

    def answer(self, request: Request, act: Callable[[], Response]) -> Response:
        """Return the spoilt answer.

        `act` handles the request and returns the normal answer. A fault that replaces the answer
        does not call `act`.
        """
        instead = _INSTEAD.get(self.kind)
        if instead is not None:
            return instead(self, request)
        return _AFTERWARDS[self.kind](self, act())


def _error_envelope(fault: Fault, _request: Request) -> Response:
    return envelope(fault.code, fault.msg, retry=fault.retry, status=fault.status)


def _oauth_error(fault: Fault, _request: Request) -> Response:
    content = {"error": fault.code}
    if fault.msg:
        content["error_description"] = fault.msg
    return as_json(content, fault.status)


def _http_error(fault: Fault, _request: Request) -> Response:
    if fault.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        answer = _html(fault.status, f"<h1>{fault.status}</h1><hr><center>gateway</center>")
    elif fault.status == HTTPStatus.TOO_MANY_REQUESTS:
        answer = envelope("429000", "Too many requests", retry=True, status=fault.status)
    else:
        answer = envelope(f"{fault.status}", "refused on demand (sandbox)", status=fault.status)
    if fault.retry_after:
        return replace(answer, headers=(("Retry-After", fault.retry_after),))
    return answer


def _html(status: int, body: str) -> Response:
    page = f"<!doctype html><html><body>{body}</body></html>"
    return Response(status, page.encode(), "text/html; charset=utf-8")


def _echo(_fault: Fault, request: Request) -> Response:
    sent: list[str] = []
    for secret in secrets_sent(request):
        plain = unquote(secret)
        sent += [plain, quote(plain, safe="")]
    return envelope("sandbox.echo", f"refused; you sent {' '.join(sent)}")


def _truncated(_fault: Fault, response: Response) -> Response:
    return replace(response, body=response.body[: len(response.body) // 2], result=None)


#: Faults that replace the answer. The sandbox does not act on the request.
_INSTEAD: Final[dict[str, Callable[[Fault, Request], Response]]] = {
    "envelope": _error_envelope,
    "oauth": _oauth_error,
    "http": _http_error,
    "gateway": lambda fault, request: refuse(fault.code, request.client_ip),
    "html": lambda _fault, _request: _html(200, "<h1>Just a moment</h1>"),
    "empty": lambda _fault, _request: Response(200),
    "wrong_shape": lambda _fault, _request: as_json([1, 2, 3]),
    "deep_json": lambda _fault, _request: Response(200, b"[" * _DEPTH + b"]" * _DEPTH),
    "redirect": lambda _fault, _request: Response(302, headers=(("Location", "/elsewhere"),)),
    "echo": _echo,
    "reset_before": lambda _fault, _request: Response(0, sent_part=0, ending="reset"),
}
#: Faults that spoil the normal answer. The sandbox has acted on the request.
_AFTERWARDS: Final[dict[str, Callable[[Fault, Response], Response]]] = {
    "delay": lambda fault, response: replace(response, delay=fault.seconds),
    "truncated": _truncated,
    "cut": lambda _fault, response: replace(response, sent_part=0.5, ending="close"),
    "lost": lambda _fault, response: replace(response, sent_part=0, ending="close"),
    "reset_after": lambda _fault, response: replace(response, sent_part=0, ending="reset"),
    "set_cookie": lambda _fault, response: replace(
        response, headers=(*response.headers, ("Set-Cookie", "sandbox=kept; Path=/; HttpOnly"))
    ),
}

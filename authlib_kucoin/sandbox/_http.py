"""The part of HTTP/1.1 that the sandbox needs: read a request byte for byte, write an answer.

The standard library's handler splits, joins and normalises what it reads. The sandbox checks the
raw bytes, so it reads requests itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO, Final, Literal

_MAX_LINE: Final = 65_536
_MAX_HEADERS: Final = 100
_MAX_BODY: Final = 1_048_576
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)

Ending = Literal["keep", "close", "reset"]


class BadRequest(Exception):
    """The received bytes are not an HTTP request that the sandbox can read.

    The server answers with `status`, and then ends the connection.
    """

    def __init__(self, status: int, text: str) -> None:
        """Keep the status to answer with and what was wrong."""
        super().__init__(text)
        self.status = status
        self.text = text


class Headers(Mapping[str, str]):
    """Header fields by case-insensitive name. Commas join the values of a repeated field."""

    __slots__ = ("_by_name", "pairs")

    def __init__(self, pairs: tuple[tuple[str, str], ...] = ()) -> None:
        """Keep the fields as they came, in order."""
        self.pairs = pairs
        self._by_name: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            known = self._by_name.get(key)
            self._by_name[key] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        """Return the value of a field, whatever the case of its name."""
        return self._by_name[name.lower()]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in lower case."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """Return the number of different names."""
        return len(self._by_name)

    def __repr__(self) -> str:
        """Show only the names of the fields: the values may be secrets."""
        return f"Headers({', '.join(name for name, _ in self.pairs)})"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Target and body are the raw bytes, decoded as Latin-1.

    The repr leaves out target and body, because they can hold secrets.
    """

    method: str
    target: str = field(repr=False)
    headers: Headers
    body: str = field(repr=False)
    client_ip: str
    connection: int
    keep_alive: bool

    @property
    def path(self) -> str:
        """The target up to its first question mark."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str | None:
        """The raw query; None if the target has no question mark."""
        _, mark, query = self.target.partition("?")
        return query if mark else None


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, and how the server sends it: faults delay it, cut it short, or lose it.

    Attributes:
        delay: How many seconds the server waits before it sends the answer.
        sent_part: How much of the body is sent, from 0 to 1. With 0 the head is not sent either.
        ending: What the server does with the connection afterwards.
        result: What the answer means, such as a `Refusal` or a `Callback`, for other code of the
            sandbox. It is never sent.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json;charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    delay: float = 0.0
    sent_part: float = 1.0
    ending: Ending = "keep"
    result: object = field(default=None, repr=False)

    @property
    def is_sent(self) -> bool:
        """Whether any byte of the answer is sent."""
        return self.sent_part > 0

    def encode(self, request: Request | None) -> bytes:
        """Return the bytes to send: only the head if the request's method is HEAD.

        `request` is None if the request could not be read. The connection then ends.
        """
        closing = request is None or not request.keep_alive or self.ending != "keep"
        lines = [
            f"HTTP/1.1 {self.status} {reason(self.status)}",
            f"Date: {_http_date()}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            f"Connection: {'close' if closing else 'keep-alive'}",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        if request is not None and request.method == "HEAD":
            return head
        if self.sent_part < 1:
            return head + self.body[: int(len(self.body) * self.sent_part)]
        return head + self.body


def _http_date() -> str:
    # Not email.utils.formatdate: importing email.utils would slow down the sandbox's start.
    now = time.gmtime()
    day, month = _DAYS[now.tm_wday], _MONTHS[now.tm_mon - 1]
    clock = f"{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
    return f"{day}, {now.tm_mday:02} {month} {now.tm_year} {clock} GMT"


def reason(status: int) -> str:
    """Return the words that follow a status in an answer; "Unnamed" if the status has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unnamed"


def read_request(stream: BinaryIO, client_ip: str, connection: int) -> Request | None:
    """Read one request; return None if the connection ends before the request is complete.

    Raises:
        BadRequest: What was received, complete or not, is malformed or too large, or announces a
            body in chunks.
    """
    line = stream.readline(_MAX_LINE + 1)
    if not line:
        return None
    if len(line) > _MAX_LINE:
        raise BadRequest(414, "the request line is too long")
    words = line.decode("latin-1").rstrip("\r\n").split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.0", "HTTP/1.1"}:
        raise BadRequest(400, "the request line must be 'METHOD target HTTP/1.1'")
    headers = _read_headers(stream)
    if headers is None:
        return None
    body = stream.read(_body_length(headers))
    if len(body) < _body_length(headers):
        return None
    return Request(
        method=words[0],
        target=words[1],
        headers=headers,
        body=body.decode("latin-1"),
        client_ip=client_ip,
        connection=connection,
        keep_alive=words[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close",
    )


def _read_headers(stream: BinaryIO) -> Headers | None:
    pairs: list[tuple[str, str]] = []
    while True:
        line = stream.readline(_MAX_LINE + 1)
        if not line:
            return None
        if line in {b"\r\n", b"\n"}:
            return Headers(tuple(pairs))
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip() or len(line) > _MAX_LINE:
            raise BadRequest(400, "a header line must be 'Name: value'")
        if len(pairs) == _MAX_HEADERS:
            raise BadRequest(431, "too many header lines")
        pairs.append((name, value.strip()))


def _body_length(headers: Headers) -> int:
    if "transfer-encoding" in headers:
        raise BadRequest(411, "send the body with a Content-Length, not in chunks")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdecimal()):
        raise BadRequest(400, "Content-Length is not a number")
    if len(text) > len(str(_MAX_BODY)) or int(text) > _MAX_BODY:
        raise BadRequest(413, "the body is too large")
    return int(text)

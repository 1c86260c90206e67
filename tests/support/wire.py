"""A server that records requests as they arrive and gives the answers that a test sets."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

Answer = tuple[int, str] | bytes | list[bytes] | Iterator[bytes] | None


@dataclass(frozen=True)
class Seen:
    """One request as it was received.

    Attributes:
        line: The request line, decoded as Latin-1.
        fields: The headers in order, repeated ones included, decoded as Latin-1. The white space
            around a value is removed.
        body: The body.
        connection: The number of the connection, starting at 1.
    """

    line: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    @property
    def target(self) -> str:
        """The raw request target."""
        return self.line.split(" ")[1]

    @property
    def path(self) -> str:
        """The path, without host and query."""
        return urlsplit(self.target).path

    @property
    def headers(self) -> dict[str, str]:
        """The headers, by lower-case name; of a repeated header, the last value."""
        return {name.lower(): value for name, value in self.fields}

    def names(self) -> list[str]:
        """Return the lower-case names of the headers, sorted, repeated ones included."""
        return sorted(name.lower() for name, _ in self.fields)

    def header(self, name: str) -> str:
        """Return a header's value; fail unless it was sent once. Give ``name`` in lower case."""
        (value,) = [value for each, value in self.fields if each.lower() == name]
        return value


class Wire:
    """A server on loopback that records requests and keeps connections alive.

    It can act as an HTTP proxy, because it accepts request targets that are whole URLs.

    Attributes:
        answer: Called with each request. To answer, it returns a tuple of status and body; or the
            raw bytes of the whole answer; or an iterator of pieces of these bytes; or a list of
            such pieces, sent in as few TCP segments as possible (over TLS, each piece in its own
            record). To reset the connection, it returns None.
        seen: The requests so far.
        headers: Headers to add to each answer that is given as status and body.
        connections: How many connections were opened.
        open: The connections that are open now.
        ended: Set when the server stops.

    Args:
        tls: Speak TLS with this context.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.ended = threading.Event()
        self._tls = tls
        self.answer: Callable[[Seen], Answer] = lambda _seen: (200, "{}")
        self.seen: list[Seen] = []
        self.headers: dict[str, str] = {}
        self.connections = 0
        self.open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """The base URL."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        """Start serving."""
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and close all connections."""
        self.ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()

    def hang_up(self) -> None:
        """Close every connection, as servers close idle ones."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.add(connection)
            self._run(self._serve, connection, self.connections)

    def _serve(self, connection: socket.socket, number: int) -> None:
        stream = self._secured(connection)
        try:
            with contextlib.suppress(OSError), stream:
                self._converse(stream, number)
        finally:
            self.open.discard(stream)

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        self.open.discard(connection)
        secured = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.open.add(secured)
        return secured

    def _converse(self, connection: socket.socket, number: int) -> None:
        with connection.makefile("rb") as stream:
            while line := stream.readline().decode("latin-1").rstrip("\r\n"):
                fields = []
                while field := stream.readline().decode("latin-1").rstrip("\r\n"):
                    name, _, value = field.partition(":")
                    fields.append((name, value.strip()))
                length = next((v for n, v in fields if n.lower() == "content-length"), "0")
                seen = Seen(line, tuple(fields), stream.read(int(length)), number)
                self.seen.append(seen)
                answer = self.answer(seen)
                if answer is None:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    break
                if isinstance(answer, tuple):
                    answer = whole(*answer, self.headers)
                corked = isinstance(answer, list)
                if corked:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
                for piece in (answer,) if isinstance(answer, bytes) else answer:
                    connection.sendall(piece)
                if corked:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


def whole(status: int, body: str | bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a whole answer as bytes."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    raw = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(raw)}\r\n{extra}\r\n".encode() + raw


def answering(*bodies: Any, status: int = 200) -> Callable[[Seen], Answer]:
    """Return an ``answer`` that gives these bodies in turn and repeats the last one.

    A string is sent as it is, any other value as JSON.
    """
    queue = list(bodies)

    def answer(_seen: Seen) -> Answer:
        body = queue.pop(0) if len(queue) > 1 else queue[0]
        return status, body if isinstance(body, str) else json.dumps(body)

    return answer

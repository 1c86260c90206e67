"""A server that records requests byte for byte and answers what a test tells it to."""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Answer = tuple[int, str] | bytes | None


@dataclass(frozen=True)
class Seen:
    """One request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def target(self) -> str:
        """The raw request target."""
        return self.line.split(" ")[1]


@dataclass
class Wire:
    """A running recorder.

    ``answer`` is asked for every request: status and body, the raw bytes of a whole answer, or
    None for a reset. ``hang_up`` closes every connection that is open, as a server does with
    idle ones.
    """

    url: str
    answer: Callable[[Seen], Answer] = lambda _seen: (200, "{}")
    seen: list[Seen] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 0
    hang_up: Callable[[], None] = lambda: None


def answering(*bodies: Any, status: int = 200) -> Callable[[Seen], Answer]:
    """Return an ``answer`` that gives these JSON values one after another, then the last one."""
    queue = list(bodies)

    def answer(_seen: Seen) -> Answer:
        body = queue.pop(0) if len(queue) > 1 else queue[0]
        return status, body if isinstance(body, str) else json.dumps(body)

    return answer


class _Server:
    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.wire = Wire(f"http://127.0.0.1:{self.listener.getsockname()[1]}")
        self.open: set[socket.socket] = set()
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.wire.connections += 1
            self.open.add(connection)
            thread = threading.Thread(target=self.serve, args=(connection, self.wire.connections))
            self.threads.append(thread)
            thread.start()

    def serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while line := stream.readline().decode("latin-1").strip():
                headers = {}
                while field_line := stream.readline().decode("latin-1").strip():
                    name, _, value = field_line.partition(":")
                    headers[name.strip().lower()] = value.strip()
                body = stream.read(int(headers.get("content-length", 0)))
                seen = Seen(line, headers, body, number)
                self.wire.seen.append(seen)
                answer = self.wire.answer(seen)
                if answer is None:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    break
                connection.sendall(answer if isinstance(answer, bytes) else self.whole(*answer))
        self.open.discard(connection)

    def whole(self, status: int, body: str) -> bytes:
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.wire.headers.items())
        raw = body.encode()
        return f"HTTP/1.1 {status} X\r\nContent-Length: {len(raw)}\r\n{extra}\r\n".encode() + raw

    def hang_up(self) -> None:
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()
        for thread in self.threads:
            thread.join()


@contextlib.contextmanager
def running_wire() -> Iterator[Wire]:
    """Run a recorder on loopback, with connections that are kept alive."""
    server = _Server()
    server.wire.hang_up = server.hang_up
    try:
        yield server.wire
    finally:
        server.stop()

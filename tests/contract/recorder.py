"""A server that keeps each request byte for byte, to see what really goes over the wire."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import socketserver
import threading
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

TOKEN = {
    "access_token": "access/+=1",
    "token_type": "bearer",
    "expires_in": 3600,
    "refresh_token": "refresh/+=1",
    "scope": ["OAUTH_CREATE_API"],
}
_KEY = {"apiName": "broker-1", "apiKey": "key-id", "secret": "key-secret", "passphrase": "phrase"}
_INFO = {"uid": 165111215, "permission": "General,Spot", "createdAt": 1700000000000}
ANSWERS: dict[str, Any] = {
    "/_oauth/access-token": TOKEN,
    "/_oauth/refresh-token": {**TOKEN, "access_token": "access/+=2", "refresh_token": "refresh-2"},
    "/_oauth/validate-access-token": {"access_token": "access/+=1", "is_valid": True},
    "/_oauth/resource/ucenter/outer/api-key/add": {"success": True, "code": "200", "data": _KEY},
    "/api/v1/user/api-key": {"code": "200000", "data": _INFO},
}


class RawRequest(NamedTuple):
    """One request as it came in: bytes, decoded as Latin-1."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        """The path that was asked for, without host and query."""
        return urlsplit(self.line.split(" ")[1]).path

    def names(self) -> list[str]:
        """Return the names of the headers in lower case, sorted; doubled ones stand twice."""
        return sorted(name.lower() for name, _ in self.headers)

    def header(self, name: str) -> str:
        """Return the value of a header that came once."""
        (value,) = [value for each, value in self.headers if each.lower() == name]
        return value


class Recorder(socketserver.ThreadingTCPServer):
    """Records requests, and answers by path; a proxy, too, for it takes absolute targets.

    Attributes:
        requests: What came in.
        status: What every answer has.
        go_on: While this is cleared, answers are held back.
        asked: Is set with each request that has come in.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.requests: list[RawRequest] = []
        self.status = 200
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.numbers = itertools.count(1)
        self.open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, and every connection with it."""
        self.go_on.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close every connection."""
        for each in list(self.open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.StreamRequestHandler):
    server: Recorder

    def handle(self) -> None:
        self.server.open.add(self.request)
        number = next(self.server.numbers)
        with contextlib.suppress(OSError):
            while self._answer_one(number):
                pass
        self.server.open.discard(self.request)

    def _answer_one(self, number: int) -> bool:
        line = self.rfile.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            return False
        headers = []
        while header := self.rfile.readline().decode("latin-1").rstrip("\r\n"):
            name, _, value = header.partition(":")
            headers.append((name, value.strip()))
        length = next((value for name, value in headers if name.lower() == "content-length"), "0")
        request = RawRequest(line, headers, self.rfile.read(int(length)), number)
        self.server.requests.append(request)
        self.server.asked.set()
        self.server.go_on.wait(60)
        answer = json.dumps(ANSWERS.get(request.path, {})).encode()
        head = (
            f"HTTP/1.1 {self.server.status} Whatever\r\nContent-Type: application/json\r\n"
            f"Set-Cookie: edge=1; Path=/\r\nContent-Length: {len(answer)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + answer)
        return True

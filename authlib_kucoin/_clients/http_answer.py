"""An answer as ``http.client`` reads it, with the limits of a call.

``_read_status`` of ``http.client`` is private. If a release renames it, an informational answer
other than 100 counts as the whole answer, and its connection is closed.
"""

from __future__ import annotations

import contextlib
import io
import socket
from http.client import HTTPResponse, parse_headers
from typing import Any

from .in_flight import limited, note_received
from .network import holds_bytes


class LimitedAnswer(HTTPResponse):
    """An answer whose reading is limited by the deadline.

    If more bytes follow the answer, its connection is closed.
    """

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Limited(sock), *args, **kwargs)  # type: ignore[arg-type]  # _Limited is no socket

    def _read_status(self) -> tuple[str, int, str]:
        """Skip informational answers (1xx except 101). http.client itself skips only 100."""
        while True:
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # a private method
            if not 100 <= line[1] < 200 or line[1] == 101:
                return line
            parse_headers(self.fp)

    def begin(self) -> None:
        """Read status and headers. After a 101, the connection is not reused."""
        super().begin()
        if self.status < 200:
            self.will_close = True


class _Limited:
    """Stands in for the socket in ``HTTPResponse``, which calls only the socket's ``makefile``."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return _Reader(_RawReader(self._sock))


class _Reader(io.BufferedReader):
    raw: _RawReader

    def close(self) -> None:
        """Close the file. End the connection too, if bytes follow the answer."""
        if not self.closed:
            self.raw.has_ended = True
            if self.peek(1) or self.raw.holds_bytes:
                self.raw.shut_down()  # the pool notices that and opens a new connection
        super().close()


class _RawReader(io.RawIOBase):
    """Reads from a socket, limited by the deadline.

    Attributes:
        has_ended: Whether the answer has ended, so that nothing more is read from the socket.
    """

    def __init__(self, sock: Any) -> None:
        self.has_ended = False
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._patience = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.has_ended:
            return 0
        self._sock.settimeout(limited(self._patience))
        count: int = self._file.readinto(buffer) or 0
        note_received(count)
        return count

    @property
    def holds_bytes(self) -> bool:
        """Whether the TLS layer holds bytes that were received and not read."""
        # For TLS inside TLS, urllib3 has a wrapper with the attribute ``sslobj``.
        with contextlib.suppress(OSError, ValueError):  # the socket is closed already
            return holds_bytes(getattr(self._sock, "sslobj", self._sock))
        return False

    def shut_down(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            getattr(self._sock, "socket", self._sock).shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._file.close()
        super().close()

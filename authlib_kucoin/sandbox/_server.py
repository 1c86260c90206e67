"""The sockets: one thread accepts connections, and each connection has a thread of its own."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import BinaryIO, Final

from ._answers import envelope
from ._http import BadRequest, Request, Response, read_request

#: With this value of SO_LINGER, closing the socket sends a TCP reset.
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_BACKLOG: Final = 256
_MAX_PORT: Final = 65_535
#: After an unreadable request: how many more bytes the server reads at most, and how many seconds
#: it waits for each next piece of them.
_LINGER_BYTES: Final = 2**24
_LINGER: Final = 1.0

#: `accept` fails with these errors while there are too few file descriptors or too little memory.
_SHORTAGES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: The seconds to wait after one of `_SHORTAGES`, or after a thread could not be started.
_PAUSE: Final = 0.05


class Server:
    """Serves HTTP/1.1 with keep-alive on a TCP port until it is stopped."""

    def __init__(
        self,
        host: str,
        port: int,
        answer: Callable[[Request], Response],
        tls: tuple[str, str] | None = None,
    ) -> None:
        """Bind the port.

        Raises:
            OSError: The server cannot listen on this port of this host, for example because the
                port is in use.
            ValueError: The port is out of range, or the certificate and key cannot be used.
        """
        if not 0 <= port <= _MAX_PORT:
            raise ValueError(f"a port is a number from 0 to {_MAX_PORT}")
        self._answer = answer
        self._tls = _tls_context(tls) if tls else None
        self._listener = _listen(host, port)
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._acceptor = threading.Thread(target=self._accept, name="kucoin-sandbox", daemon=True)

    def start(self) -> None:
        """Begin to accept connections."""
        self._acceptor.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait for the threads that serve them.

        A second call does nothing.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake.send(b"x")
        if self._acceptor.is_alive():
            self._acceptor.join()
        for each in (self._selector, self._listener, self._wake, self._woken):
            each.close()
        with self._lock:
            still_open = dict(self._open)
        for connection in still_open:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown: it drops the TLS object, which the thread may be using.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in still_open.values():
            thread.join()

    def _accept(self) -> None:
        while not self._closing.is_set():
            self._selector.select()
            try:
                connection, (client_ip, *_) = self._listener.accept()
            except OSError as error:
                # After any other error there is nothing to accept: the sandbox is stopping, or the
                # client has gone.
                if error.errno in _SHORTAGES:
                    self._closing.wait(_PAUSE)
                continue
            with contextlib.suppress(OSError):
                self._begin(connection, client_ip.removeprefix("::ffff:"))

    def _begin(self, connection: socket.socket, client_ip: str) -> None:
        """Start a thread that serves a connection.

        Try again while the system cannot start a thread. If the server is stopped before a thread
        has started, close the connection.
        """
        with contextlib.ExitStack() as given_up:
            given_up.callback(connection.close)
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            given_up.pop_all()
        self.connections += 1
        while not self._closing.is_set():
            thread = threading.Thread(
                target=self._serve,
                args=(connection, client_ip, self.connections),
                name=f"kucoin-sandbox-{self.connections}",
                daemon=True,
            )
            with self._lock:
                self._open[connection] = thread
                with contextlib.suppress(RuntimeError):
                    thread.start()
                    return
                del self._open[connection]
            self._closing.wait(_PAUSE)
        connection.close()

    def _serve(self, connection: socket.socket, client_ip: str, number: int) -> None:
        stream = connection.makefile("rb")
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            while self._serve_one(connection, stream, client_ip, number):
                pass
        except OSError:
            pass  # for example, the client has gone, or the sandbox is stopping
        finally:
            with self._lock:
                del self._open[connection]
            with contextlib.suppress(OSError):
                stream.close()
            connection.close()

    def _serve_one(
        self, connection: socket.socket, stream: BinaryIO, client_ip: str, number: int
    ) -> bool:
        """Answer one request; return whether to keep the connection."""
        try:
            request = read_request(stream, client_ip, number)
        except BadRequest as error:
            refused = envelope("sandbox.bad_request", error.text, status=error.status)
            connection.sendall(refused.encode(None))
            # Read the rest: closing a socket with unread bytes resets the connection, and the
            # client may then lose the answer.
            socket.socket.shutdown(connection, socket.SHUT_WR)
            connection.settimeout(_LINGER)
            stream.read(_LINGER_BYTES)
            return False
        if request is None:
            return False
        response = self._answer(request)
        if response.delay and self._closing.wait(response.delay):
            return False
        if response.is_sent:
            connection.sendall(response.encode(request))
        if response.ending == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        return request.keep_alive and response.ending == "keep"


def _listen(host: str, port: int) -> socket.socket:
    try:
        if ":" in host:
            return socket.create_server(
                (host, port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=host == "::"
            )
        return socket.create_server((host, port), backlog=_BACKLOG)
    except OSError as error:
        reason = error.strerror
        if error.errno == errno.EADDRINUSE:
            reason = (
                "it is in use, perhaps by another sandbox or another pytest-xdist worker; port 0 "
                "takes a free one"
            )
        raise OSError(error.errno, f"cannot listen on port {port} of {host}: {reason}") from None


def _tls_context(files: tuple[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(*files)
    except OSError as error:  # includes ssl.SSLError; neither names the file
        raise ValueError(
            f"{' and '.join(files)} cannot be used as certificate and key ({error})"
        ) from error
    return context

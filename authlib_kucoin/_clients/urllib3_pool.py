"""urllib3 connections with a deadline, and pools that close long-idle ones.

This module uses private names of urllib3: ``_new_conn``, ``_dns_host`` and ``_tunnel`` of a
connection, ``_put_conn`` and ``_get_conn`` of a pool. tests/unit/test_private.py fails if a
release lacks one of them. This module uses ``_socks_options`` of a SOCKS connection too: without
that name, hosts behind a SOCKS proxy would be looked up by this machine.

requests cannot tell whether a request has left: a stalled TLS handshake raises the same
``ReadTimeout`` as a missing answer. For a call that creates an API key the difference matters, so
the connection notes when it sends the request.
"""

from __future__ import annotations

import ssl
import time
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from .failures import is_of_a_handler
from .http_answer import LimitedAnswer
from .in_flight import in_call, limited, note_sent
from .network import addresses

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection as _Connection
    from urllib3.connectionpool import HTTPConnectionPool as _Pool
else:
    _Connection = _Pool = object

#: The time-out in seconds when no time is left. (0 would mean not to block at all.)
_AT_ONCE: Final = 0.001


class _WatchedConnection(_Connection):
    """A connection with a deadline, which notes when it sends a request.

    A TLS handshake or a CONNECT to a proxy does not count as the request.
    """

    response_class = LimitedAnswer
    _connecting = False
    _patience: Any

    @property
    def timeout(self) -> Any:
        """The step's time-out or the time left until the deadline, whichever is less, in seconds.

        urllib3 reads it several times in a call.
        """
        try:
            return limited(self._patience)
        except TimeoutError:
            return _AT_ONCE

    @timeout.setter
    def timeout(self, seconds: Any) -> None:
        self._patience = seconds

    def connect(self) -> None:
        self._connecting = True
        try:
            self._share_tls_context()
            super().connect()
        finally:
            self._connecting = False

    def _new_conn(self) -> Any:
        """Connect. In a call without SOCKS, try one address after another until the deadline."""
        if not in_call() or hasattr(self, "_socks_options"):  # PySocks resolves names itself
            return super()._new_conn()
        name = self._dns_host
        *others, last = addresses(name, self.port)
        try:
            for self._dns_host in others:
                try:
                    return self._with_time_left(super()._new_conn())
                except (NewConnectionError, ConnectTimeoutError) as error:
                    if is_of_a_handler(error):
                        raise
                    limited(None)  # raises if the deadline has passed
            self._dns_host = last
            return self._with_time_left(super()._new_conn())
        finally:
            self._dns_host = name

    def _tunnel(self) -> None:
        super()._tunnel()
        self._with_time_left(self.sock)

    def _with_time_left(self, sock: Any) -> Any:
        """Set a socket's time-out, and return the socket.

        Its time-out is the step's time-out or the time left until the deadline, whichever is less.
        """
        sock.settimeout(self.timeout)
        return sock

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(limited(self._patience))
        if not self._connecting:
            note_sent()
        super().send(data)

    def _share_tls_context(self) -> None:
        """Use a cached TLS context, if none was given and there are certificates to trust.

        Not through an https proxy: for TLS with the proxy itself, urllib3 needs ``ca_certs`` or
        ``ca_cert_dir``, which this method removes.
        """
        if not isinstance(self, HTTPSConnection) or self.ssl_context is not None:
            return
        authorities = self.ca_certs or self.ca_cert_dir
        if authorities and not (self.proxy and self.proxy.scheme == "https"):
            changed = Path(authorities).stat().st_mtime_ns
            own = (self.cert_file, self.key_file)
            self.ssl_context = _tls_context(
                self.ca_certs, self.ca_cert_dir, self.cert_reqs, changed, own
            )
            self.ca_certs = self.ca_cert_dir = None  # the context has loaded them


class _WatchedPool(_Pool):
    """A pool that closes a connection that was idle for too long, rather than use it again."""

    keepalive_expiry: float

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)
        if time.monotonic() - getattr(conn, "idle_since", time.monotonic()) > self.keepalive_expiry:
            conn.close()  # urllib3 opens it again when it is used
        return conn


@lru_cache(maxsize=16)
def _tls_context(
    ca_certs: str | None, ca_cert_dir: str | None, cert_reqs: str | int | None, *_distinct: object
) -> ssl.SSLContext:
    """Return a cached TLS context. urllib3 makes one per connection, which takes some 20 ms.

    The ``_distinct`` arguments only keep different settings apart in the cache.
    """
    context = create_urllib3_context(cert_reqs=resolve_cert_reqs(cert_reqs))
    context.load_verify_locations(ca_certs, ca_cert_dir)
    return context


@cache
def watched(pool_class: Any, keepalive_expiry: float) -> Any:
    """Return a subclass of a pool class: a ``_WatchedPool`` of ``_WatchedConnection``."""
    if issubclass(pool_class, _WatchedPool):
        return pool_class
    connection_class = pool_class.ConnectionCls
    return type(
        f"Watched{pool_class.__name__}",
        (_WatchedPool, pool_class),
        {
            "keepalive_expiry": keepalive_expiry,
            "ConnectionCls": type(
                f"Watched{connection_class.__name__}", (_WatchedConnection, connection_class), {}
            ),
        },
    )

"""A transport adapter for requests that keeps connections and knows what it has sent.

requests cannot tell whether a request may have left: a TLS handshake that stalls arrives as the
same ``ReadTimeout`` as an answer that does not come. For a call that creates an API key it is
all the difference, so it is noted where it is known, at urllib3's connection.
"""

from __future__ import annotations

import os
import ssl
import time
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from .in_flight import note_sent

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection as _Connection
    from urllib3.connectionpool import HTTPConnectionPool as _Pool
else:
    _Connection = _Pool = object

#: How many idle connections are kept for each host.
POOL_MAXSIZE: Final = 50
#: After how many idle seconds a connection is not used again: httpx2's own default.
KEEPALIVE_EXPIRY: Final = 5.0


class KuCoinAdapter(HTTPAdapter):
    """Keeps connections over threads and forks; sends each request once.

    Args:
        pool_maxsize: How many idle connections to keep for each host.
        keepalive_expiry: After how many idle seconds a connection is not used again. A server
            closes idle ones too, and a request that crosses with that is lost.
    """

    def __init__(
        self, *, pool_maxsize: int = POOL_MAXSIZE, keepalive_expiry: float = KEEPALIVE_EXPIRY
    ) -> None:
        self._keepalive_expiry = keepalive_expiry
        super().__init__(pool_maxsize=pool_maxsize, max_retries=0)

    @property
    def options(self) -> dict[str, Any]:
        """The options by which a session sends through this adapter alone."""
        return {"adapter": self}

    def dispose(self) -> None:
        """Close the kept connections; the next request opens new ones."""
        self.close()

    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = False,  # noqa: FBT001, FBT002 - as inherited
        **pool_kwargs: Any,
    ) -> None:
        """Set up a pool of connections that note what they send."""
        manager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs)
        self._watch(manager)
        # In this order: other threads use a pool once it is there, and nothing says that it is
        # theirs but the process.
        self.poolmanager = manager
        self._process = os.getpid()

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pool for a proxy; its connections note what they send, too."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        self._watch(manager)
        return manager

    def send(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        if self._process != os.getpid():
            # Forked: the sockets are the parent's, and what they carry is not for us.
            self.proxy_manager = {}
            self.init_poolmanager(self._pool_connections, self._pool_maxsize)
        return super().send(*args, **kwargs)

    def _watch(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: _watched(pool_class, self._keepalive_expiry)
            for scheme, pool_class in manager.pool_classes_by_scheme.items()
        }


class _WatchedConnection(_Connection):
    """Notes that a request begins to leave, as opposed to a handshake or a CONNECT."""

    _connecting = False

    def connect(self) -> None:
        self._connecting = True
        try:
            self._share_tls_context()
            super().connect()
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not self._connecting:
            note_sent()
        super().send(data)

    def _share_tls_context(self) -> None:
        """Take a TLS context that is made already, but for a proxy that needs one of its own."""
        if not isinstance(self, HTTPSConnection) or self.ssl_context is not None:
            return
        authorities = self.ca_certs or self.ca_cert_dir
        if authorities and not (self.proxy and self.proxy.scheme == "https"):
            changed = Path(authorities).stat().st_mtime_ns
            own = (self.cert_file, self.key_file)
            self.ssl_context = _tls_context(
                self.ca_certs, self.ca_cert_dir, self.cert_reqs, changed, own
            )
            self.ca_certs = self.ca_cert_dir = None  # it holds them


class _WatchedPool(_Pool):
    """Does not use a connection again that has been idle for long."""

    keepalive_expiry: float

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)
        if time.monotonic() - getattr(conn, "idle_since", time.monotonic()) > self.keepalive_expiry:
            conn.close()  # it opens again when it is used, as urllib3 does with a dropped one
        return conn


@lru_cache(maxsize=16)
def _tls_context(
    ca_certs: str | None, ca_cert_dir: str | None, cert_reqs: str | int | None, *_distinct: object
) -> ssl.SSLContext:
    """Return what urllib3 makes for each connection anew, which takes some 20 ms."""
    context = create_urllib3_context(cert_reqs=resolve_cert_reqs(cert_reqs))
    context.load_verify_locations(ca_certs, ca_cert_dir)
    return context


@cache
def _watched(pool_class: Any, keepalive_expiry: float) -> Any:
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

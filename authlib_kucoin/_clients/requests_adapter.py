"""A transport adapter for requests that keeps connections and knows what it has sent.

requests cannot tell whether a request has left: a stalled TLS handshake raises the same
``ReadTimeout`` as a missing answer. For a call that creates an API key the difference matters, so
urllib3's connection object notes it.
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
#: Idle seconds after which a connection is not used again: the default of httpx2.
KEEPALIVE_EXPIRY: Final = 5.0


class KuCoinAdapter(HTTPAdapter):
    """Keeps connections over threads and forks; sends each request once.

    Args:
        pool_maxsize: How many idle connections to keep for each host.
        keepalive_expiry: Idle seconds after which a connection is not used again. The server
            closes idle connections too; a request sent at that moment is lost.
    """

    def __init__(
        self, *, pool_maxsize: int = POOL_MAXSIZE, keepalive_expiry: float = KEEPALIVE_EXPIRY
    ) -> None:
        self._keepalive_expiry = keepalive_expiry
        super().__init__(pool_maxsize=pool_maxsize, max_retries=0)

    @property
    def client_options(self) -> dict[str, Any]:
        """The options that make a session send through this adapter alone."""
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
        """Set up a pool whose connections note what they send."""
        manager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs)
        self._watch(manager)
        # In this order: another thread may use the pool as soon as the process id matches.
        self.poolmanager = manager
        self._process = os.getpid()

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pool for a proxy; its connections note what they send as well."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        self._watch(manager)
        return manager

    def send(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        if self._process != os.getpid():
            # Forked: the sockets and their answers belong to the parent.
            self.proxy_manager = {}
            self.init_poolmanager(self._pool_connections, self._pool_maxsize)
        return super().send(*args, **kwargs)

    def _watch(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: _watched(pool_class, self._keepalive_expiry)
            for scheme, pool_class in manager.pool_classes_by_scheme.items()
        }


class _WatchedConnection(_Connection):
    """Notes when a request, as opposed to a handshake or a CONNECT, begins to leave."""

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
        """Use a cached TLS context, except for an https proxy, which needs its own."""
        if not isinstance(self, HTTPSConnection) or self.ssl_context is not None:
            return
        authorities = self.ca_certs or self.ca_cert_dir
        if authorities and not (self.proxy and self.proxy.scheme == "https"):
            changed = Path(authorities).stat().st_mtime_ns
            own = (self.cert_file, self.key_file)
            self.ssl_context = _tls_context(
                self.ca_certs, self.ca_cert_dir, self.cert_reqs, changed, own
            )
            self.ca_certs = self.ca_cert_dir = None  # the context holds them


class _WatchedPool(_Pool):
    """Closes a connection that was idle for too long before it is used again."""

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
    """Return a cached context; urllib3 makes one per connection, which takes some 20 ms."""
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

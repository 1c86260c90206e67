"""A transport adapter for requests that keeps connections and sends each request once."""

from __future__ import annotations

import os
import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager

from .limits import KEEPALIVE_EXPIRY, POOL_MAXSIZE
from .urllib3_pool import watched


class KuCoinAdapter(HTTPAdapter):
    """Keeps connections over threads and forks; sends each request once.

    Args:
        pool_maxsize: How many idle connections to keep for each host; 50 unless given.
        keepalive_expiry: Idle seconds after which a connection is not used again; 5 unless given.
            The server closes idle connections too; a request sent at that moment is lost.

    Attributes:
        settings: The arguments, by name.
    """

    def __init__(
        self, *, pool_maxsize: int | None = None, keepalive_expiry: float | None = None
    ) -> None:
        self.settings = {"pool_maxsize": pool_maxsize, "keepalive_expiry": keepalive_expiry}
        self._keepalive_expiry = KEEPALIVE_EXPIRY if keepalive_expiry is None else keepalive_expiry
        pool_maxsize = POOL_MAXSIZE if pool_maxsize is None else pool_maxsize
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
        # urllib3 sets this for direct connections only. Without it, a small POST waits 40 ms.
        kwargs.setdefault("socket_options", [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)])
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
            scheme: watched(pool_class, self._keepalive_expiry)
            for scheme, pool_class in manager.pool_classes_by_scheme.items()
        }

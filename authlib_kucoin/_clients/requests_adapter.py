"""An adapter of the library requests that keeps connections and never repeats a request."""

from __future__ import annotations

import os
import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager

from .limits import KEEPALIVE_EXPIRY, POOL_MAXSIZE
from .urllib3_pool import watched


class KuCoinAdapter(HTTPAdapter):
    """Keeps connections, which threads share, and never repeats a request.

    After a fork, the child process opens connections of its own.

    Args:
        pool_maxsize: How many idle connections are kept at most for each host; 50 if left out. More
            connections can be in use at the same time.
        keepalive_expiry: After how many idle seconds a connection is closed rather than used
            again; 5 if left out. The server closes idle connections too, and a request that is
            sent at that moment is lost.

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
        """Set up the pools, whose connections note when they send a request."""
        manager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs)
        self._watch(manager)
        # In this order: another thread can use the pool as soon as the process id matches.
        self.poolmanager = manager
        self._process = os.getpid()

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools for a proxy, whose connections note when they send a request."""
        # urllib3 sets TCP_NODELAY only for direct connections. Without it, a small POST can take
        # 40 ms longer.
        kwargs.setdefault("socket_options", [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)])
        manager = super().proxy_manager_for(proxy, **kwargs)
        self._watch(manager)
        return manager

    def send(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        if self._process != os.getpid():
            # This is a forked child: the sockets and the answers on them belong to the parent.
            self.proxy_manager = {}
            self.init_poolmanager(self._pool_connections, self._pool_maxsize)
        return super().send(*args, **kwargs)

    def _watch(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: watched(pool_class, self._keepalive_expiry)
            for scheme, pool_class in manager.pool_classes_by_scheme.items()
        }

"""Connections that several httpx2 clients share, and nothing else shared with them.

Authlib makes a client for every call. These transports send what such a client hands them
through a plain client that is kept: one for each process and, if async, for each event loop. A
plain client, rather than a bare connection pool, since only a client honours the proxies of the
environment, and brokers call from fixed addresses.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Mapping
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, NamedTuple

import httpx2

# What makes up a connection, of the options that a client takes.
_OF_CONNECTIONS: Final = (
    *("verify", "cert", "http1", "http2", "proxy", "mounts", "limits", "trust_env", "transport"),
)


def no_cookies() -> CookieJar:
    """Return a jar that takes no cookie: KuCoin's edge sets some on every answer."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


class _Settings:
    """How the kept clients connect."""

    def __init__(self, client_kwargs: Mapping[str, Any]) -> None:
        self._settings = {k: client_kwargs[k] for k in _OF_CONNECTIONS if k in client_kwargs}
        self._lock = threading.Lock()

    @property
    def options(self) -> dict[str, Any]:
        """The options by which a client sends through this transport alone."""
        return {"transport": self, "mounts": None, "proxy": None}

    def _client_settings(self) -> dict[str, Any]:
        return {**self._settings, **self._tls, "cookies": no_cookies()}

    @cached_property
    def _tls(self) -> dict[str, Any]:
        """One TLS context for every client that is kept: to make one takes some 20 ms."""
        if "transport" in self._settings:
            return {}
        given = {k: v for k, v in self._settings.items() if k in ("verify", "cert", "trust_env")}
        return {"verify": httpx2.create_ssl_context(**given), "cert": None}


class SharedTransport(_Settings, httpx2.BaseTransport):
    """Connections for clients in any thread of any process.

    Args:
        client_kwargs: The clients' options; those that make up a connection are taken.
    """

    def __init__(self, client_kwargs: Mapping[str, Any]) -> None:
        super().__init__(client_kwargs)
        self._kept: httpx2.Client | None = None
        self._process = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request over a kept connection."""
        return self.client().send(request, stream=True, auth=httpx2.Auth(), follow_redirects=False)

    def dispose(self) -> None:
        """Close the kept connections; the next request opens new ones."""
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def client(self) -> httpx2.Client:
        """Return the client that is kept."""
        kept = self._kept
        if kept is not None and self._process == os.getpid():
            return kept
        with self._lock:
            if self._kept is None or self._process != os.getpid():
                # After a fork the sockets are the parent's: they are left alone.
                self._kept = httpx2.Client(**self._client_settings())
                self._process = os.getpid()
            return self._kept


class _OfLoop(NamedTuple):
    loop: asyncio.AbstractEventLoop
    process: int
    client: httpx2.AsyncClient
    closer: AsyncGenerator[None]


class AsyncSharedTransport(_Settings, httpx2.AsyncBaseTransport):
    """Connections for clients in any event loop of any process.

    Args:
        client_kwargs: The clients' options; those that make up a connection are taken.
    """

    def __init__(self, client_kwargs: Mapping[str, Any]) -> None:
        super().__init__(client_kwargs)
        self._kept: dict[int, _OfLoop] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request over a connection that is kept for this event loop."""
        client = await self.client()
        return await client.send(request, stream=True, auth=httpx2.Auth(), follow_redirects=False)

    async def dispose(self) -> None:
        """Close the connections kept for this event loop; the next request opens new ones."""
        loop = asyncio.get_running_loop()
        if (kept := self._kept.get(id(loop))) and kept.loop is loop:
            await kept.closer.aclose()

    async def client(self) -> httpx2.AsyncClient:
        """Return the client that is kept for this event loop."""
        loop = asyncio.get_running_loop()
        kept = self._kept.get(id(loop))
        if kept is not None and kept.loop is loop and kept.process == os.getpid():
            return kept.client
        client = httpx2.AsyncClient(**self._client_settings())
        closer = self._close_with_loop(loop, client)
        with self._lock:
            for key in [k for k, other in self._kept.items() if other.loop.is_closed()]:
                del self._kept[key]
            self._kept[id(loop)] = _OfLoop(loop, os.getpid(), client, closer)
        await anext(closer)
        return client

    async def _close_with_loop(
        self, loop: asyncio.AbstractEventLoop, client: httpx2.AsyncClient
    ) -> AsyncGenerator[None]:
        """Close a client when its loop shuts down: loops end the generators begun in them."""
        try:
            yield
        finally:
            with self._lock:
                self._kept.pop(id(loop), None)
            await client.aclose()

"""Connections of httpx2 that outlive a client, an event loop or a fork, and share nothing else.

Authlib makes a client for every call, and a plain client of httpx2 must not be used after a fork
or, if it is async, in another event loop. These transports send what a client hands them through
plain clients that are kept, one for each process or event loop. Plain clients, rather than bare
connection pools, since only a client honours the proxies of the environment, and brokers call from
fixed addresses. (Requests of the user's own pass through both, so httpx2 logs them twice.)
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, NamedTuple, TypeVar

import httpx2

from .failures import cannot_connect

C = TypeVar("C", httpx2.Client, httpx2.AsyncClient)

# What makes up a connection, of the options that a client takes.
_OF_CONNECTIONS: Final = {
    "cert",
    "http1",
    "limits",
    "mounts",
    "proxy",
    "transport",
    "trust_env",
    "verify",
}


def no_cookies() -> CookieJar:
    """Return a jar that takes no cookie: KuCoin's edge sets some on every answer."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


class KeptConnections:
    """What the transports have in common: how the clients that they keep are made.

    Args:
        client_kwargs: The options of a client; those that make up a connection are taken.

    Attributes:
        are_traced: Whether the kept clients will say what they send, as httpx2 itself does. A
            transport of the user's own need not.
    """

    def __init__(self, client_kwargs: Mapping[str, Any]) -> None:
        self._settings = {k: v for k, v in client_kwargs.items() if k in _OF_CONNECTIONS}
        self._context: ssl.SSLContext | None = None
        self.are_traced = not self._settings.get("transport") and not self._settings.get("mounts")

    @property
    def options(self) -> dict[str, Any]:
        """The options by which a client sends through this transport alone."""
        return {"transport": self, "mounts": None, "proxy": None}

    def _new(self, client_class: Callable[..., C], operation: str | None) -> C:
        try:
            return client_class(**{**self._settings, **self._tls}, cookies=no_cookies())
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no client
            broken = cannot_connect(error, operation)
        raise broken

    @property
    def _tls(self) -> dict[str, Any]:
        """One TLS context for every client that is kept: to make one takes some 20 ms."""
        if self._settings.get("transport"):
            return {}
        if self._context is None:
            of_tls = ("verify", "cert", "trust_env")
            given = {k: v for k, v in self._settings.items() if k in of_tls}
            self._context = httpx2.create_ssl_context(**given)
        return {"verify": self._context, "cert": None}


class Transport(KeptConnections, httpx2.BaseTransport):
    """Connections of one client, for its threads, in any process."""

    def __init__(self, client_kwargs: Mapping[str, Any]) -> None:
        super().__init__(client_kwargs)
        self._kept: dict[int, httpx2.Client] = {}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request over a connection that is kept for this process."""
        return self.client().send(request, stream=True, auth=httpx2.Auth(), follow_redirects=False)

    def close(self) -> None:
        """Close the connections kept for this process."""
        if kept := self._kept.pop(os.getpid(), None):
            kept.close()

    def client(self, operation: str | None = None) -> httpx2.Client:
        """Return the client that is kept for this process.

        Args:
            operation: The call that it is for, to be named in an error.

        Raises:
            ConfigurationError: If the settings are none that httpx2 takes.
        """
        process = os.getpid()
        if kept := self._kept.get(process):
            return kept
        # setdefault is atomic: of two threads that come first, one client is kept. What a parent
        # process has kept stays untouched: its sockets are not ours to close.
        return self._kept.setdefault(process, self._new(httpx2.Client, operation))


class _OfLoop(NamedTuple):
    loop: asyncio.AbstractEventLoop
    process: int
    client: httpx2.AsyncClient
    closer: AsyncGenerator[None]


class AsyncSharedTransport(KeptConnections, httpx2.AsyncBaseTransport):
    """Connections that clients share, in any event loop of any process."""

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

    async def client(self, operation: str | None = None) -> httpx2.AsyncClient:
        """Return the client that is kept for this event loop.

        Args:
            operation: The call that it is for, to be named in an error.

        Raises:
            ConfigurationError: If the settings are none that httpx2 takes.
        """
        loop = asyncio.get_running_loop()
        kept = self._kept.get(id(loop))
        if kept is not None and kept.loop is loop and kept.process == os.getpid():
            return kept.client
        client = self._new(httpx2.AsyncClient, operation)
        closer = self._close_with_loop(loop, client)
        # Other loops do the same in their threads, so each step is one that cannot be divided. A
        # lock could be held by one of them at a fork, and then for ever in the child.
        for key, other in list(self._kept.items()):
            if other.loop.is_closed():
                self._kept.pop(key, None)
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
            self._kept.pop(id(loop), None)
            await client.aclose()


class AsyncTransport(AsyncSharedTransport):
    """Connections of one client, which closes them, in any event loop of any process."""

    async def aclose(self) -> None:
        """Close the connections kept for this event loop."""
        await self.dispose()

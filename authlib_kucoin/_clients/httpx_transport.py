"""Transports of httpx2 that clients can share, in any event loop and after a fork.

Authlib makes a client for each call, and a plain client of httpx2 must not be used after a fork or,
if it is async, in another event loop. The transports here send through inner clients, one per
process or event loop. Inner clients rather than bare connection pools: only a client honours the
proxies of the environment, and brokers call from fixed addresses. (The application's own requests
pass through both clients, so httpx2 logs them twice.)
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, NamedTuple, TypeVar

import httpx2

from .failures import bare, cannot_connect, is_of_http
from .httpx_guard import guard

C = TypeVar("C", httpx2.Client, httpx2.AsyncClient)

#: The options of a client that concern its connections.
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
    """Return a jar that accepts no cookie: KuCoin's edge sets some on every answer."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


class KeptConnections:
    """Shared by the transports: how inner clients are made.

    Args:
        client_kwargs: The options of a client; those about connections are used.

    Attributes:
        are_traced: Whether the inner clients report what they send, as httpx2's own transport
            does. Another transport may not.
    """

    def __init__(self, client_kwargs: Mapping[str, Any]) -> None:
        self._settings = {k: v for k, v in client_kwargs.items() if k in _OF_CONNECTIONS}
        self._context: ssl.SSLContext | None = None
        self.are_traced = not self._settings.get("transport") and not self._settings.get("mounts")

    @property
    def client_options(self) -> dict[str, Any]:
        """The options that make a client send through this transport alone."""
        return {"transport": self, "mounts": None, "proxy": None}

    def _new(self, client_class: Callable[..., C], operation: str | None) -> C:
        broken: BaseException | None = None
        try:
            client = client_class(**{**self._settings, **self._tls}, cookies=no_cookies())
        except Exception as error:  # noqa: BLE001 - raised below, without its context
            broken = cannot_connect(error, operation) if is_of_http(error) else bare(error)
        if broken:
            raise broken
        guard(client)
        return client

    @property
    def _tls(self) -> dict[str, Any]:
        """One TLS context for all inner clients: making one takes some 20 ms."""
        if self._settings.get("transport"):
            return {}
        if self._context is None:
            of_tls = ("verify", "cert", "trust_env")
            given = {k: v for k, v in self._settings.items() if k in of_tls}
            self._context = httpx2.create_ssl_context(**given)
        return {"verify": self._context, "cert": None}


class Transport(KeptConnections, httpx2.BaseTransport):
    """The connections of one blocking client, for its threads, in any process."""

    def __init__(self, client_kwargs: Mapping[str, Any]) -> None:
        super().__init__(client_kwargs)
        self._clients: dict[int, httpx2.Client] = {}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request over a connection of this process."""
        return self.client().send(request, stream=True, auth=httpx2.Auth(), follow_redirects=False)

    def close(self) -> None:
        """Close the connections of this process."""
        if inner := self._clients.pop(os.getpid(), None):
            inner.close()

    def client(self, operation: str | None = None) -> httpx2.Client:
        """Return the inner client of this process.

        Args:
            operation: The call that needs it, for error texts.

        Raises:
            ConfigurationError: If httpx2 does not accept the settings.
        """
        process = os.getpid()
        if inner := self._clients.get(process):
            return inner
        # setdefault is atomic: if two threads come first, both get the same client. A parent's
        # client is left alone: its sockets are not ours to close.
        return self._clients.setdefault(process, self._new(httpx2.Client, operation))


class _OfLoop(NamedTuple):
    loop: asyncio.AbstractEventLoop
    process: int
    client: httpx2.AsyncClient
    closer: AsyncGenerator[None]


class AsyncSharedTransport(KeptConnections, httpx2.AsyncBaseTransport):
    """Connections that async clients share, in any event loop of any process."""

    def __init__(self, client_kwargs: Mapping[str, Any]) -> None:
        super().__init__(client_kwargs)
        self._clients: dict[int, _OfLoop] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request over a connection of this event loop."""
        client = await self.client()
        return await client.send(request, stream=True, auth=httpx2.Auth(), follow_redirects=False)

    async def dispose(self) -> None:
        """Close the connections of this event loop; the next request opens new ones."""
        loop = asyncio.get_running_loop()
        if (inner := self._clients.get(id(loop))) and inner.loop is loop:
            await inner.closer.aclose()

    async def client(self, operation: str | None = None) -> httpx2.AsyncClient:
        """Return the inner client of this event loop.

        Args:
            operation: The call that needs it, for error texts.

        Raises:
            ConfigurationError: If httpx2 does not accept the settings.
        """
        loop = asyncio.get_running_loop()
        inner = self._clients.get(id(loop))
        if inner is not None and inner.loop is loop and inner.process == os.getpid():
            return inner.client
        client = self._new(httpx2.AsyncClient, operation)
        closer = self._close_with_loop(loop, client)
        # Each step is atomic, since other loops do the same in their threads. Not a lock: if
        # another thread holds it during a fork, the child waits for ever.
        for key, other in list(self._clients.items()):
            if other.loop.is_closed():
                self._clients.pop(key, None)
        self._clients[id(loop)] = _OfLoop(loop, os.getpid(), client, closer)
        await anext(closer)
        return client

    async def _close_with_loop(
        self, loop: asyncio.AbstractEventLoop, client: httpx2.AsyncClient
    ) -> AsyncGenerator[None]:
        """Close a client when its loop shuts down: a loop ends its async generators."""
        try:
            yield
        finally:
            self._clients.pop(id(loop), None)
            await client.aclose()


class AsyncTransport(AsyncSharedTransport):
    """The connections of one async client, which closes them; in any loop of any process."""

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self.dispose()

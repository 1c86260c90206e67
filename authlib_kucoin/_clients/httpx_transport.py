"""Transports for httpx2 that work in any event loop and after a fork.

An app of Authlib makes a client for each request that it sends, and a plain client of httpx2 must
not be used after a fork or, if it is async, in another event loop. So the transports here send
through inner clients, one per process or event loop. They use clients rather than bare connection
pools, because only a client uses the proxies of the environment, which many brokers need: KuCoin
accepts calls from registered addresses only. (The application's own requests pass through the outer
and the inner client, so httpx2 logs them twice.)
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

#: The options of a client that its connections depend on.
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
    """Return a cookie jar that accepts no cookie, since KuCoin sets cookies on every answer."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


class KeptConnections:
    """Base of the transports. It makes their inner clients.

    Args:
        client_kwargs: The options of a client. Those that do not concern connections are ignored.

    Attributes:
        are_traced: Whether the inner clients call the ``trace`` extension of a request when they
            send it, as httpx2's own transport does. A transport of the application perhaps does
            not.
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
        """The options that give all inner clients one TLS context. Making one takes some 20 ms.

        Empty if the application has given a transport.
        """
        if self._settings.get("transport"):
            return {}
        if self._context is None:
            of_tls = ("verify", "cert", "trust_env")
            given = {k: v for k, v in self._settings.items() if k in of_tls}
            self._context = httpx2.create_ssl_context(**given)
        return {"verify": self._context, "cert": None}


class Transport(KeptConnections, httpx2.BaseTransport):
    """The connections of one blocking client. Each process has its own; threads share them."""

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
            operation: The call that needs the client, for errors.

        Raises:
            ConfigurationError: If httpx2 does not accept the settings, or :func:`guard` refuses the
                client.
        """
        process = os.getpid()
        if inner := self._clients.get(process):
            return inner
        # setdefault is atomic: if two threads get here at once, both use the same client. A client
        # of the parent process is not closed, because the parent uses its sockets.
        return self._clients.setdefault(process, self._new(httpx2.Client, operation))


class _OfLoop(NamedTuple):
    loop: asyncio.AbstractEventLoop
    process: int
    client: httpx2.AsyncClient
    closer: AsyncGenerator[None]


class AsyncSharedTransport(KeptConnections, httpx2.AsyncBaseTransport):
    """Connections that async clients share. Each event loop of each process has its own."""

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
            operation: The call that needs the client, for errors.

        Raises:
            ConfigurationError: If httpx2 does not accept the settings, or :func:`guard` refuses the
                client.
        """
        loop = asyncio.get_running_loop()
        inner = self._clients.get(id(loop))
        if inner is not None and inner.loop is loop and inner.process == os.getpid():
            return inner.client
        client = self._new(httpx2.AsyncClient, operation)
        closer = self._close_with_loop(loop, client)
        # Loops in other threads change the dict too, so each step on it is atomic. A lock would not
        # do: if another thread held it during a fork, the child process would wait for ever.
        for key, other in list(self._clients.items()):
            if other.loop.is_closed():
                self._clients.pop(key, None)
        self._clients[id(loop)] = _OfLoop(loop, os.getpid(), client, closer)
        await anext(closer)
        return client

    async def _close_with_loop(
        self, loop: asyncio.AbstractEventLoop, client: httpx2.AsyncClient
    ) -> AsyncGenerator[None]:
        """Close a client when this generator is closed: as its loop ends, or by dispose()."""
        try:
            yield
        finally:
            self._clients.pop(id(loop), None)
            await client.aclose()


class AsyncTransport(AsyncSharedTransport):
    """The connections of one async client; closing the client closes those of the running loop."""

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self.dispose()

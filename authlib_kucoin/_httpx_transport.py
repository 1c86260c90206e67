"""Connections that several httpx2 clients share, and nothing else shared with them.

Authlib makes a client for every call. This transport sends what such a client hands it through a
plain client that is kept: one for each event loop of each process. A plain client, rather than a
bare connection pool, since only a client honours the proxies of the environment, and brokers call
from fixed addresses.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, NamedTuple

import httpx2

from ._errors import ConfigurationError

# What makes up a connection, of the options that a client takes.
_OF_CONNECTIONS: Final = (
    *("verify", "cert", "http1", "proxy", "mounts", "limits", "trust_env", "transport"),
)


def no_cookies() -> CookieJar:
    """Return a jar that takes no cookie: KuCoin's edge sets some on every answer."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def is_traced(options: Mapping[str, Any]) -> bool:
    """Tell whether a client with these options will say what it sends, as httpx2 itself does."""
    return not options.get("transport") and not options.get("mounts")


class _OfLoop(NamedTuple):
    loop: asyncio.AbstractEventLoop
    process: int
    client: httpx2.AsyncClient
    closer: AsyncGenerator[None]


class AsyncSharedTransport(httpx2.AsyncBaseTransport):
    """Connections for clients in any event loop of any process.

    Args:
        client_kwargs: The clients' options; those that make up a connection are taken.

    Attributes:
        settings: What was taken.
    """

    def __init__(self, client_kwargs: Mapping[str, Any]) -> None:
        self.settings = {k: client_kwargs[k] for k in _OF_CONNECTIONS if k in client_kwargs}
        self._kept: dict[int, _OfLoop] = {}
        self._context: ssl.SSLContext | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The options by which a client sends through this transport alone."""
        return {"transport": self, "mounts": None, "proxy": None}

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
        """Return the client that is kept for this event loop.

        Raises:
            ConfigurationError: If the settings are none that httpx2 takes.
        """
        loop = asyncio.get_running_loop()
        kept = self._kept.get(id(loop))
        if kept is not None and kept.loop is loop and kept.process == os.getpid():
            return kept.client
        client = self._new_client()
        closer = self._close_with_loop(loop, client)
        # Other loops do the same in their threads, so each step is one that cannot be divided. A
        # lock could be held by one of them at a fork, and then for ever in the child.
        for key, other in list(self._kept.items()):
            if other.loop.is_closed():
                self._kept.pop(key, None)
        self._kept[id(loop)] = _OfLoop(loop, os.getpid(), client, closer)
        await anext(closer)
        return client

    def _new_client(self) -> httpx2.AsyncClient:
        try:
            return httpx2.AsyncClient(**{**self.settings, **self._tls}, cookies=no_cookies())
        except Exception as error:
            raise ConfigurationError(
                "No connection to KuCoin can be set up with these client_kwargs and this "
                f"environment ({type(error).__name__}: {error})."
            ) from error

    @property
    def _tls(self) -> dict[str, Any]:
        """One TLS context for every client that is kept: to make one takes some 20 ms."""
        if "transport" in self.settings:
            return {}
        if self._context is None:
            given = {k: v for k, v in self.settings.items() if k in ("verify", "cert", "trust_env")}
            self._context = httpx2.create_ssl_context(**given)
        return {"verify": self._context, "cert": None}

    async def _close_with_loop(
        self, loop: asyncio.AbstractEventLoop, client: httpx2.AsyncClient
    ) -> AsyncGenerator[None]:
        """Close a client when its loop shuts down: loops end the generators begun in them."""
        try:
            yield
        finally:
            self._kept.pop(id(loop), None)
            await client.aclose()

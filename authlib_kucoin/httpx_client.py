"""KuCoin with httpx2: for Starlette, FastAPI, and scripts and workers, sync or async."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Auth, OAuth2Client

from ._clients.async_client import AsyncClient
from ._clients.base_client import KuCoinTokenAuth
from ._clients.failures import name_of
from ._clients.httpx_transport import (
    AsyncSharedTransport,
    AsyncTransport,
    KeptConnections,
    Transport,
    no_cookies,
)
from ._clients.in_flight import InFlight
from ._clients.sync_client import SyncClient
from ._errors import ConfigurationError
from ._protocol.call import Call
from ._protocol.sites import Site

__all__ = ["AsyncKuCoinOAuth2Client", "KuCoinOAuth2Client"]

T = TypeVar("T")


#: For a transport that does not trace: by their names, these errors precede any request.
_NOT_CONNECTED: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)


class _Auth(KuCoinTokenAuth, OAuth2Auth):
    """Signs the application's own requests with the token."""


#: Parsing takes half the time of building a request, so it is cached. Addresses with a query are
#: not: they belong to one call and hold the code.
_parsed: Final = lru_cache(maxsize=64)(httpx2.URL)


def _request(
    client: httpx2.Client | httpx2.AsyncClient, call: Call[Any], trace: Callable[..., Any]
) -> httpx2.Request:
    extensions: dict[str, Any] = {"timeout": client.timeout.as_dict()}
    if call.creates_key:  # no other call needs it, and each event takes time
        extensions["trace"] = trace
    return httpx2.Request(
        call.method,
        call.url if "?" in call.url else _parsed(call.url),
        headers=call.headers_among(client.headers),
        content=call.body.encode() if call.body or call.method == "POST" else None,
        extensions=extensions,
    )


def _is_leaving(event: str, info: Mapping[str, Any]) -> bool:
    """Tell whether httpcore2 begins to send a request, apart from a CONNECT to a proxy."""
    return event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT"


class _Settings:
    """The constructor of both clients."""

    token_auth_class = _Auth
    _own_transport: type[KeptConnections]

    def __init__(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        site: Site | str | None = None,
        fast_api: int | None = None,
        redirect_uri: str | None = None,
        token: Mapping[str, Any] | None = None,
        update_token: Callable[..., object] | None = None,
        timeout: httpx2.Timeout | float | tuple[float, float, float, float] | None = 10.0,
        **options: Any,
    ) -> None:
        """Set up a client; nothing is sent."""
        self._site = site
        self._fast_api = fast_api
        http2 = options.pop("http2", False)
        if options.get("transport") is None:
            options |= self._own_transport(options).client_options
        transport = options["transport"]
        # Another transport may neither trace nor keep connections.
        self.pool: Any = transport if isinstance(transport, KeptConnections) else None
        self._is_traced = self.pool is not None and self.pool.are_traced
        options.setdefault("cookies", no_cookies())
        super().__init__(  # type: ignore[call-arg]  # Authlib's client comes after us
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=redirect_uri,
            token=token,
            update_token=update_token,
            timeout=timeout,
            **options,
        )
        if http2:  # only now: Authlib's __del__ needs a complete client
            raise ConfigurationError(
                "Leave http2 out: HTTP/2 may send a request for a key twice, and its library logs "
                "header values."
            )

    def _refuse_if_closed(self, operation: str) -> None:
        if self.is_closed:  # type: ignore[attr-defined]  # httpx2's
            raise ConfigurationError(
                "This client is closed: use it inside its with block, or make another.",
                operation=operation,
            )


class KuCoinOAuth2Client(_Settings, SyncClient, OAuth2Client):  # type: ignore[misc]  # Authlib's methods take more
    """Authlib's ``OAuth2Client`` for KuCoin; arguments as :class:`KuCoinOAuth2Session`.

    The ``options`` are the other arguments of Authlib's ``OAuth2Client`` and ``httpx2.Client``.
    """

    _own_transport = Transport

    def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        self._refuse_if_closed(call.operation)
        # Past this client's own layers, where there is a client beneath it that sends.
        sender = self.pool.client(call.operation) if self.pool else self
        with InFlight(call.secrets) as progress:

            def trace(event: str, info: Mapping[str, Any]) -> None:
                if _is_leaving(event, info):
                    progress.sent = True
                    request.extensions.pop("trace", None)  # nothing more to learn

            try:
                request = _request(self, call, trace)
                response = sender.send(request, auth=httpx2.Auth(), follow_redirects=False)
                status, body, failure = response.status_code, response.content, ""
                headers = response.headers
            except Exception as error:  # noqa: BLE001 - whatever it is, there is no answer
                # Drop the error itself: its text may hold the URL with the code.
                failure = name_of(error)
                if not self._is_traced:
                    progress.sent |= not isinstance(error, _NOT_CONNECTED)
        if failure:
            call.unanswered(failure, sent=progress.sent)
        return call.answer(status, body, headers)


class AsyncKuCoinOAuth2Client(_Settings, AsyncClient, AsyncOAuth2Client):  # type: ignore[misc]  # as above
    """Authlib's ``AsyncOAuth2Client`` for KuCoin; arguments as :class:`KuCoinOAuth2Client`.

    ``update_token`` may be a function or a coroutine function. The event loop is asyncio's.
    """

    _own_transport = AsyncTransport

    @staticmethod
    def new_pool(client_kwargs: Mapping[str, Any]) -> AsyncSharedTransport:
        """Return connections that clients with these settings can share."""
        return AsyncSharedTransport(client_kwargs)

    async def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        self._refuse_if_closed(call.operation)
        sender = await self.pool.client(call.operation) if self.pool else self  # as above
        with InFlight(call.secrets) as progress:

            async def trace(event: str, info: Mapping[str, Any]) -> None:
                if _is_leaving(event, info):
                    progress.sent = True
                    request.extensions.pop("trace", None)  # as above

            try:
                request = _request(self, call, trace)
                response = await sender.send(request, auth=httpx2.Auth(), follow_redirects=False)
                status, body, failure = response.status_code, response.content, ""
                headers = response.headers
            except Exception as error:  # noqa: BLE001 - whatever it is, there is no answer
                failure = name_of(error)
                if not self._is_traced:
                    progress.sent |= not isinstance(error, _NOT_CONNECTED)
        if failure:
            call.unanswered(failure, sent=progress.sent)
        return call.answer(status, body, headers)

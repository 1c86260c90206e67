"""The clients that send with httpx2, for Starlette, FastAPI, scripts and workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Auth, OAuth2Client

from ._clients.async_client import AsyncClient
from ._clients.httpx_guard import guard, is_direct, proxy_of, refuse_http2
from ._clients.httpx_transport import (
    AsyncSharedTransport,
    AsyncTransport,
    KeptConnections,
    Transport,
    no_cookies,
)
from ._clients.in_flight import InFlight
from ._clients.limits import DEFAULT_TIMEOUT, DEFAULT_TOTAL_TIMEOUT, Body
from ._clients.options import WITH_HTTPX, checked, refuse_unused
from ._clients.outcome import Outcome
from ._clients.refresh import refreshes
from ._clients.refresh_task import wait_for_refreshes
from ._clients.sync_client import SyncClient
from ._clients.token_auth import KuCoinTokenAuth
from ._errors import ConfigurationError
from ._protocol.call import Call
from ._protocol.sites import Site

__all__ = ["AsyncKuCoinOAuth2Client", "KuCoinOAuth2Client"]

T = TypeVar("T")


#: Errors that can occur only before a request is sent.
_NOT_CONNECTED: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


#: Options that httpx2 passes to its own transport, and not to one of the application.
_OF_OWN_TRANSPORT: Final = ("cert", "http1", "limits", "verify")


class _Auth(KuCoinTokenAuth, OAuth2Auth):
    """Adds the token to the application's own requests."""


#: Parsing a URL takes most of the time of building a request, so parsed URLs are cached. A query is
#: never cached, because it belongs to one call and can hold the authorization code.
_parsed: Final = lru_cache(maxsize=64)(httpx2.URL)


def _request(
    client: httpx2.Client | httpx2.AsyncClient,
    call: Call[Any],
    trace: Callable[..., Any],
    *,
    is_direct: bool,
) -> httpx2.Request:
    extensions: dict[str, Any] = {"timeout": client.timeout.as_dict()}
    if call.creates_key:  # other calls do not need the trace, which takes time
        extensions["trace"] = trace
    address, _, query = call.url.partition("?")
    url = _parsed(address) if is_direct or not query else httpx2.URL(call.url)
    if query and is_direct:
        # httpx2 sends this target unchanged: without parsing it, which saves time, and without
        # logging it.
        extensions["target"] = url.raw_path + f"?{query}".encode()
    body = call.body.encode()
    headers = call.headers_among(client.headers)
    if "host" not in map(str.lower, headers):
        headers = {"Host": url.netloc.decode(), **headers}
    if call.method == "POST":
        headers["Content-Length"] = str(len(body))
    # Not content=: httpx2 would add Host and Content-Length itself, but build all headers twice.
    request = httpx2.Request(
        call.method, url, headers=headers, stream=httpx2.ByteStream(body), extensions=extensions
    )
    request.read()
    return request


def _is_leaving(event: str, info: Mapping[str, Any]) -> bool:
    """Tell whether a trace event announces that a request other than a CONNECT is sent now."""
    return event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT"


def _whole(response: httpx2.Response) -> bytes | None:
    """Return the body if the transport has read and decoded it already, else None."""
    return response.content if response.is_stream_consumed else None


def _decoded(body: Body, response: httpx2.Response) -> bytes:
    return body.decoded(response.headers.get("content-encoding"))


class _Settings:
    """Mixin with the constructor and the checks that both clients share."""

    token_auth_class = _Auth
    accepted = WITH_HTTPX
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
        timeout: httpx2.Timeout
        | float
        | tuple[float, float, float, float]
        | None = DEFAULT_TIMEOUT,
        total_timeout: float = DEFAULT_TOTAL_TIMEOUT,
        **options: Any,
    ) -> None:
        """Set up a client; nothing is sent."""
        self._site = site
        self._fast_api = fast_api
        options = checked(type(self), options, client_secret)
        http2 = options.pop("http2", False)
        given = [options.get("transport"), *(options.get("mounts") or {}).values()]
        if given[0] is not None and not isinstance(given[0], KeptConnections):
            refuse_unused(options, _OF_OWN_TRANSPORT, "transport")
        if options.get("transport") is None:
            options |= self._own_transport(options).client_options
        transport = options["transport"]
        # A transport of the application has no inner client, and perhaps does not trace.
        self.pool: Any = transport if isinstance(transport, KeptConnections) else None
        self._is_traced = self.pool is not None and self.pool.are_traced
        options.setdefault("cookies", no_cookies())
        super().__init__(  # type: ignore[call-arg]  # the next constructor is Authlib's
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=redirect_uri,
            token=token,
            update_token=update_token,
            timeout=timeout,
            **options,
        )
        self.total_timeout = total_timeout
        if http2:
            refuse_http2()
        guard(self, *given)  # type: ignore[arg-type]  # httpx2's client is later in the MRO
        self._is_made = True

    def _outcome(self, call: Call[T], progress: InFlight, sender: Any) -> Outcome[T]:
        return Outcome(
            call,
            progress,
            authorities="SSL_CERT_FILE",
            temporary=(),
            proxy=lambda: proxy_of(sender, call.url),
        )

    @property
    def _has_own_send(self) -> bool:
        """Whether ``send`` has been replaced in a subclass or in this client.

        A ``send`` that was replaced in httpx2's own class does not count: tracing does that.
        """
        sends: tuple[Any, ...] = (httpx2.Client.send, httpx2.AsyncClient.send)
        return getattr(self.send, "__func__", None) not in sends  # type: ignore[attr-defined]  # httpx2's

    def _is_direct(self, sender: Any) -> bool:
        """Tell whether requests are surely sent by httpx2's own transport and through no proxy."""
        return self._is_traced and not self._has_own_send and is_direct(sender)

    def _may_have_left(self, call: Call[Any], error: BaseException) -> bool:
        """Tell, by the class of an error, whether the request may have been sent.

        Always False for a traced request: its trace has set ``progress.sent`` if it was sent.
        """
        is_known = self._is_traced and call.creates_key and not self._has_own_send
        return not is_known and not isinstance(error, _NOT_CONNECTED)

    def check_ready(self, operation: str) -> None:
        """Raise, before anything is sent, if this client's settings do not allow a call.

        Raises:
            ConfigurationError: As in :meth:`ClientBase.check_ready`, or if the client is closed.
        """
        super().check_ready(operation)  # type: ignore[misc]  # ClientBase is later in the MRO
        if self.is_closed:  # type: ignore[attr-defined]  # httpx2's attribute
            raise ConfigurationError(
                "This client is closed: use it inside its with block, or make another.",
                operation=operation,
            )


class KuCoinOAuth2Client(_Settings, SyncClient, OAuth2Client):  # type: ignore[misc]  # Authlib's methods take more
    """Authlib's ``OAuth2Client`` for KuCoin.

    The arguments are those of :class:`KuCoinOAuth2Session` without ``pool_maxsize``,
    ``keepalive_expiry`` and ``adapter``; but ``timeout`` is any time-out that httpx2 accepts. The
    ``options`` are the other arguments of Authlib's ``OAuth2Client`` and of ``httpx2.Client``, such
    as ``limits`` and ``transport``. Options that would have no effect are refused.
    """

    _own_transport = Transport

    def close(self) -> None:
        """Wait for the refreshes that other threads perform with this client, then close it."""
        refreshes.wait_for(self)
        super().close()

    def __exit__(self, *error: Any) -> None:  # noqa: PYI036 - the types are httpx2's
        """Close the client, as :meth:`close`."""
        refreshes.wait_for(self)
        super().__exit__(*error)

    def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        self.check_ready(call.operation)
        # With a transport of this package, send by its inner client: that skips the layers of this
        # client.
        is_pooled = self.pool and not self._has_own_send
        sender = self.pool.client(call.operation) if is_pooled else self
        with InFlight(call.secrets, self.total_timeout) as progress:
            outcome = self._outcome(call, progress, sender)

            def trace(event: str, info: Mapping[str, Any]) -> None:
                if _is_leaving(event, info):
                    progress.sent = True
                    request.extensions.pop("trace", None)  # the other events are not needed

            try:
                request = _request(self, call, trace, is_direct=self._is_direct(sender))
                response = sender.send(
                    request, auth=httpx2.Auth(), follow_redirects=False, stream=True
                )
                try:
                    outcome.status, outcome.headers = response.status_code, response.headers
                    body = Body()
                    if (whole := _whole(response)) is not None:
                        body.add(whole)
                        outcome.body = body.decoded(None)
                    else:
                        for piece in response.iter_raw():
                            body.add(piece)
                        outcome.body = _decoded(body, response)
                finally:
                    response.close()
            except BaseException as error:  # noqa: BLE001 - result() raises it or our own error
                progress.sent |= self._may_have_left(call, error)
                outcome.failed(error)
        return outcome.result()


class AsyncKuCoinOAuth2Client(_Settings, AsyncClient, AsyncOAuth2Client):  # type: ignore[misc]  # Authlib's methods take more
    """Authlib's ``AsyncOAuth2Client`` for KuCoin.

    The arguments are those of :class:`KuCoinOAuth2Client`. ``update_token`` can be a plain function
    or a coroutine function. The client needs asyncio, and does not run on trio.
    """

    _own_transport = AsyncTransport

    async def aclose(self) -> None:
        """Wait for the refreshes of this client in this event loop, then close the client.

        If the client has a shared transport, which stays open, this does not wait.
        """
        try:
            await self._finish_refreshes()
        finally:
            await super().aclose()

    async def __aexit__(self, *error: Any) -> None:  # noqa: PYI036 - the types are httpx2's
        """Close the client, as :meth:`aclose`."""
        try:
            await self._finish_refreshes()
        finally:
            await super().__aexit__(*error)

    async def _finish_refreshes(self) -> None:
        if self.pool is None or isinstance(
            self.pool, AsyncTransport
        ):  # a shared transport stays open
            await wait_for_refreshes(self)

    @staticmethod
    def new_pool(client_kwargs: Mapping[str, Any]) -> AsyncSharedTransport:
        """Return a transport that all clients with these ``client_kwargs`` can share."""
        return AsyncSharedTransport(client_kwargs)

    async def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        self.check_ready(call.operation)
        is_pooled = self.pool and not self._has_own_send  # as in KuCoinOAuth2Client
        sender = await self.pool.client(call.operation) if is_pooled else self
        with InFlight(call.secrets, self.total_timeout) as progress:
            outcome = self._outcome(call, progress, sender)

            async def trace(event: str, info: Mapping[str, Any]) -> None:
                if _is_leaving(event, info):
                    progress.sent = True
                    request.extensions.pop("trace", None)  # the other events are not needed

            try:
                request = _request(self, call, trace, is_direct=self._is_direct(sender))
                async with asyncio.timeout(self.total_timeout):
                    response = await sender.send(
                        request, auth=httpx2.Auth(), follow_redirects=False, stream=True
                    )
                    try:
                        outcome.status, outcome.headers = response.status_code, response.headers
                        body = Body()
                        if (whole := _whole(response)) is not None:
                            body.add(whole)
                            outcome.body = body.decoded(None)
                        else:
                            async for piece in response.aiter_raw():
                                body.add(piece)
                            outcome.body = _decoded(body, response)
                    finally:
                        await response.aclose()
            except BaseException as error:  # noqa: BLE001 - result() raises it or our own error
                progress.sent |= self._may_have_left(call, error)
                outcome.failed(error)
        return outcome.result()

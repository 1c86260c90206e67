"""Gives the connections of httpx2 a deadline, and drops connections with surplus bytes.

This module uses private attributes of httpx2 and httpcore2: ``_transport`` and ``_mounts`` of a
client, ``_pool`` of a transport, ``_http2`` and ``_network_backend`` of a pool; ``_connection``,
``_h11_state`` and ``_network_stream`` of a connection. If a release lacks one of the first five,
httpx2's own transports cannot be used; if it lacks one of the others, no connection is used twice.
The tests in tests/unit/test_private.py fail in both cases.

If a release lacks ``_transport_for_url`` of a client, or both ``_proxy`` and ``_proxy_url`` of a
pool, error texts do not name the proxy.
"""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpcore2
import httpx2

from authlib_kucoin._errors import ConfigurationError

from .failures import is_of_a_handler
from .in_flight import limited, note_received
from .network import addresses, holds_bytes, is_readable

_OURS = (httpx2.HTTPTransport, httpx2.AsyncHTTPTransport)


def guard(client: httpx2.Client | httpx2.AsyncClient, *others: object) -> None:
    """Give a client's connections a deadline, and have them dropped if they hold surplus bytes.

    (The connections of an async client get no deadline here: asyncio's time-out enforces it.)

    Args:
        client: The client.
        others: Further transports of the client. A transport that is not httpx2's is not changed.

    Raises:
        ConfigurationError: If a transport can speak HTTP/2, or this release of httpx2 lacks a
            private attribute that this function uses.
    """
    try:
        transports = [client._transport, *client._mounts.values(), *others]
        pools: list[Any] = [each._pool for each in transports if isinstance(each, _OURS)]
        may_speak_http2 = any(pool._http2 for pool in pools)
        for pool in pools:
            _guard_pool(pool)
    except AttributeError:
        unknown = True
    else:
        unknown = False
    if unknown:
        raise ConfigurationError(
            f"httpx2 {httpx2.__version__} is not supported by this release of authlib-kucoin: "
            "upgrade authlib-kucoin, or install an older httpx2."
        )
    if may_speak_http2:
        refuse_http2()


def _guard_pool(pool: Any) -> None:
    pool.__class__ = _guarded(pool.__class__, _GuardedPool)
    backend: Any = pool._network_backend
    if isinstance(pool, httpcore2.AsyncConnectionPool):
        backend.__class__ = _guarded(backend.__class__, _AsyncBackend)
    elif not isinstance(backend, _Backend):
        pool._network_backend = _Backend(backend)


def refuse_http2() -> None:
    """Raise the error for a client that can speak HTTP/2."""
    raise ConfigurationError(
        "Leave http2 out: HTTP/2 can send a request for a key twice, and its library logs "
        "header values."
    )


def is_direct(client: httpx2.Client | httpx2.AsyncClient) -> bool:
    """Tell whether a client has no mounts. For a proxy, httpx2 mounts a further transport."""
    return not client._mounts


def proxy_of(client: httpx2.Client | httpx2.AsyncClient, url: str) -> str:
    """Return host and port of the proxy that a client uses for a URL; "" if none is known."""
    try:
        pool: Any = client._transport_for_url(httpx2.URL(url))._pool  # type: ignore[union-attr]
        proxy = getattr(pool, "_proxy_url", None) or pool._proxy.url
        return f"{proxy.host.decode()}{f':{proxy.port}' if proxy.port else ''}"
    except AttributeError:
        return ""


class _GuardedPool:
    """A pool whose connections count as expired if they hold surplus bytes."""

    def create_connection(self, origin: Any) -> Any:
        connection: Any = super().create_connection(origin)  # type: ignore[misc]  # httpcore2's
        connection.__class__ = _guarded(connection.__class__, _GuardedConnection)
        return connection


class _GuardedConnection:
    """A connection that counts as expired if it holds bytes that belong to no answer."""

    def has_expired(self) -> bool:
        return super().has_expired() or (  # type: ignore[misc]  # httpcore2's
            self.is_idle() and _holds_bytes(self)  # type: ignore[attr-defined]  # httpcore2's
        )


def _holds_bytes(connection: Any) -> bool:
    try:
        while not hasattr(connection, "_h11_state"):  # others wrap the one that has it
            connection = connection._connection
        stream = connection._network_stream
        if not isinstance(stream, _QuickStream | _Stream):
            stream.__class__ = _guarded(stream.__class__, _QuickStream)
        surplus, _ = connection._h11_state.trailing_data
        return bool(surplus) or holds_bytes(stream.get_extra_info("ssl_object"))
    except (AttributeError, TypeError):
        return True


class _QuickStream:
    """A stream that remembers its extra information, such as its socket, after the first lookup.

    Without this, anyio would build a dict of all attributes of the stream at each lookup.
    ``is_readable`` changes, so it is not remembered.
    """

    def get_extra_info(self, info: str) -> Any:
        kept = vars(self).setdefault("kept", {})
        if info == "is_readable":
            return is_readable(self.get_extra_info("socket"))
        if info not in kept:
            kept[info] = super().get_extra_info(info)  # type: ignore[misc]  # of httpcore2's stream
        return kept[info]


class _AsyncBackend:
    """An async backend that opens streams of the kind ``_AsyncStream``."""

    async def connect_tcp(self, *args: Any, **options: Any) -> Any:
        stream: Any = await super().connect_tcp(*args, **options)  # type: ignore[misc]  # httpcore2's
        stream.__class__ = _guarded(stream.__class__, _AsyncStream)
        return stream

    async def connect_unix_socket(self, *args: Any, **options: Any) -> Any:
        stream: Any = await super().connect_unix_socket(*args, **options)  # type: ignore[misc]  # httpcore2's
        stream.__class__ = _guarded(stream.__class__, _AsyncStream)
        return stream


class _AsyncStream:
    """A stream that is closed if its TLS handshake is cancelled, as by the deadline.

    httpcore2 closes the stream only after an ``Exception``; it would stay open in the event loop.
    """

    async def start_tls(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().start_tls(*args, **options)  # type: ignore[misc]  # httpcore2's
        except BaseException:
            await self.aclose()  # type: ignore[attr-defined]  # httpcore2's
            raise


@cache
def _guarded(kind: Any, guard_class: Any) -> Any:
    if issubclass(kind, guard_class):
        return kind
    return type(f"Guarded{kind.__name__}", (guard_class, kind), {})


class _Backend(httpcore2.NetworkBackend):
    """Opens connections whose time-outs do not go beyond the deadline of the call."""

    def __init__(self, backend: httpcore2.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore2.NetworkStream:
        """Try the addresses of a host one after another, until one accepts, or time is up."""
        options = {"local_address": local_address, "socket_options": socket_options}
        try:
            *others, last = addresses(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        for address in others:
            try:
                return self._connected(address, port, timeout, options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                if is_of_a_handler(error):
                    raise
        return self._connected(last, port, timeout, options)

    def _connected(
        self, address: str, port: int, timeout: float | None, options: dict[str, Any]
    ) -> httpcore2.NetworkStream:
        seconds = _limited(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._backend.connect_tcp(address, port, timeout=seconds, **options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Any = None
    ) -> httpcore2.NetworkStream:
        """Connect to a Unix socket."""
        seconds = _limited(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._backend.connect_unix_socket(path, seconds, socket_options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(_limited(seconds, httpcore2.ConnectTimeout) or 0)


class _Stream(httpcore2.NetworkStream):
    """A stream whose time-outs do not go beyond the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, _limited(timeout, httpcore2.ReadTimeout))
        note_received(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _limited(timeout, httpcore2.WriteTimeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        seconds = _limited(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, seconds))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _limited(seconds: float | None, late: type[Exception]) -> float | None:
    try:
        return limited(seconds)
    except TimeoutError as error:
        raise late(str(error)) from error

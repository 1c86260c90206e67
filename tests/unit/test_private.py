"""Private names of HTTP libraries: what this package does with them, and what without them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import httpx2
import pytest
from urllib3.connection import HTTPConnection as Urllib3Connection
from urllib3.connectionpool import HTTPConnectionPool

from authlib_kucoin import (
    AsyncKuCoinOAuth2Client,
    ConfigurationError,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    KuCoinUnavailable,
    MalformedResponse,
)
from authlib_kucoin._clients import httpx_guard
from authlib_kucoin._clients.http_answer import LimitedAnswer
from tests.support.wire import Wire, whole

VALID = whole(200, json.dumps({"is_valid": True}))


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that answers every request with ``is_valid: true``."""
    with Wire() as wire:
        wire.answer = lambda _seen: VALID
        yield wire


def test_private_names_that_are_used_exist() -> None:
    """These private names of http.client and urllib3, which this package uses, exist."""
    assert callable(HTTPResponse._read_status)  # type: ignore[attr-defined]  # private
    assert callable(HTTPConnection._tunnel)  # type: ignore[attr-defined]  # private
    assert callable(Urllib3Connection._new_conn)
    assert hasattr(Urllib3Connection("localhost"), "_dns_host")
    assert callable(HTTPConnectionPool._get_conn)
    assert callable(HTTPConnectionPool._put_conn)


def test_the_connections_of_httpx2_are_guarded(wire: Wire) -> None:
    """The connections of both httpx2 clients are of our guarded class, and are still reused."""
    with KuCoinOAuth2Client(site=wire.url) as client:
        assert [client.validate_access_token("access") for _ in range(3)] == [True] * 3
        pool = client.pool.client()._transport._pool
        (connection,) = pool.connections
        assert isinstance(pool._network_backend, httpx_guard._Backend)
        assert isinstance(connection, httpx_guard._GuardedConnection)
        assert not httpx_guard._holds_bytes(connection)

    async def main() -> None:
        async with AsyncKuCoinOAuth2Client(site=wire.url) as client:
            for _ in range(3):
                assert await client.validate_access_token("access")
            (connection,) = (await client.pool.client())._transport._pool.connections
            assert isinstance(connection, httpx_guard._GuardedConnection)
            assert not httpx_guard._holds_bytes(connection)

    asyncio.run(main())
    assert wire.connections == 2


@pytest.mark.parametrize("client", [KuCoinOAuth2Client, AsyncKuCoinOAuth2Client])
def test_transport_without_private_pool_is_refused(client: Any) -> None:
    """A client refuses a transport of httpx2 without ``_pool``, and names the version of httpx2."""
    transport = httpx2.HTTPTransport()
    del transport._pool
    with pytest.raises(ConfigurationError, match=r"httpx2 \S+ is not supported"):
        client(site="eu", transport=transport)


def test_connection_that_hides_its_buffer_is_used_once(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the guard cannot see whether surplus bytes wait, each call opens a new connection."""

    def hide(connection: Any) -> bool:
        return hold(object())

    hold = httpx_guard._holds_bytes
    monkeypatch.setattr(httpx_guard, "_holds_bytes", hide)
    with KuCoinOAuth2Client(site=wire.url) as client:
        assert [client.validate_access_token("access") for _ in range(3)] == [True] * 3
    assert wire.connections == 3


def test_without_read_status_http_103_closes_the_connection(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without our ``_read_status``, HTTP 103 counts as the answer, and the connection is closed."""
    monkeypatch.delattr(LimitedAnswer, "_read_status")
    wire.answer = lambda _seen: b"HTTP/1.1 103 Early Hints\r\n\r\n"
    with KuCoinOAuth2Session(site=wire.url) as session:
        for _ in range(2):
            with pytest.raises(MalformedResponse, match="HTTP 103"):
                session.validate_access_token("access")
    assert wire.connections == 2


#: Each client over httpx2, with its kind of transport.
over_httpx2 = pytest.mark.parametrize(
    ("client_class", "transport_class"),
    [
        (KuCoinOAuth2Client, httpx2.HTTPTransport),
        (AsyncKuCoinOAuth2Client, httpx2.AsyncHTTPTransport),
    ],
)


def validate(client: Any) -> None:
    """Validate a token, and close the client."""

    async def main() -> None:
        async with client:
            await client.validate_access_token("access")

    if isinstance(client, AsyncKuCoinOAuth2Client):
        asyncio.run(main())
        return
    with client:
        client.validate_access_token("access")


@over_httpx2
def test_total_timeout_ends_a_call_over_a_unix_socket(
    client_class: Any, transport_class: Any, tmp_path: Path
) -> None:
    """``total_timeout`` ends a call over a Unix socket (``uds=``) whose server does not answer."""
    path = str(tmp_path / "s")
    transport = transport_class(uds=path)
    client = client_class(site="http://localhost", total_timeout=0.3, transport=transport)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        began = time.monotonic()
        with pytest.raises(KuCoinUnavailable, match="total_timeout"):
            validate(client)
        assert time.monotonic() - began < 5


@over_httpx2
def test_total_timeout_ends_the_retries_of_a_transport(
    client_class: Any, transport_class: Any
) -> None:
    """``total_timeout`` ends the growing pauses between the retries of an httpx2 transport."""
    transport = transport_class(retries=9)
    client = client_class(site="http://127.0.0.1:9", total_timeout=0.2, transport=transport)
    began = time.monotonic()
    with pytest.raises(KuCoinUnavailable, match="total_timeout"):
        validate(client)
    assert time.monotonic() - began < 5


def test_connection_to_a_proxy_has_tcp_nodelay(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection to a proxy has TCP_NODELAY set; without it, a small POST could wait 40 ms."""
    monkeypatch.setenv("HTTP_PROXY", wire.url)
    with KuCoinOAuth2Session(site="http://127.0.0.2:9") as session:
        session.validate_access_token("access")
        (manager,) = session.pool.proxy_manager.values()
        (key,) = manager.pools.keys()
        connection = manager.pools[key].pool.get()
        option = connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()
    assert option

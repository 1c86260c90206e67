"""A call ends soon after its ``total_timeout``, whether connecting or the answer is slow."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pytest

from authlib_kucoin import (
    ApiKeyOutcomeUnknown,
    AsyncKuCoinOAuth2Client,
    ConfigurationError,
    KuCoinUnavailable,
)
from tests.contract.stacks import CLIENTS, EVERYWHERE, NewStack, outcome_of
from tests.support.waiting import wait_until
from tests.support.wire import Answer, Seen, Wire

#: Seconds between two pieces of an answer. It is less than TIMEOUT, which each piece restarts.
DRIP = 0.05
TIMEOUT = 0.3
TOTAL = 0.4
#: Seconds after which a call must have ended, also on a busy machine.
SOON = 2.5
TOKEN = {"access_token": "access"}

OK = b"HTTP/1.1 200 OK\r\n"
LONG = OK + b"Content-Length: 1000\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
#: Maps the slow part of an answer to the bytes sent at once and the bytes then sent repeatedly.
SLOW: dict[str, tuple[bytes, bytes]] = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103 Early Hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    "a header": (OK + b"X: ", b"x"),
    "headers": (OK, b"X: y\r\n"),
    "body": (LONG, b"x"),
    "body without a length": (OK + b"\r\n", b"x"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "a chunk's extension": (CHUNKED + b"1", b";x"),
    "a trailer": (CHUNKED + b"1\r\nx\r\n0\r\nX: ", b"x"),
}
#: The header of a TLS handshake record.
RECORD = b"\x16\x03\x03\x40\x00"
IN_FRAMEWORKS = ("100 Continue", "body")
CASES = [
    (row, name) for row in EVERYWHERE for name in SLOW if row in CLIENTS or name in IN_FRAMEWORKS
]


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A recording server."""
    with Wire() as wire:
        yield wire


def drop_by_drop(wire: Wire, start: bytes, drop: bytes, *, times: int = 200) -> Iterator[bytes]:
    """Yield the start, then ``times`` drops with a pause before each; stop if the server ends."""
    yield start
    for _ in range(times):
        if wire.ended.wait(DRIP):
            return
        yield drop


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return the outcome of a call and its duration in seconds."""
    start = time.monotonic()
    return outcome_of(call), time.monotonic() - start


@pytest.mark.parametrize(("row", "name"), CASES)
def test_total_timeout_ends_a_slow_answer(name: str, new_stack: NewStack, wire: Wire) -> None:
    """``total_timeout`` ends a key request, though pieces of the answer restart ``timeout``."""
    wire.answer = lambda _seen: drop_by_drop(wire, *SLOW[name])
    stack = new_stack(site=wire.url, timeout=TIMEOUT, total_timeout=TOTAL)
    error, seconds = timed(lambda: stack.create_api_key(TOKEN))
    assert type(error) is ApiKeyOutcomeUnknown
    assert "total_timeout" in str(error)
    assert seconds < SOON
    wait_until(lambda: not wire.open)  # the request has ended, and its connection is closed


@pytest.mark.parametrize("row", CLIENTS)
def test_total_timeout_ends_a_slow_proxy_tunnel(
    new_stack: NewStack, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a proxy answers CONNECT too slowly, a key request ends with ``KuCoinUnavailable``."""
    wire.answer = lambda _seen: drop_by_drop(wire, b"HTTP/1.1 200 ", b"O")
    monkeypatch.setenv("HTTPS_PROXY", wire.url)
    stack = new_stack(site="eu", timeout=TIMEOUT, total_timeout=TOTAL)
    error, seconds = timed(lambda: stack.create_api_key(TOKEN))
    assert type(error) is KuCoinUnavailable
    assert "total_timeout" in str(error)
    assert seconds < SOON


@pytest.mark.parametrize("row", CLIENTS)
@pytest.mark.parametrize("through_proxy", [False, True])
def test_total_timeout_ends_a_slow_tls_handshake(
    new_stack: NewStack, wire: Wire, through_proxy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A TLS handshake that is too slow ends in time, and its connection is closed."""

    def tunnel(_seen: Seen) -> Answer:
        return chain(
            drop_by_drop(wire, b"HTTP/1.1 200 OK\r\n\r\n", RECORD, times=1),
            drop_by_drop(wire, b"\x02", b"\x02"),
        )

    with socket.create_server(("127.0.0.1", 0)) as listener, Wire() as other:
        if through_proxy:
            wire.answer = tunnel
            monkeypatch.setenv("HTTPS_PROXY", wire.url)
            site = "https://127.0.0.1:9"
        else:
            site = f"https://127.0.0.1:{listener.getsockname()[1]}"
            other._run(_shake_hands_slowly, listener, other)
            wait_until(lambda: other.open)
        # A short ``timeout`` would end the handshake: it limits the whole handshake.
        stack = new_stack(site=site, timeout=10, total_timeout=TOTAL)
        error, seconds = timed(lambda: stack.create_api_key(TOKEN))
        wait_until(lambda: not wire.open | other.open)
    assert type(error) is KuCoinUnavailable
    assert "total_timeout" in str(error)
    assert seconds < SOON


def _shake_hands_slowly(listener: socket.socket, wire: Wire) -> None:
    wire.open.add(listener)
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        for piece in drop_by_drop(wire, RECORD, b"\x02"):
            connection.sendall(piece)
    wire.open.discard(listener)


@pytest.mark.parametrize("row", CLIENTS)
def test_total_timeout_ends_a_slow_answer_over_tls(
    new_stack: NewStack, tls: ssl.SSLContext
) -> None:
    """``total_timeout`` also ends a key request whose answer arrives slowly over TLS."""
    with Wire(tls) as wire:
        wire.answer = lambda _seen: drop_by_drop(wire, LONG, b"x")
        stack = new_stack(site=wire.url, timeout=TIMEOUT, total_timeout=TOTAL)
        error, seconds = timed(lambda: stack.create_api_key(TOKEN))
    assert type(error) is ApiKeyOutcomeUnknown
    assert seconds < SOON


#: The host as it reaches ``socket.getaddrinfo``: anyio passes bytes.
LOCALHOST = ("localhost", b"localhost")


@pytest.mark.parametrize("row", CLIENTS)
def test_addresses_of_a_host_share_one_total_timeout(
    row: str, new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a host's nine addresses do not answer, one ``total_timeout`` limits all attempts."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = full.getsockname()[1]
    waiting = socket.create_connection(("127.0.0.1", port))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 9
    lookup = socket.getaddrinfo

    def many(host: Any, *args: Any, **options: Any) -> Any:
        return found if host in LOCALHOST else lookup(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", many)
    # In the async client, the nine attempts share one time-out for connecting anyway.
    timeout = 10 if row == "httpx-async" else TIMEOUT
    stack = new_stack(site=f"http://localhost:{port}", timeout=timeout, total_timeout=TOTAL)
    error, seconds = timed(lambda: stack.create_api_key(TOKEN))
    for each in (full, waiting):
        each.close()
    assert type(error) is KuCoinUnavailable
    assert "the total_timeout of the call is over" in str(error)
    assert seconds < SOON


@pytest.mark.parametrize("row", CLIENTS)
def test_next_address_is_tried_if_one_is_unreachable(
    new_stack: NewStack, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the host's IPv6 address cannot be reached, the call succeeds over its IPv4 address."""
    port = int(wire.url.rpartition(":")[2])
    inet6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", port, 0, 1))
    inet = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
    lookup = socket.getaddrinfo

    def many(host: Any, *args: Any, **options: Any) -> Any:
        return [inet6, inet] if host in LOCALHOST else lookup(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", many)
    wire.answer = lambda _seen: (200, '{"is_valid": true}')
    stack = new_stack(site=f"http://localhost:{port}", timeout=TIMEOUT)
    assert stack.validate(TOKEN) is True


def test_cancelling_the_caller_closes_the_connection(wire: Wire) -> None:
    """If ``asyncio.timeout`` cancels the caller, the connection of its request is closed."""
    wire.answer = lambda _seen: drop_by_drop(wire, LONG, b"x")

    async def main() -> None:
        async with AsyncKuCoinOAuth2Client("broker", site=wire.url, token=TOKEN) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.validate_access_token()
            assert len(wire.seen) == 1
            await asyncio.to_thread(wait_until, lambda: not wire.open)

    asyncio.run(main())


@pytest.mark.parametrize("row", CLIENTS)
@pytest.mark.parametrize("seconds", [None, 0, -1, math.nan, math.inf, True, "20"])
def test_invalid_total_timeout_is_refused(seconds: Any, new_stack: NewStack) -> None:
    """Only a positive finite number is accepted. ``None`` is refused: it would set no limit."""
    with pytest.raises(ConfigurationError, match="total_timeout has to be a positive number"):
        new_stack(site="eu", total_timeout=seconds)

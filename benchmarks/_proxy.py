"""A TCP proxy that delays each round trip and counts the traffic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# RFC 8446: a record begins with its type, version and length. A TLS handshake begins with a record
# of the type "handshake" that holds a "client_hello".
_HANDSHAKE: Final = 22
_RECORD_HEADER: Final = 5
_CLIENT_HELLO: Final = 1


@dataclass
class Counts:
    """The traffic through a proxy.

    Attributes:
        connections: TCP connections.
        handshakes: TLS handshakes that a client began.
        round_trips: How often a client waited for the other side: once while a connection opened,
            once for its first bytes, and each time it spoke after the server had spoken.
    """

    connections: int = 0
    handshakes: int = 0
    round_trips: int = 0


class Proxy:
    """Forwards to a port of this machine, and counts.

    Args:
        port: The port to forward to.
        round_trip: Seconds that a round trip takes; each direction takes half.
    """

    def __init__(self, port: int, round_trip: float) -> None:
        self.counts = Counts()
        self.port = port
        self.round_trip = round_trip
        # Keeps the tasks alive: the event loop references them weakly, and asyncio's server drops a
        # task as soon as its client has hung up, even if the other side has not.
        self._conversations: set[asyncio.Task[object] | None] = set()

    async def start(self) -> int:
        """Start forwarding, and return the port to connect to."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=128)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _connected(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        self._conversations.add(task)
        try:
            await _Conversation(self).carry(from_client, to_client)
        finally:
            self._conversations.discard(task)


class _Conversation:
    """One connection through a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._clients_turn = True
        self._loop = asyncio.get_running_loop()
        # Opening a connection costs a round trip, too. The client's kernel has been answered
        # without that delay, so delay the client's first bytes instead.
        self._open_at: float | None = None
        proxy.counts.connections += 1
        proxy.counts.round_trips += 1

    async def carry(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._proxy.port)
        await asyncio.gather(
            self._pump(from_client, to_server, is_client=True),
            self._pump(from_server, to_client, is_client=False),
        )

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_client: bool
    ) -> None:
        try:
            while chunk := await source.read(65536):
                if is_client:
                    self._count(chunk)
                self._clients_turn = not is_client
                self._later(sink.write, chunk)
        except ConnectionError:
            pass  # as when the client hangs up before its answer has arrived
        self._later(sink.close)

    def _later(self, act: Callable[..., object], *args: bytes) -> None:
        now = self._loop.time()
        if self._open_at is None:
            self._open_at = now + self._proxy.round_trip
        left_at = max(now, self._open_at)
        self._loop.call_at(left_at + self._proxy.round_trip / 2, act, *args)

    def _count(self, chunk: bytes) -> None:
        if self._clients_turn:
            self._proxy.counts.round_trips += 1
        if len(chunk) > _RECORD_HEADER and chunk[0] == _HANDSHAKE:
            self._proxy.counts.handshakes += chunk[_RECORD_HEADER] == _CLIENT_HELLO

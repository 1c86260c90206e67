"""A stand-in for the refresh request, which waits until a test releases it; helpers to call it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from authlib_kucoin import (
    KuCoinError,
    KuCoinToken,
)
from authlib_kucoin._clients.refresh import Refreshes

ENDPOINT = "https://www.kucoin.eu/_oauth/refresh-token"
OLD = {"refresh_token": "old-r"}
FRESH = {"access_token": "new-a", "refresh_token": "new-r", "expires_at": 1}


class Endpoint:
    """Stands in for a refresh: counts calls, waits for ``go_on``, returns or raises ``outcome``."""

    def __init__(self, outcome: Any = FRESH) -> None:
        self.outcome = outcome
        self.asked = 0
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def __call__(self) -> KuCoinToken:
        self.asked += 1
        self.reached.set()
        assert self.go_on.wait(10)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return KuCoinToken(self.outcome)

    async def awaited(self) -> KuCoinToken:
        """Async twin of ``__call__``; does not block the event loop, and waits without a limit."""
        self.asked += 1
        self.reached.set()
        while not self.go_on.is_set():  # noqa: ASYNC110 - threads set it
            await asyncio.sleep(0)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return KuCoinToken(self.outcome)


def ignore(_token: KuCoinToken) -> None:
    """An ``update_token`` that does nothing."""


async def ignore_async(_token: KuCoinToken) -> None:
    """Async twin of :func:`ignore`."""


def ask(refreshes: Refreshes, endpoint: Endpoint, old: str = "old-r") -> KuCoinToken:
    """Refresh a token as a client with an ``update_token`` does."""
    return refreshes.share(ENDPOINT, {"refresh_token": old}, endpoint, ignore)


def outcome_of(ask: Callable[[], Any]) -> Any:
    """Return the result of a call, or the ``KuCoinError`` that it raised."""
    try:
        return ask()
    except KuCoinError as error:
        return error


def wait_for_waiters(refreshes: Refreshes, count: int) -> None:
    """Return when so many callers wait for the only refresh in flight."""
    (flight,) = refreshes._flights.values()
    while len(flight.outcome._waiters) < count:
        time.sleep(0)


def all_at_once(refreshes: Refreshes, endpoint: Endpoint, count: int) -> list[Any]:
    """Refresh in ``count`` threads; return their results and errors.

    The one request is released when all other threads wait for it.
    """
    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(outcome_of, lambda: ask(refreshes, endpoint)) for _ in range(count)]
        assert endpoint.reached.wait(10)
        wait_for_waiters(refreshes, count - 1)
        endpoint.go_on.set()
        return [each.result(10) for each in asked]

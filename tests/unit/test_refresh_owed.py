"""``update_token`` is called for each new pair until one call has returned."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from authlib_kucoin import KuCoinToken, TokenError
from authlib_kucoin._clients.refresh import Refreshes
from tests.unit.refreshing import ENDPOINT, FRESH, OLD, Endpoint

UpdateToken = Callable[[KuCoinToken], Any]
#: Refreshes OLD, with or without an ``update_token``.
Ask = Callable[[UpdateToken | None], KuCoinToken]


@pytest.fixture
def endpoint() -> Endpoint:
    """An endpoint that answers at once."""
    endpoint = Endpoint()
    endpoint.go_on.set()
    return endpoint


@pytest.fixture(params=["thread", "task"])
def ask(request: pytest.FixtureRequest, refreshes: Refreshes, endpoint: Endpoint) -> Ask:
    """Refresh, as a blocking client and as an async one."""

    def in_thread(update_token: UpdateToken | None) -> KuCoinToken:
        return refreshes.share(ENDPOINT, OLD, endpoint, update_token)

    def in_task(update_token: UpdateToken | None) -> KuCoinToken:
        async def awaited(token: KuCoinToken) -> None:
            assert update_token
            update_token(token)

        told = update_token and awaited
        return asyncio.run(refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, told))

    return in_thread if request.param == "thread" else in_task


class Store:
    """An ``update_token`` whose database is down for the first calls."""

    def __init__(self, fails: int = 0, error: BaseException | None = None) -> None:
        self.fails = fails
        self.error = error or OSError("the database is down")
        self.calls: list[Any] = []

    def __call__(self, token: KuCoinToken) -> None:
        self.calls.append(dict(token))
        if len(self.calls) <= self.fails:
            raise self.error


def test_each_caller_tries_until_the_pair_is_stored(ask: Ask, endpoint: Endpoint) -> None:
    """Each failing call raises; after the first successful one there are no more."""
    store = Store(fails=2)
    for _ in range(2):
        with pytest.raises(OSError, match="database"):
            ask(store)
    for _ in range(2):
        assert ask(store) == FRESH
    assert store.calls == [FRESH] * 3
    assert endpoint.asked == 1


def test_a_pair_that_was_stored_at_once_is_not_stored_again(ask: Ask) -> None:
    """A later caller gets the stored pair, and update_token is not called again."""
    store = Store()
    assert ask(store) == ask(store) == FRESH
    assert store.calls == [FRESH]


def test_a_caller_without_update_token_settles_nothing(ask: Ask) -> None:
    """The pair remains owed to callers that can store it."""
    store = Store(fails=1)
    assert ask(None) == FRESH
    with pytest.raises(OSError, match="database"):
        ask(store)
    assert ask(None) == FRESH
    assert ask(store) == FRESH
    assert len(store.calls) == 2


def test_another_update_token_may_store_it(ask: Ask) -> None:
    """The next client may be another one with another function."""
    broken, good = Store(fails=1), Store()
    with pytest.raises(OSError, match="database"):
        ask(broken)
    ask(good)
    ask(broken)
    assert (len(broken.calls), len(good.calls)) == (1, 1)


def test_an_error_of_ours_from_update_token_is_raised_too(ask: Ask) -> None:
    """``update_token`` may itself call this package."""
    store = Store(fails=1, error=TokenError("validation failed"))
    with pytest.raises(TokenError, match="validation"):
        ask(store)
    assert ask(store) == FRESH
    assert len(store.calls) == 2


def test_an_interrupted_call_is_repeated(refreshes: Refreshes, endpoint: Endpoint) -> None:
    """Ctrl-C or a worker's time limit may interrupt ``update_token``."""
    store = Store(fails=2, error=KeyboardInterrupt())
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            refreshes.share(ENDPOINT, OLD, endpoint, store)
    refreshes.share(ENDPOINT, OLD, endpoint, store)
    assert len(store.calls) == 3


def test_threads_call_it_one_at_a_time(refreshes: Refreshes, endpoint: Endpoint) -> None:
    """Of eight latecomers, one calls ``update_token``, and the others do not wait for it."""
    with pytest.raises(OSError, match="database"):
        refreshes.share(ENDPOINT, OLD, endpoint, Store(fails=1))
    entered, leave = threading.Event(), threading.Event()
    calls = []

    def slow(token: KuCoinToken) -> None:
        calls.append(token)
        entered.set()
        assert leave.wait(10)

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(refreshes.share, ENDPOINT, OLD, endpoint, slow)
        assert entered.wait(10)
        rest = [pool.submit(refreshes.share, ENDPOINT, OLD, endpoint, slow) for _ in range(7)]
        assert all(each.result(10) == FRESH for each in rest)
        leave.set()
        assert first.result(10) == FRESH
    assert len(calls) == 1


def test_tasks_call_it_one_at_a_time(refreshes: Refreshes, endpoint: Endpoint) -> None:
    """The same on an event loop; a caller that gives up loses nothing."""
    with pytest.raises(OSError, match="database"):
        refreshes.share(ENDPOINT, OLD, endpoint, Store(fails=1))
    calls = []

    async def slow(token: KuCoinToken) -> None:
        calls.append(token)
        await asyncio.sleep(0.01)
        calls.append("stored")

    async def main() -> None:
        asked = [
            asyncio.create_task(refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, slow))
            for _ in range(8)
        ]
        while not calls:  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0)
        asked[0].cancel()
        await asyncio.wait(asked)

    asyncio.run(main())
    assert calls == [FRESH, "stored"]


def test_each_old_pair_is_replaced_by_the_newest(refreshes: Refreshes) -> None:
    """A database row with the oldest pair can only be found by that pair's refresh token."""
    pairs = [{"access_token": f"a-{n}", "refresh_token": f"r-{n}"} for n in range(3)]
    rows = {"r-0": pairs[0]}

    def refresh(number: int, *, fails: bool = False) -> KuCoinToken:
        def update_token(token: KuCoinToken) -> None:
            if fails:
                raise OSError("the database is down")
            if rows.pop(f"r-{number}", None):
                rows[token["refresh_token"]] = dict(token)

        def perform() -> KuCoinToken:
            return KuCoinToken(pairs[number + 1])

        return refreshes.share(ENDPOINT, pairs[number], perform, update_token)

    with pytest.raises(OSError, match="database"):
        refresh(0, fails=True)
    refresh(1)
    assert refresh(0) == pairs[2]
    assert rows == {"r-2": pairs[2]}

"""One caller after another with the old token calls ``update_token``, until a call succeeds."""

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
    """A fake refresh request that returns at once."""
    endpoint = Endpoint()
    endpoint.go_on.set()
    return endpoint


@pytest.fixture(params=["thread", "task"])
def ask(request: pytest.FixtureRequest, refreshes: Refreshes, endpoint: Endpoint) -> Ask:
    """Return a function that refreshes OLD as a blocking client does, or as an async one does."""

    def in_thread(update_token: UpdateToken | None) -> KuCoinToken:
        return refreshes.share(ENDPOINT, OLD, endpoint, update_token)

    def in_task(update_token: UpdateToken | None) -> KuCoinToken:
        async def awaited(token: KuCoinToken) -> None:
            assert update_token
            update_token(token)

        callback = update_token and awaited
        return asyncio.run(refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, callback))

    return in_thread if request.param == "thread" else in_task


class Store:
    """An ``update_token`` whose first ``fails`` calls raise ``error``."""

    def __init__(self, fails: int = 0, error: BaseException | None = None) -> None:
        self.fails = fails
        self.error = error or OSError("the database is down")
        self.calls: list[Any] = []

    def __call__(self, token: KuCoinToken) -> None:
        self.calls.append(dict(token))
        if len(self.calls) <= self.fails:
            raise self.error


def test_each_caller_tries_until_the_pair_is_stored(ask: Ask, endpoint: Endpoint) -> None:
    """``update_token`` fails twice, succeeds for the third caller, and is not called again."""
    store = Store(fails=2)
    for _ in range(2):
        with pytest.raises(OSError, match="database"):
            ask(store)
    for _ in range(2):
        assert ask(store) == FRESH
    assert store.calls == [FRESH] * 3
    assert endpoint.asked == 1


def test_a_pair_that_was_stored_at_once_is_not_stored_again(ask: Ask) -> None:
    """The second caller gets the same pair, and ``update_token`` is not called again."""
    store = Store()
    assert ask(store) == ask(store) == FRESH
    assert store.calls == [FRESH]


def test_pair_stays_owed_after_a_caller_without_update_token(ask: Ask) -> None:
    """After a caller without ``update_token``, a caller that has one still stores the pair."""
    store = Store(fails=1)
    assert ask(None) == FRESH
    with pytest.raises(OSError, match="database"):
        ask(store)
    assert ask(None) == FRESH
    assert ask(store) == FRESH
    assert len(store.calls) == 2


def test_owed_pair_may_be_stored_by_another_update_token(ask: Ask) -> None:
    """If one caller's ``update_token`` fails, the next caller's own function stores the pair."""
    broken, good = Store(fails=1), Store()
    with pytest.raises(OSError, match="database"):
        ask(broken)
    ask(good)
    ask(broken)
    assert (len(broken.calls), len(good.calls)) == (1, 1)


def test_kucoin_error_from_update_token_is_raised(ask: Ask) -> None:
    """A ``KuCoinError`` from ``update_token`` reaches the caller; the next caller tries again."""
    store = Store(fails=1, error=TokenError("validation failed"))
    with pytest.raises(TokenError, match="validation"):
        ask(store)
    assert ask(store) == FRESH
    assert len(store.calls) == 2


def test_interrupted_update_token_is_called_again(refreshes: Refreshes, endpoint: Endpoint) -> None:
    """If ``KeyboardInterrupt`` ends ``update_token``, the next caller runs the function again."""
    store = Store(fails=2, error=KeyboardInterrupt())
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            refreshes.share(ENDPOINT, OLD, endpoint, store)
    refreshes.share(ENDPOINT, OLD, endpoint, store)
    assert len(store.calls) == 3


def test_threads_call_update_token_one_at_a_time(refreshes: Refreshes, endpoint: Endpoint) -> None:
    """Of eight later callers, one calls ``update_token``; the others get the pair at once."""
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


def test_tasks_call_update_token_one_at_a_time(refreshes: Refreshes, endpoint: Endpoint) -> None:
    """Of eight tasks, one calls ``update_token``; cancelling this task does not stop the call."""
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
        while not calls:  # noqa: ASYNC110 - there is no event to await
            await asyncio.sleep(0)
        asked[0].cancel()
        await asyncio.wait(asked)

    asyncio.run(main())
    assert calls == [FRESH, "stored"]


def test_each_old_pair_is_replaced_by_the_newest(refreshes: Refreshes) -> None:
    """If the first new pair was not stored, a late caller stores the newest pair.

    Its ``update_token`` finds the row to change by the oldest refresh token.
    """
    pairs = [{"access_token": f"a-{n}", "refresh_token": f"r-{n}"} for n in range(3)]
    rows = {"r-0": pairs[0]}  # a table of tokens, by refresh token

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

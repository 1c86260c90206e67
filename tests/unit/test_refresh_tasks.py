"""Tasks that hold the same token share one refresh, with one another and with threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from authlib_kucoin import (
    KuCoinToken,
    KuCoinUnavailable,
    TokenError,
)
from authlib_kucoin._clients import flight as flight_module
from authlib_kucoin._clients import refresh as module
from authlib_kucoin._clients.refresh import Refreshes
from tests.unit.refreshing import (
    ENDPOINT,
    FRESH,
    OLD,
    Endpoint,
    ask,
    ignore,
    ignore_async,
    outcome_of,
)


def test_task_waits_for_a_thread_until_the_deadline_only(
    refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that waits for a thread's refresh raises after ``longest`` and ``_GRACE`` (here 0)."""
    monkeypatch.setattr(flight_module, "_GRACE", 0.0)
    stuck = Endpoint()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(refreshes.share, ENDPOINT, OLD, stuck, longest=0.01)
        assert stuck.reached.wait(10)
        with pytest.raises(KuCoinUnavailable, match="has not ended in time"):
            asyncio.run(refreshes.share_async(ENDPOINT, OLD, stuck.awaited, ignore_async))
        stuck.go_on.set()
        leader.result(10)


def tasks(
    refreshes: Refreshes, endpoint: Endpoint, count: int, update_token: Callable[..., Any]
) -> list[asyncio.Task[KuCoinToken]]:
    """Start several tasks that refresh the same token."""
    return [
        asyncio.create_task(refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, update_token))
        for _ in range(count)
    ]


def test_tasks_share_one_request_and_its_result(refreshes: Refreshes) -> None:
    """50 tasks at once and one after them share one request; each gets its own copy of the pair."""
    endpoint = Endpoint()

    async def main() -> list[KuCoinToken]:
        asked = tasks(refreshes, endpoint, 50, ignore_async)
        await asyncio.sleep(0)
        endpoint.go_on.set()
        early = await asyncio.gather(*asked)
        late = await refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, ignore_async)
        return [*early, late]

    tokens = asyncio.run(main())
    assert endpoint.asked == 1
    assert all(dict(token) == FRESH for token in tokens)
    assert len({id(token) for token in tokens}) == 51


@pytest.mark.parametrize("cancelled", [0, 1, 25])
def test_cancelling_one_task_does_not_affect_others(refreshes: Refreshes, cancelled: int) -> None:
    """If one task is cancelled, even the leader, the others get the pair, and it is stored once."""
    endpoint = Endpoint()
    stored = []

    async def update_token(token: KuCoinToken) -> None:
        stored.append(dict(token))

    async def main() -> list[Any]:
        asked = tasks(refreshes, endpoint, 26, update_token)
        await asyncio.sleep(0)
        asked[cancelled].cancel()
        await asyncio.sleep(0)
        endpoint.go_on.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    outcomes = asyncio.run(main())
    assert isinstance(outcomes.pop(cancelled), asyncio.CancelledError)
    assert all(dict(token) == FRESH for token in outcomes)
    assert endpoint.asked == 1
    assert stored == [FRESH]


def test_tasks_share_one_failure(refreshes: Refreshes) -> None:
    """50 tasks receive the error of one request, each as its own copy."""
    endpoint = Endpoint(TokenError("no", operation="refresh"))
    endpoint.go_on.set()

    async def main() -> list[Any]:
        return await asyncio.gather(
            *(
                refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, ignore_async)
                for _ in range(50)
            ),
            return_exceptions=True,
        )

    errors = asyncio.run(main())
    assert {type(error) for error in errors} == {TokenError}
    assert len({id(error) for error in errors}) == 50
    assert endpoint.asked == 1


def test_update_token_error_is_raised_in_the_leading_task_only(refreshes: Refreshes) -> None:
    """Only the first task raises the error of ``update_token``; the others receive the pair."""
    endpoint = Endpoint()
    endpoint.go_on.set()

    async def update_token(_token: KuCoinToken) -> None:
        raise OSError("the database is down")

    async def main() -> list[Any]:
        return await asyncio.gather(
            *(
                refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, update_token)
                for _ in range(3)
            ),
            return_exceptions=True,
        )

    first, *others = asyncio.run(main())
    assert isinstance(first, OSError)
    assert all(dict(other) == FRESH for other in others)


def test_end_of_the_loop_releases_waiting_threads(refreshes: Refreshes) -> None:
    """When ``asyncio.run`` ends a stuck refresh, a waiting thread gets ``KuCoinUnavailable``."""
    endpoint = Endpoint()
    with ThreadPoolExecutor(1) as pool:

        async def main() -> Any:
            leader = asyncio.create_task(
                refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, ignore_async, longest=0.1)
            )
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            follower = pool.submit(outcome_of, lambda: ask(refreshes, Endpoint()))
            (flight,) = refreshes._flights.values()
            while not flight.outcome._waiters:  # noqa: ASYNC110
                await asyncio.sleep(0)
            leader.cancel()
            return follower

        error = asyncio.run(main()).result(10)
    assert isinstance(error, KuCoinUnavailable)
    assert "was interrupted" in str(error)


def test_blocking_call_does_not_wait_for_its_own_loop(refreshes: Refreshes) -> None:
    """A blocking call raises if a task of this thread's event loop is refreshing the same token."""
    endpoint = Endpoint()

    async def main() -> None:
        task = asyncio.create_task(
            refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, ignore_async)
        )
        await asyncio.sleep(0)
        with pytest.raises(KuCoinUnavailable, match="event loop"):
            ask(refreshes, endpoint)
        endpoint.go_on.set()
        assert await task == FRESH

    asyncio.run(main())


def test_thread_and_task_share_one_request(refreshes: Refreshes) -> None:
    """A thread and a task of one process share one request."""
    endpoint = Endpoint()
    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(ask, refreshes, endpoint)
        assert endpoint.reached.wait(10)

        async def main() -> KuCoinToken:
            task = asyncio.create_task(
                refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, ignore_async)
            )
            await asyncio.sleep(0)
            endpoint.go_on.set()
            return await task

        assert asyncio.run(main()) == thread.result(10) == FRESH
    assert endpoint.asked == 1


def test_forked_child_does_not_wait_for_its_parents_refresh() -> None:
    """A child process sends a request of its own while its parent's refresh is in flight."""
    endpoint = Endpoint()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(
            module.refreshes.share, ENDPOINT, {"refresh_token": "forked"}, endpoint, ignore
        )
        assert endpoint.reached.wait(10)
        child = os.fork()
        if child == 0:  # pragma: no cover - in another process
            quick = Endpoint()
            quick.go_on.set()
            token = module.refreshes.share(ENDPOINT, {"refresh_token": "forked"}, quick, ignore)
            os._exit(0 if token == FRESH and quick.asked == 1 else 1)
        _, status = os.waitpid(child, 0)
        endpoint.go_on.set()
        leader.result(10)
    assert os.waitstatus_to_exitcode(status) == 0

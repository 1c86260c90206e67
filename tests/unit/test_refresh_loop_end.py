"""At its end, ``asyncio.run`` lets a refresh and ``update_token`` go on for a limited time.

Tests of ``asyncio.timeout`` and of ``wait_for_refreshes`` follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from authlib_kucoin import KuCoinToken, KuCoinUnavailable
from authlib_kucoin._clients.refresh import Refreshes
from authlib_kucoin._clients.refresh_task import wait_for_refreshes
from tests.unit.refreshing import ENDPOINT, FRESH, OLD

Work = Coroutine[Any, Any, Any]


class Slow:
    """A request and an ``update_token`` that each sleep for the same time."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds
        self.asked = asyncio.Event()
        self.stored: list[Any] = []

    async def perform(self) -> KuCoinToken:
        self.asked.set()
        await asyncio.sleep(self.seconds)
        return KuCoinToken(FRESH)

    async def update_token(self, token: KuCoinToken) -> None:
        await asyncio.sleep(self.seconds)
        self.stored.append(dict(token))


def give_up(share: Work) -> Work:
    """Wait for the refresh with a time-out that is too short."""
    return asyncio.wait_for(share, 0.001)


async def is_cancelled(share: Work) -> None:
    """Start the refresh in a task, and cancel this task."""
    task = asyncio.create_task(share)
    await asyncio.sleep(0.001)
    task.cancel()


async def fail(share: Work) -> None:
    """Raise an error in ``main`` while the refresh is in flight."""
    task = asyncio.create_task(share)
    await asyncio.sleep(0.001)
    raise LookupError(task)


async def end(share: Work) -> asyncio.Task[Any]:
    """Return from ``main`` while the refresh is in flight."""
    task = asyncio.create_task(share)
    await asyncio.sleep(0.001)
    return task


@pytest.mark.parametrize("leave", [give_up, is_cancelled, fail, end])
def test_pair_is_stored_before_the_loop_ends(
    refreshes: Refreshes, leave: Callable[[Work], Work]
) -> None:
    """In each of these ways to leave a refresh, the pair is stored before ``asyncio.run`` ends."""
    slow = Slow()

    async def main() -> None:
        await leave(
            refreshes.share_async(ENDPOINT, OLD, slow.perform, slow.update_token, longest=10)
        )

    with contextlib.suppress(TimeoutError, LookupError):
        asyncio.run(main())
    assert slow.stored == [FRESH]


@pytest.mark.parametrize("part", ["task", "wait_for", "gather"])
def test_update_token_is_repeated_if_a_task_below_it_is_cancelled(
    refreshes: Refreshes, part: str
) -> None:
    """Even if the loop's end cancels a task inside ``update_token``, the pair is stored."""
    slow, starts = Slow(), []

    async def update_token(token: KuCoinToken) -> None:
        starts.append(token)
        work = slow.update_token(token)
        if part == "task":
            await asyncio.create_task(work)
        elif part == "wait_for":
            await asyncio.wait_for(work, 5)
        else:
            await asyncio.gather(work)

    async def main() -> None:
        asked = refreshes.share_async(ENDPOINT, OLD, slow.perform, update_token, longest=10)
        task = asyncio.create_task(asked)
        while not starts:  # noqa: ASYNC110 - there is no event to await
            await asyncio.sleep(0.001)
        assert not task.done()

    asyncio.run(main())
    assert slow.stored == [FRESH]


def test_loop_waits_for_update_token_until_the_deadline_only(refreshes: Refreshes) -> None:
    """``asyncio.run`` waits ``longest`` seconds for a stuck ``update_token``, and then ends.

    The next caller stores the pair.
    """
    slow = Slow()

    async def stuck(_: KuCoinToken) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                refreshes.share_async(ENDPOINT, OLD, slow.perform, stuck, longest=0.1), 0.05
            )

    began = time.monotonic()
    asyncio.run(main())
    assert 0.1 < time.monotonic() - began < 5
    stored: list[Any] = []
    refreshes.share(ENDPOINT, OLD, lambda: KuCoinToken(FRESH), stored.append)
    assert stored == [FRESH]


def test_asyncio_timeout_interrupts_the_refresh_request(refreshes: Refreshes) -> None:
    """An ``asyncio.timeout`` inside ``perform`` takes effect while the loop runs."""

    async def perform() -> KuCoinToken:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        except TimeoutError:
            raise KuCoinUnavailable("no answer", operation="refresh") from None
        raise AssertionError

    with pytest.raises(KuCoinUnavailable, match="no answer"):
        asyncio.run(refreshes.share_async(ENDPOINT, OLD, perform))


def test_wait_for_refreshes_covers_this_loop_and_this_owner(refreshes: Refreshes) -> None:
    """``wait_for_refreshes`` waits for the refreshes of one owner.

    Without an owner, it waits for all of its event loop except the calling task's.
    """
    mine, theirs = Slow(), Slow(0.3)

    async def main() -> None:
        asked = [
            asyncio.create_task(
                refreshes.share_async(
                    ENDPOINT, {"refresh_token": name}, slow.perform, slow.update_token, owner=name
                )
            )
            for name, slow in (("mine", mine), ("theirs", theirs))
        ]
        await mine.asked.wait()
        await wait_for_refreshes("nobody")
        assert (mine.stored, theirs.stored) == ([], [])
        await wait_for_refreshes("mine")
        assert (mine.stored, theirs.stored) == ([FRESH], [])
        await wait_for_refreshes()
        assert theirs.stored == [FRESH]
        await asyncio.gather(*asked)

        async def update_token(token: KuCoinToken) -> None:
            async with asyncio.timeout(5):  # returns, although this very refresh has not ended
                await wait_for_refreshes()

        await refreshes.share_async(ENDPOINT, OLD, mine.perform, update_token)

    asyncio.run(main())

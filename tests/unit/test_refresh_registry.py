"""The registry of refreshes stays small, and no refresh makes its callers wait for ever."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from authlib_kucoin import (
    AsyncKuCoinOAuth2Client,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    KuCoinToken,
    KuCoinUnavailable,
)
from authlib_kucoin._clients import flight as flight_module
from authlib_kucoin._clients import refresh as module
from authlib_kucoin._clients import refresh_task
from authlib_kucoin._clients.refresh import Refreshes
from tests.support.waiting import wait_until
from tests.unit.refreshing import ENDPOINT, FRESH, OLD, Endpoint, ask, ignore, ignore_async


async def never() -> KuCoinToken:
    """Stands in for a request that never gets an answer."""
    await asyncio.Event().wait()
    raise AssertionError


def leave_in_flight(refreshes: Refreshes, old: str) -> asyncio.AbstractEventLoop:
    """Start a refresh in a new event loop, and stop the loop before the refresh ends."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # otherwise asyncio logs the unfinished task
    asked = refreshes.share_async(ENDPOINT, {"refresh_token": old}, never, ignore_async)
    loop.create_task(asked)._log_destroy_pending = False
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    return loop


@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
def test_flights_of_closed_loops_are_dropped(refreshes: Refreshes) -> None:
    """The next refresh drops the unfinished refreshes of 20 closed loops, with their tasks."""
    before = len(refresh_task._tasks)
    good = Endpoint()
    good.go_on.set()
    ask(refreshes, good, "a young outcome")
    for number in range(20):
        leave_in_flight(refreshes, f"old-{number}").close()
    ask(refreshes, good)
    assert len(refreshes._flights) == 2
    assert len(refreshes._in_flight) == 1
    assert len(refresh_task._tasks) == before
    gc.collect()


def test_refresh_in_a_stopped_loop_is_not_waited_for(refreshes: Refreshes) -> None:
    """If the refresh in flight belongs to a stopped event loop, a caller sends its own request."""
    loop = leave_in_flight(refreshes, "old-r")
    good = Endpoint()
    good.go_on.set()
    assert ask(refreshes, good) == FRESH
    loop.close()
    del loop
    refresh_task.drop_abandoned_tasks()
    gc.collect()


def test_task_cancelled_before_it_starts_releases_waiters(
    refreshes: Refreshes,
) -> None:
    """If a refresh's task is cancelled before its first step, waiters get ``KuCoinUnavailable``."""

    async def main() -> None:
        caller = asyncio.create_task(refreshes.share_async(ENDPOINT, OLD, never, ignore_async))
        before = asyncio.all_tasks()
        await asyncio.sleep(0)
        (leader,) = asyncio.all_tasks() - before
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        (flight,) = refreshes._flights.values()
        assert isinstance(flight.outcome.exception(0), KuCoinUnavailable)

    asyncio.run(main())


def interrupt_at(step: int) -> tuple[Callable[..., Any], list[int]]:
    """Return a profile function that raises KeyboardInterrupt at a step, with its step counter.

    A step is a point in the modules of the refresh where Python may handle a signal: the start of a
    function, or the return of a function written in C.
    """
    steps = [0]
    files = {module.__file__, flight_module.__file__, refresh_task.__file__}

    def profile(frame: Any, event: str, _: object) -> None:
        if frame.f_code.co_filename in files and event in ("call", "c_return"):
            steps[0] += 1
            if steps[0] == step:
                raise KeyboardInterrupt

    return profile, steps


# An interrupt can leave a coroutine that is never awaited, and Python warns about that.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("leader", ["thread", "task"])
def test_interrupt_at_any_step_leaves_no_endless_flight(leader: str) -> None:
    """After an interrupt at any step, the next caller gets the pair, and the pair is stored."""
    previous, interrupts = sys.getprofile(), 0
    for step in range(1, 500):
        refreshes, endpoint, stored = Refreshes(), Endpoint(), []
        endpoint.go_on.set()
        profile, steps = interrupt_at(step)

        async def update_token(token: KuCoinToken, stored: list[Any] = stored) -> None:
            stored.append(token)

        def refresh(
            refreshes: Refreshes = refreshes,
            endpoint: Endpoint = endpoint,
            stored: list[Any] = stored,
        ) -> KuCoinToken:
            if leader == "thread":
                return refreshes.share(ENDPOINT, OLD, endpoint, stored.append)
            awaited = refreshes.share_async(ENDPOINT, OLD, endpoint.awaited, update_token)
            return asyncio.run(awaited)

        sys.setprofile(profile)
        try:
            refresh()
        except KeyboardInterrupt:
            interrupts += 1
        finally:
            sys.setprofile(previous)
        interrupted = steps[0] >= step
        began = time.monotonic()
        assert refresh() == FRESH, step
        assert time.monotonic() - began < 5, step
        assert stored, step
        assert not [flight for flight in refreshes._flights.values() if not flight.has_ended]
        if refreshes._sweeper:
            refreshes._sweeper.cancel()
        if not interrupted:
            break
    gc.collect()  # collects coroutines that were interrupted before they were awaited
    assert 20 < interrupts < 499


def test_idle_process_forgets_the_pair(
    refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ``REMEMBER_SECONDS`` nothing holds the pair, even if no other refresh follows."""
    monkeypatch.setattr(module, "REMEMBER_SECONDS", 0.5)
    monkeypatch.setattr(flight_module, "REMEMBER_SECONDS", 0.5)
    endpoint = Endpoint()
    endpoint.go_on.set()
    ask(refreshes, endpoint)
    (flight,) = refreshes._flights.values()
    pair = weakref.ref(flight.outcome.result())
    del flight
    wait_until(lambda: not refreshes._flights)
    gc.collect()
    assert pair() is None
    assert refreshes._sweeper is None


def test_one_daemon_thread_drops_old_outcomes(refreshes: Refreshes) -> None:
    """20 refreshes start one thread that drops old outcomes; being a daemon, it blocks no exit."""
    endpoint = Endpoint()
    endpoint.go_on.set()
    before = threading.active_count()
    for number in range(20):
        ask(refreshes, endpoint, f"old-{number}")
    assert threading.active_count() == before + 1
    assert refreshes._sweeper
    assert refreshes._sweeper.daemon
    refreshes._sweep()  # what the thread does
    assert len(refreshes._flights) == 20  # too young to be dropped


def test_refresh_succeeds_while_the_process_exits(
    refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refresh succeeds when Python can no longer start the thread that drops old outcomes."""

    def refuse(_: threading.Timer) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Timer, "start", refuse)
    endpoint = Endpoint()
    endpoint.go_on.set()
    assert ask(refreshes, endpoint) == FRESH


@pytest.mark.parametrize("longest", [2.0, 20.0, 60.0])
def test_patience_is_the_remaining_time_of_the_leader(
    refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch, longest: float
) -> None:
    """``patience`` is ``longest`` plus 1 s, less the time since the refresh began; at least 0."""
    stuck = Endpoint()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(refreshes.share, ENDPOINT, OLD, stuck, ignore, longest=longest)
        assert stuck.reached.wait(10)
        (flight,) = refreshes._flights.values()
        began = flight.since
        monkeypatch.setattr(flight_module.time, "monotonic", lambda: began + 1.5)
        assert flight.patience == pytest.approx(longest - 0.5)
        monkeypatch.setattr(flight_module.time, "monotonic", lambda: began + 100)
        assert flight.patience == 0
        stuck.go_on.set()
        leader.result(10)


def test_total_timeout_of_a_client_limits_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each client passes its ``total_timeout`` to the shared refresh as ``longest``."""
    longest = []

    def share(*_: object, longest_: list[float] = longest, **options: Any) -> KuCoinToken:
        longest_.append(options["longest"])
        return KuCoinToken(FRESH)

    async def share_async(*_: object, **options: Any) -> KuCoinToken:
        return share(**options)

    monkeypatch.setattr(module.refreshes, "share", share)
    monkeypatch.setattr(module.refreshes, "share_async", share_async)
    options: dict[str, Any] = {"site": "eu", "token": OLD, "total_timeout": 7}
    KuCoinOAuth2Session("id", **options).refresh_token()
    KuCoinOAuth2Client("id", **options).refresh_token()
    asyncio.run(AsyncKuCoinOAuth2Client("id", **options).refresh_token())
    assert longest == [7.0] * 3

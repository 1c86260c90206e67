"""Threads that hold the same token share one refresh."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from authlib_kucoin import (
    KuCoinToken,
    KuCoinUnavailable,
    ReauthorizationRequired,
    TokenError,
)
from authlib_kucoin._clients import flight as flight_module
from authlib_kucoin._clients import refresh as module
from authlib_kucoin._clients.refresh import Refreshes
from tests.support.waiting import wait_until
from tests.unit.refreshing import (
    ENDPOINT,
    FRESH,
    OLD,
    Endpoint,
    all_at_once,
    ask,
    ignore,
    ignore_async,
    outcome_of,
    wait_for_waiters,
)


def test_threads_share_one_request_and_its_result(refreshes: Refreshes) -> None:
    """25 threads share one request, and each receives its own copy of the token."""
    endpoint = Endpoint()
    tokens = all_at_once(refreshes, endpoint, 25)
    assert endpoint.asked == 1
    assert all(dict(token) == FRESH for token in tokens)
    assert len({id(token) for token in tokens}) == 25


def test_threads_share_one_failure(refreshes: Refreshes) -> None:
    """25 threads share one failed request, and each receives its own copy of the error."""
    endpoint = Endpoint(TokenError("no", operation="refresh", code="7"))
    errors = all_at_once(refreshes, endpoint, 25)
    assert endpoint.asked == 1
    assert {(type(error), error.code) for error in errors} == {(TokenError, "7")}
    assert len({id(error) for error in errors}) == 25


def test_a_latecomer_with_the_old_token_gets_the_new_pair(refreshes: Refreshes) -> None:
    """A second caller with the old token gets the new pair from memory, without a request."""
    endpoint = Endpoint()
    endpoint.go_on.set()
    assert ask(refreshes, endpoint) == ask(refreshes, endpoint) == FRESH
    assert endpoint.asked == 1


def test_other_token_or_endpoint_needs_its_own_refresh(refreshes: Refreshes) -> None:
    """Another refresh token, or another endpoint, needs a request of its own."""
    endpoint = Endpoint()
    endpoint.go_on.set()
    ask(refreshes, endpoint, "old-1")
    ask(refreshes, endpoint, "old-2")
    refreshes.share("https://other.example.com", {"refresh_token": "old-1"}, endpoint, ignore)
    assert endpoint.asked == 3


def test_only_final_failures_are_remembered(refreshes: Refreshes) -> None:
    """``KuCoinUnavailable`` is forgotten at once; ``ReauthorizationRequired`` is remembered."""
    endpoint = Endpoint(KuCoinUnavailable("down", operation="refresh"))
    endpoint.go_on.set()
    for _ in range(2):
        with pytest.raises(KuCoinUnavailable):
            ask(refreshes, endpoint)
    assert endpoint.asked == 2
    endpoint.outcome = ReauthorizationRequired("spent", operation="refresh")
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired):
            ask(refreshes, endpoint)
    assert endpoint.asked == 3


def test_unchanged_refresh_token_can_be_used_again(refreshes: Refreshes) -> None:
    """If the refresh token stays the same, a caller that passes no access token sends a request."""
    endpoint = Endpoint({**FRESH, "refresh_token": "old-r"})
    endpoint.go_on.set()
    ask(refreshes, endpoint)
    ask(refreshes, endpoint)
    assert endpoint.asked == 2


def test_latecomer_is_recognised_by_its_old_access_token(
    refreshes: Refreshes,
) -> None:
    """If the refresh token stays the same, a caller with the old access token gets the new pair."""
    old = {"access_token": "old-a", "refresh_token": "old-r"}
    new = {**FRESH, "refresh_token": "old-r"}
    endpoint = Endpoint(new)
    endpoint.go_on.set()
    for _ in range(2):
        assert refreshes.share(ENDPOINT, old, endpoint, ignore) == new
    assert endpoint.asked == 1
    refreshes.share(ENDPOINT, new, endpoint, ignore)  # a caller with the new pair refreshes it
    assert endpoint.asked == 2


def test_unchanged_pair_is_not_remembered(refreshes: Refreshes) -> None:
    """If KuCoin returns the same pair again, the next caller sends a new request."""
    pair = {"access_token": "old-a", "refresh_token": "old-r"}
    endpoint = Endpoint(pair)
    endpoint.go_on.set()
    for _ in range(2):
        assert refreshes.share(ENDPOINT, pair, endpoint, ignore) == pair
    assert endpoint.asked == 2


def test_token_with_a_lone_surrogate_can_be_refreshed(refreshes: Refreshes) -> None:
    """An old access token with a lone surrogate, which JSON allows, does not prevent a refresh."""
    endpoint = Endpoint()
    endpoint.go_on.set()
    old = {"access_token": "\ud800", "refresh_token": "old-r"}
    assert refreshes.share(ENDPOINT, old, endpoint, ignore) == FRESH


def test_remembered_failure_has_no_traceback(refreshes: Refreshes) -> None:
    """A remembered error has no traceback, which would keep its caller's variables in memory."""
    endpoint = Endpoint(ReauthorizationRequired("spent", operation="refresh"))
    endpoint.go_on.set()
    for _ in range(2):
        assert outcome_of(lambda: ask(refreshes, endpoint)).__traceback__
        (flight,) = refreshes._flights.values()
        remembered = flight.outcome.exception()
        assert isinstance(remembered, ReauthorizationRequired)
        assert remembered.__traceback__ is None
    assert endpoint.asked == 1


def test_outcome_is_forgotten_after_ten_minutes(
    refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After more than ten minutes an outcome is forgotten, and the next caller sends a request."""
    clock = [1000.0]
    monkeypatch.setattr(flight_module.time, "monotonic", lambda: clock[0])
    endpoint = Endpoint()
    endpoint.go_on.set()
    ask(refreshes, endpoint)
    clock[0] += flight_module.REMEMBER_SECONDS
    ask(refreshes, endpoint)
    assert endpoint.asked == 1
    clock[0] += 1
    ask(refreshes, endpoint)
    assert endpoint.asked == 2


def test_number_of_remembered_outcomes_is_bounded(
    refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1,074 outcomes, 1,024 are kept; after ten minutes, the next refresh drops these."""
    endpoint = Endpoint()
    endpoint.go_on.set()
    for number in range(module.REMEMBER_AT_MOST + 50):
        ask(refreshes, endpoint, f"old-{number}")
    assert len(refreshes._flights) == module.REMEMBER_AT_MOST
    later = time.monotonic() + flight_module.REMEMBER_SECONDS + 1
    monkeypatch.setattr(flight_module.time, "monotonic", lambda: later)
    ask(refreshes, endpoint, "another")
    assert len(refreshes._flights) == 1


def test_refresh_in_flight_is_not_evicted(
    refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refresh in flight stays registered, although more outcomes follow than are remembered."""
    monkeypatch.setattr(module, "REMEMBER_AT_MOST", 1)
    slow, quick = Endpoint(), Endpoint()
    quick.go_on.set()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, refreshes, slow)
        assert slow.reached.wait(10)
        for number in range(3):
            ask(refreshes, quick, f"other-{number}")
        second = pool.submit(ask, refreshes, slow)
        slow.go_on.set()
        assert first.result(10) == second.result(10) == FRESH
    assert slow.asked == 1


def test_interrupt_of_the_leader_releases_waiters(refreshes: Refreshes) -> None:
    """If Ctrl-C interrupts the thread that refreshes, a waiter gets ``KuCoinUnavailable``."""
    endpoint = Endpoint(KeyboardInterrupt())
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(ask, refreshes, endpoint)
        assert endpoint.reached.wait(10)
        follower = pool.submit(outcome_of, lambda: ask(refreshes, endpoint))
        wait_for_waiters(refreshes, 1)
        endpoint.go_on.set()
        assert isinstance(leader.exception(10), KeyboardInterrupt)
        assert isinstance(follower.result(10), KuCoinUnavailable)


def test_waiters_give_up_after_the_deadline(
    refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers give up after ``longest`` and ``_GRACE`` (here 0), and send no request.

    Once the stuck refresh is forgotten, the next caller sends a request.
    """
    monkeypatch.setattr(flight_module, "_GRACE", 0.0)
    stuck = Endpoint()
    good = Endpoint()
    good.go_on.set()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(refreshes.share, ENDPOINT, OLD, stuck, longest=0.01)
        assert stuck.reached.wait(10)
        for _ in range(2):
            with pytest.raises(KuCoinUnavailable, match="has not ended in time"):
                ask(refreshes, good)
        assert good.asked == 0
        now = time.monotonic()
        with monkeypatch.context() as patch:
            patch.setattr(time, "monotonic", lambda: now + flight_module.REMEMBER_SECONDS + 1)
            assert ask(refreshes, good) == FRESH
        stuck.go_on.set()
        leader.result(10)


def test_refresh_in_a_closed_loop_is_not_waited_for(
    refreshes: Refreshes,
) -> None:
    """If the refresh in flight belongs to a closed event loop, a caller sends its own request."""
    stuck, good = Endpoint(), Endpoint()
    good.go_on.set()
    loop = asyncio.new_event_loop()
    asked = loop.create_task(refreshes.share_async(ENDPOINT, OLD, stuck.awaited, ignore_async))
    loop.run_until_complete(asyncio.sleep(0.01))
    assert (stuck.asked, asked.done()) == (1, False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop.close()
    assert ask(refreshes, good) == FRESH
    asked._log_destroy_pending = False
    del asked, loop
    gc.collect()


@pytest.mark.parametrize("method", ["set_result", "_end"])
def test_interrupted_publishing_does_not_affect_later_callers(
    refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """If Ctrl-C interrupts the publishing of the outcome, later callers still get the pair."""
    endpoint = Endpoint()
    endpoint.go_on.set()
    owner = Future if method == "set_result" else flight_module.Flight

    def interrupt(*_: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, method, interrupt)
    with pytest.raises(KeyboardInterrupt):
        ask(refreshes, endpoint)
    found = outcome_of(lambda: ask(refreshes, endpoint))
    assert found == FRESH
    assert endpoint.asked == (2 if method == "set_result" else 1)
    assert ask(refreshes, endpoint, "another-r") == FRESH


def test_a_very_late_caller_gets_the_newest_pair(refreshes: Refreshes) -> None:
    """A caller with any of the three old refresh tokens gets the newest pair from memory."""
    pairs = [{"access_token": f"a-{n}", "refresh_token": f"r-{n}"} for n in range(4)]

    def refresh(number: int) -> KuCoinToken:
        return refreshes.share(
            ENDPOINT,
            {"refresh_token": f"r-{number}"},
            lambda: KuCoinToken(pairs[number + 1]),
            ignore,
        )

    for number in range(3):
        assert refresh(number) == pairs[number + 1]
    assert refresh(0) == refresh(1) == refresh(2) == pairs[3]


def test_a_very_late_caller_joins_the_refresh_in_flight(refreshes: Refreshes) -> None:
    """While the second pair is being refreshed, a caller with the first pair joins that refresh."""
    first = Endpoint({"access_token": "a-1", "refresh_token": "r-1"})
    first.go_on.set()
    ask(refreshes, first)
    second = Endpoint({"access_token": "a-2", "refresh_token": "r-2"})
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(refreshes.share, ENDPOINT, {"refresh_token": "r-1"}, second, ignore)
        assert second.reached.wait(10)
        late = pool.submit(ask, refreshes, first)
        (*_, flight) = refreshes._flights.values()
        wait_until(lambda: flight.outcome._waiters)
        second.go_on.set()
        assert late.result(10) == leader.result(10) == second.outcome
    assert (first.asked, second.asked) == (1, 1)

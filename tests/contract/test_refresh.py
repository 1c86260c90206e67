"""Callers that refresh the same token share one request and its outcome."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from authlib_kucoin import ApiKey, KuCoinUnavailable
from authlib_kucoin._clients import refresh as _refresh
from authlib_kucoin.sandbox import Sandbox
from tests.contract.recorder import ANSWERS, REFRESHED, TOKEN, Recorder
from tests.contract.stacks import AsyncStack, NewStack, Stack, everywhere
from tests.support import canary_watch


def number_of_callers(stack: Stack) -> int:
    """Return how many callers to use: fewer threads than tasks, because threads cost more."""
    return 50 if isinstance(stack, AsyncStack) else 25


def waiting() -> int:
    """Return how many callers are waiting for a refresh."""
    flights = list(_refresh.refreshes._flights.values())
    return sum(
        len(flight.outcome._waiters) + len(vars(flight.outcome)["_done_callbacks"])
        for flight in flights
        if not flight.has_ended
    )


@contextmanager
def held_back(recorder: Recorder, count: int) -> Iterator[None]:
    """Hold back the answer until all callers but the first wait for it, but at most 10 s."""

    def let_go() -> None:
        recorder.asked.wait(10)
        until = time.monotonic() + 10
        while waiting() < count - 1 and time.monotonic() < until:
            time.sleep(0.001)
        recorder.go_on.set()

    recorder.go_on.clear()
    thread = Thread(target=let_go)
    thread.start()
    yield
    thread.join()


@everywhere
@pytest.mark.parametrize("held", [True, False])
def test_all_callers_get_the_pair_of_one_refresh(
    held: bool,
    recorder: Recorder,
    new_stack: NewStack,
) -> None:
    """Callers during the refresh and callers after it get the same pair."""
    stack = new_stack(site=recorder.url)
    count = number_of_callers(stack)
    if held:
        with held_back(recorder, count):
            pairs = stack.together(count, "refresh", TOKEN)
    else:
        pairs = stack.together(count, "refresh", TOKEN)
    pairs.append(stack.refresh(TOKEN))
    assert [request.line for request in recorder.requests] == [
        "POST /_oauth/refresh-token HTTP/1.1"
    ]
    new = ANSWERS["/_oauth/refresh-token"]
    assert {pair["access_token"] for pair in pairs} == {new["access_token"]}
    assert {pair["refresh_token"] for pair in pairs} == {new["refresh_token"]}
    # Each caller has a token object of its own. ``update_token`` was called at most once.
    assert len({id(pair) for pair in pairs}) == count + 1
    assert [update.refresh_token for update in stack.updates] == [TOKEN["refresh_token"]][
        : stack.calls_update_token
    ]


@everywhere
def test_all_callers_get_the_error_of_one_refresh(
    recorder: Recorder, new_stack: NewStack, caplog: pytest.LogCaptureFixture
) -> None:
    """All callers raise the error for one HTTP 503; a later call sends another request."""
    recorder.status = 503
    stack = new_stack(site=recorder.url)
    count = number_of_callers(stack)
    with held_back(recorder, count):
        errors = stack.together(count, "refresh", TOKEN)
    assert len(recorder.requests) == 1
    assert {(type(error), error.status) for error in errors} == {(KuCoinUnavailable, 503)}
    assert len({id(error) for error in errors}) == count
    recorder.status = 200
    assert stack.refresh(TOKEN)["access_token"] == REFRESHED["access_token"]
    assert len(recorder.requests) == 2
    assert len(stack.updates) == stack.calls_update_token
    for error in (*errors, *canary_watch._errors):
        error.__traceback__ = None  # a traceback keeps asyncio's futures alive
    gc.collect()  # on collection, asyncio logs the errors that nobody retrieved
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_concurrent_key_requests_share_one_refresh(stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """Ten calls with one expired token send one refresh, and each call gets its own key."""
    old = {**stack.connect(kucoin_sandbox), "expires_at": int(time.time()) - 1}
    keys: list[Any] = stack.together(10, "create_api_key", old)
    assert all(isinstance(key, ApiKey) for key in keys)
    assert {key.api_key for key in keys} == {key.api_key for key in kucoin_sandbox.issued_keys}
    assert kucoin_sandbox.totals["refresh"] == 1
    assert kucoin_sandbox.totals["create_api_key"] == 10
    assert len(stack.updates) == 1


@everywhere
def test_only_the_new_pair_is_valid_at_the_sandbox(stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """All callers get one new pair, which is valid; the old pair is not."""
    old = stack.connect(kucoin_sandbox)
    kucoin_sandbox.fail_next("refresh", "delay:0.05")
    pairs = stack.together(number_of_callers(stack), "refresh", old)
    assert kucoin_sandbox.totals["refresh"] == 1
    assert all(pair == pairs[0] for pair in pairs)
    assert stack.is_alive(pairs[0]) is True
    assert stack.is_alive(old) is False

"""Calls that a time limit or Ctrl-C interrupts, and refreshes without a usable answer."""

from __future__ import annotations

import signal
import socket
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import Any

import pytest

from authlib_kucoin import (
    ApiKeyOutcomeUnknown,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    KuCoinUnavailable,
)
from authlib_kucoin._clients.flight import Flight
from tests.contract.stacks import EVERYWHERE, NewStack, everywhere, outcome_of
from tests.support.waiting import wait_until
from tests.support.wire import Answer, Seen, Wire

TOKEN = {"access_token": "old-access", "refresh_token": "old-refresh"}
#: The rows whose calls block. In other rows, a signal interrupts the event loop, not the call.
BLOCKING = [row for row in EVERYWHERE if row not in ("starlette", "fastapi", "httpx-async")]
CASES = [
    (row, operation)
    for row in BLOCKING
    for operation in ("refresh", "validate")
    if operation in EVERYWHERE[row].verbs
]


class SoftTimeLimitExceeded(Exception):
    """Stands for the error with which Celery or RQ ends a job that takes too long."""


class JobIsLate(TimeoutError):
    """A job queue's own kind of TimeoutError."""


@pytest.fixture
def silent() -> Iterator[Wire]:
    """A server that gives no answer, unless a test sets one."""
    with Wire() as wire:

        def nothing(_seen: Seen) -> Iterator[bytes]:
            wire.ended.wait(60)
            return iter(())

        wire.answer = nothing
        yield wire


@contextmanager
def interrupted_by(
    error: type[BaseException], wire: Wire, within: Callable[..., object] | None = None
) -> Iterator[None]:
    """Make a signal handler raise an error once the server has a request.

    With ``within``, it is raised only while that function runs.
    """

    def handler(_signal: int, frame: FrameType | None) -> None:
        running = [each.f_code for each, _ in traceback.walk_stack(frame)]
        if any(each.co_name in {"_remove", "__del__"} for each in running):
            return  # Python drops an error of these, so wait for the next signal
        if wire.seen and (within is None or within.__code__ in running):
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise error("made up")

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(("row", "operation"), CASES)
@pytest.mark.parametrize(
    "error", [SoftTimeLimitExceeded, TimeoutError, JobIsLate, KeyboardInterrupt]
)
def test_time_limit_error_reaches_the_caller(
    error: type[BaseException], operation: str, new_stack: NewStack, silent: Wire
) -> None:
    """The exception that interrupts a refresh or a validation is raised, with none chained."""
    stack = new_stack(site=silent.url)
    with pytest.raises(error) as raised, interrupted_by(error, silent):
        getattr(stack, operation)(TOKEN)
    assert raised.value.__context__ is None


@pytest.mark.parametrize("row", [row for row, operation in CASES if operation == "refresh"])
@pytest.mark.parametrize("error", [SoftTimeLimitExceeded, TimeoutError])
def test_time_limit_error_reaches_a_waiter(
    error: type[Exception], new_stack: NewStack, silent: Wire
) -> None:
    """A caller that waits for another thread's refresh of the same token can be interrupted."""
    leader, waiter = new_stack(site=silent.url), new_stack(site=silent.url)
    go_on = Event()

    def later(_seen: Seen) -> Answer:
        go_on.wait(60)
        return 502, ""

    silent.answer = later
    with ThreadPoolExecutor(1) as pool:
        lead = pool.submit(lambda: outcome_of(lambda: leader.refresh(TOKEN)))
        wait_until(lambda: bool(silent.seen))
        with pytest.raises(error), interrupted_by(error, silent, within=Flight.wait):
            waiter.refresh(TOKEN)
        go_on.set()
        assert isinstance(lead.result(30), Exception)


@pytest.mark.parametrize("client_class", [KuCoinOAuth2Session, KuCoinOAuth2Client])
def test_time_limit_error_while_connecting_ends_the_call(
    client_class: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a ``TimeoutError`` like a signal handler's, the host's next address is not tried."""
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(2, 1, 6, "", (f"203.0.113.{n}", 9)) for n in (1, 2)],
    )
    tried: list[Any] = []

    def connect(address: Any, *_: Any, **__: Any) -> Any:
        tried.append(address)
        raise TimeoutError("made up")  # in no library, like a signal handler's error

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(TimeoutError, match="made up"):
        client_class("broker", site="http://localhost:9").validate_access_token(TOKEN)
    assert len(tried) == 1


@pytest.mark.parametrize("row", BLOCKING)
@pytest.mark.parametrize("error", [SoftTimeLimitExceeded, TimeoutError])
def test_interrupted_key_request_leaves_outcome_unknown(
    error: type[Exception], new_stack: NewStack, silent: Wire
) -> None:
    """``ApiKeyOutcomeUnknown`` is raised, and its text names the interrupting exception."""
    stack = new_stack(site=silent.url)
    with (
        pytest.raises(ApiKeyOutcomeUnknown, match=error.__name__) as raised,
        interrupted_by(error, silent),
    ):
        stack.create_api_key(TOKEN)
    assert raised.value.retry is False


@pytest.mark.parametrize("row", BLOCKING)
def test_ctrl_c_during_a_key_request_is_keyboard_interrupt(
    new_stack: NewStack, silent: Wire
) -> None:
    """Ctrl-C during a request for a key raises ``KeyboardInterrupt``, although a key may exist."""
    with pytest.raises(KeyboardInterrupt), interrupted_by(KeyboardInterrupt, silent):
        new_stack(site=silent.url).create_api_key(TOKEN)


@everywhere
@pytest.mark.parametrize("answer", [None, (502, ""), (200, "<html>")])
def test_unanswered_refresh_error_says_outcome_is_unknown(
    answer: Any, new_stack: NewStack, silent: Wire
) -> None:
    """Without a usable answer, the error says what to do, and that KuCoin may have refreshed."""
    silent.answer = lambda _seen: answer
    error = outcome_of(lambda: new_stack(site=silent.url).refresh(TOKEN))
    assert str(error).startswith("It is not known whether KuCoin did refresh the token")
    assert str(error).endswith("Try once more. If that is refused, have the user authorize again.")
    assert error.retry is isinstance(error, KuCoinUnavailable)


@everywhere
def test_unsent_refresh_error_says_nothing_was_refreshed(new_stack: NewStack) -> None:
    """If nothing listens at the address, the error says that KuCoin did not refresh the token."""
    error = outcome_of(lambda: new_stack(site="http://127.0.0.1:9").refresh(TOKEN))
    assert str(error).startswith("KuCoin did not refresh the token")
    assert (type(error), error.retry) == (KuCoinUnavailable, True)

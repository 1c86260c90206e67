"""An exception that interrupts a call, such as a worker's time limit or Ctrl-C, is not replaced."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from authlib_kucoin import ApiKeyOutcomeUnknown, KuCoinUnavailable
from tests.contract.stacks import EVERYWHERE, NewStack, everywhere, outcome_of
from tests.support.wire import Seen, Wire

TOKEN = {"access_token": "old-access", "refresh_token": "old-refresh"}
#: In an async row, a signal ends the event loop and not the call.
BLOCKING = [row for row in EVERYWHERE if row not in ("starlette", "fastapi", "httpx-async")]
CASES = [
    (row, operation)
    for row in BLOCKING
    for operation in ("refresh", "validate")
    if operation in EVERYWHERE[row].verbs
]


class SoftTimeLimitExceeded(Exception):
    """Like Celery's; RQ's JobTimeoutException is similar."""


@pytest.fixture
def silent() -> Iterator[Wire]:
    """A server that never answers."""
    with Wire() as wire:

        def nothing(_seen: Seen) -> Iterator[bytes]:
            wire.ended.wait(60)
            return iter(())

        wire.answer = nothing
        yield wire


@contextmanager
def struck_by(error: type[BaseException], wire: Wire) -> Iterator[None]:
    """Make a signal handler raise an error once the server has the request."""

    def handler(*_: object) -> None:
        if wire.seen:
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
@pytest.mark.parametrize("error", [SoftTimeLimitExceeded, TimeoutError, KeyboardInterrupt])
def test_a_time_limit_reaches_the_caller(
    error: type[BaseException], operation: str, new_stack: NewStack, silent: Wire
) -> None:
    """If a job were told to try again, it would run for ever."""
    stack = new_stack(site=silent.url)
    with pytest.raises(error) as raised, struck_by(error, silent):
        getattr(stack, operation)(TOKEN)
    assert raised.value.__context__ is None
    assert "old-" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("row", BLOCKING)
@pytest.mark.parametrize("error", [SoftTimeLimitExceeded, TimeoutError])
def test_a_key_that_may_exist_is_said_to_be_unknown(
    error: type[Exception], new_stack: NewStack, silent: Wire
) -> None:
    """The error names what interrupted it, so that the job can react."""
    stack = new_stack(site=silent.url)
    with (
        pytest.raises(ApiKeyOutcomeUnknown, match=error.__name__) as raised,
        struck_by(error, silent),
    ):
        stack.create_api_key(TOKEN)
    assert raised.value.retry is False


@pytest.mark.parametrize("row", BLOCKING)
def test_ctrl_c_is_ctrl_c_even_then(new_stack: NewStack, silent: Wire) -> None:
    """Whoever presses Ctrl-C wants the program to end."""
    with pytest.raises(KeyboardInterrupt), struck_by(KeyboardInterrupt, silent):
        new_stack(site=silent.url).create_api_key(TOKEN)


@everywhere
@pytest.mark.parametrize("answer", [None, (502, ""), (200, "<html>")])
def test_a_refresh_without_an_answer_may_have_happened(
    answer: Any, new_stack: NewStack, silent: Wire
) -> None:
    """KuCoin may have replaced the pair, so the old one may be dead; the error says what to do."""
    silent.answer = lambda _seen: answer
    error = outcome_of(lambda: new_stack(site=silent.url).refresh(TOKEN))
    assert str(error).startswith("It is not known whether KuCoin did refresh the token")
    assert str(error).endswith("Try once more. If that is refused, have the user authorize again.")
    assert error.retry is isinstance(error, KuCoinUnavailable)


@everywhere
def test_a_refresh_that_was_not_sent_has_not_happened(new_stack: NewStack) -> None:
    """The old pair is still valid."""
    error = outcome_of(lambda: new_stack(site="http://127.0.0.1:9").refresh(TOKEN))
    assert str(error).startswith("KuCoin did not refresh the token")
    assert (type(error), error.retry) == (KuCoinUnavailable, True)

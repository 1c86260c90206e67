"""Calls without an answer. For a key, the error tells whether the request may have been sent."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from authlib_kucoin import ApiKey, ApiKeyOutcomeUnknown, KuCoinUnavailable
from tests.contract.leaks import assert_none_in_error
from tests.contract.recorder import Recorder
from tests.contract.stacks import CLIENTS, EVERYWHERE, NewStack, Stack, everywhere, outcome_of
from tests.support.canaries import canaries

CODE = canaries.new("a code")
TOKEN = {
    "access_token": canaries.new("an access token"),
    "refresh_token": canaries.new("a refresh token"),
}
KEY = ApiKey(
    "broker-1", "key-id", canaries.new("a key's secret"), canaries.new("a key's passphrase")
)
SECRETS = (CODE, *TOKEN.values(), KEY.secret, KEY.passphrase)

CALLS: dict[str, Callable[[Stack], Any]] = {
    "token": lambda stack: stack.finish_with(CODE),
    "refresh": lambda stack: stack.refresh(TOKEN),
    "validate": lambda stack: stack.validate(TOKEN),
    "create_api_key": lambda stack: stack.create_api_key(TOKEN),
    "api_key_info": lambda stack: stack.api_key_info(KEY),
}
# The other rows send calls through the clients, so one call is tried in each of the other rows.
ROWS_AND_CALLS = [(row, call) for row in CLIENTS for call in CALLS]
ROWS_AND_CALLS += [(row, "create_api_key") for row in EVERYWHERE if row not in CLIENTS]

#: A short timeout for clients, in seconds.
HASTY = 0.2


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """A port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.mark.parametrize(
    ("row", "operation"),
    [
        (row, call)
        for row, stack in EVERYWHERE.items()
        for call in CALLS
        if call in {"token", *stack.verbs}
    ],
)
def test_refused_connection_is_unavailable_for_each_call(
    operation: str, closed_port: int, new_stack: NewStack
) -> None:
    """If the connection is refused, each call raises ``KuCoinUnavailable``, even a key request."""
    error = outcome_of(lambda: CALLS[operation](new_stack(site=f"http://127.0.0.1:{closed_port}")))
    assert type(error) is KuCoinUnavailable
    assert (error.operation, error.status, error.retry) == (operation, None, True)
    assert f"127.0.0.1:{closed_port} gave no answer" in str(error)
    assert ": ConnectionRefusedError)" in str(error)
    assert_none_in_error(error, SECRETS)


@pytest.mark.parametrize(("row", "operation"), ROWS_AND_CALLS)
def test_stalled_handshake_is_unavailable_for_each_call(
    operation: str, silent_port: int, new_stack: NewStack
) -> None:
    """If the TLS handshake times out, calls raise ``KuCoinUnavailable``, even a key request."""
    stack = new_stack(site=f"https://127.0.0.1:{silent_port}", timeout=HASTY / 4)
    error = outcome_of(lambda: CALLS[operation](stack))
    assert type(error) is KuCoinUnavailable
    assert (error.operation, error.status, error.retry) == (operation, None, True)
    assert_none_in_error(error, SECRETS)


@everywhere
def test_unanswered_key_request_leaves_outcome_unknown(
    silent_port: int, new_stack: NewStack
) -> None:
    """A key request without an answer raises ``ApiKeyOutcomeUnknown``."""
    stack = new_stack(site=f"http://127.0.0.1:{silent_port}", timeout=HASTY)
    error = outcome_of(lambda: stack.create_api_key(TOKEN))
    assert type(error) is ApiKeyOutcomeUnknown
    assert (error.operation, error.status, error.retry) == ("create_api_key", None, False)
    assert "API management" in str(error)
    assert_none_in_error(error, SECRETS)


@everywhere
def test_closed_idle_connection_is_replaced(recorder: Recorder, new_stack: NewStack) -> None:
    """If the server has closed an idle connection, the next request uses a new one."""
    stack = new_stack(site=recorder.url)
    token = stack.finish_with("code")
    recorder.hang_up()
    assert stack.create_api_key(token).api_key == "key-id"
    assert [request.connection for request in recorder.requests][:2] == [1, 2]

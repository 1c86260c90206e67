"""A table of the errors that faults cause in each call, and the tests of it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from authlib_kucoin import (
    AddressNotAllowed,
    ApiKey,
    ApiKeyError,
    ApiKeyLimitReached,
    ApiKeyNameTaken,
    ApiKeyOutcomeUnknown,
    KuCoinError,
    KuCoinUnavailable,
    MalformedResponse,
    PermissionMismatch,
    ReauthorizationRequired,
    TokenError,
)
from authlib_kucoin.sandbox import PLAIN_FAULTS, Sandbox, SandboxKeywords
from tests.contract.leaks import assert_none_in_error, assert_none_in_log
from tests.contract.recorder import Recorder
from tests.contract.stacks import CLIENTS, EVERYWHERE, NewStack, Stack, everywhere, outcome_of
from tests.support.canaries import canaries

CLIENT_SECRET = canaries.new("a client secret")

OK = None
TOKEN, SPENT = TokenError, ReauthorizationRequired
KEY, NAME, LIMIT, MISMATCH = ApiKeyError, ApiKeyNameTaken, ApiKeyLimitReached, PermissionMismatch
LOST, ADDRESS = ApiKeyOutcomeUnknown, AddressNotAllowed
RETRY, BROKEN = KuCoinUnavailable, MalformedResponse

OPERATIONS = ("token", "refresh", "validate", "create_api_key", "api_key_info")
FULL = "envelope:2:The number of user's apiKey reaches to the maximum level"
SLOW = "delay:3600"

# fmt: off
TABLE: dict[str, tuple[int | None, *tuple[type[KuCoinError] | None, ...]]] = {
    # fault                          status  token   refresh validate create_api_key api_key_info
    # Success.
    "set_cookie":                    (200,   OK,     OK,     OK,      OK,            OK),
    "delay:0.01":                    (200,   OK,     OK,     OK,      OK,            OK),
    # KuCoin refuses.
    "envelope:1:no":                 (200,   TOKEN,  TOKEN,  TOKEN,   KEY,           KEY),
    "envelope:200:ok":               (200,   TOKEN,  TOKEN,  TOKEN,   KEY,           KEY),
    "envelope:1:Repeated apiName":   (200,   TOKEN,  TOKEN,  TOKEN,   NAME,          KEY),
    FULL:                            (200,   TOKEN,  TOKEN,  TOKEN,   LIMIT,         KEY),
    "envelope:40503:risk":           (200,   TOKEN,  TOKEN,  TOKEN,   MISMATCH,      KEY),
    "envelope:400006:wrong ip":      (200,   TOKEN,  TOKEN,  TOKEN,   KEY,           ADDRESS),
    "oauth:invalid_grant":           (400,   TOKEN,  SPENT,  TOKEN,   KEY,           KEY),
    "oauth:invalid_client":          (400,   TOKEN,  TOKEN,  TOKEN,   KEY,           KEY),
    "echo":                          (200,   TOKEN,  TOKEN,  TOKEN,   KEY,           KEY),
    "400":                           (400,   TOKEN,  TOKEN,  TOKEN,   KEY,           KEY),
    "401":                           (401,   TOKEN,  TOKEN,  TOKEN,   KEY,           KEY),
    "403":                           (403,   TOKEN,  TOKEN,  TOKEN,   KEY,           KEY),
    "404":                           (404,   TOKEN,  TOKEN,  TOKEN,   KEY,           KEY),
    # KuCoin asks to wait.
    "429":                           (429,   RETRY,  RETRY,  RETRY,   RETRY,         RETRY),
    "envelope:429000:wait":          (200,   RETRY,  RETRY,  RETRY,   RETRY,         RETRY),
    # KuCoin or the connection fails.
    "500":                           (500,   RETRY,  RETRY,  RETRY,   LOST,          RETRY),
    "502":                           (502,   RETRY,  RETRY,  RETRY,   LOST,          RETRY),
    "503":                           (503,   RETRY,  RETRY,  RETRY,   LOST,          RETRY),
    "599":                           (599,   RETRY,  RETRY,  RETRY,   LOST,          RETRY),
    "reset_before":                  (None,  RETRY,  RETRY,  RETRY,   LOST,          RETRY),
    "reset_after":                   (None,  RETRY,  RETRY,  RETRY,   LOST,          RETRY),
    "lost":                          (None,  RETRY,  RETRY,  RETRY,   LOST,          RETRY),
    "cut":                           (None,  RETRY,  RETRY,  RETRY,   LOST,          RETRY),
    SLOW:                            (None,  RETRY,  RETRY,  RETRY,   LOST,          RETRY),
    # The answer is not KuCoin's, or not as documented.
    "html":                          (200,   BROKEN, BROKEN, BROKEN,  LOST,          BROKEN),
    "empty":                         (200,   BROKEN, BROKEN, BROKEN,  LOST,          BROKEN),
    "truncated":                     (200,   BROKEN, BROKEN, BROKEN,  LOST,          BROKEN),
    "wrong_shape":                   (200,   BROKEN, BROKEN, BROKEN,  LOST,          BROKEN),
    "deep_json":                     (200,   BROKEN, BROKEN, BROKEN,  LOST,          BROKEN),
    "redirect":                      (302,   BROKEN, BROKEN, BROKEN,  LOST,          BROKEN),
}
# fmt: on

#: Faults in which the sandbox carries out the request, even if its answer is lost or damaged.
DONE = ("set_cookie", "delay:0.01", "reset_after", "lost", "cut", "truncated", SLOW)
#: The faults that are tried in frameworks and in the social backend, whose calls a client sends. In
#: the clients, all faults are tried.
IN_FRAMEWORKS = ("set_cookie", "oauth:invalid_grant", "echo", "429", "500", "lost", "html")

CASES = [
    (row, operation, fault)
    for row, stack in EVERYWHERE.items()
    for operation in OPERATIONS
    for fault in TABLE
    if operation in {"token", *stack.verbs} and (row in CLIENTS or fault in IN_FRAMEWORKS)
]


@pytest.fixture
def kucoin_sandbox_options() -> SandboxKeywords:
    """Make the sandbox require a client secret, so that one could leak."""
    return {"client_secret": CLIENT_SECRET}


class PreparedCall(NamedTuple):
    """A call that is about to be made.

    Attributes:
        make: Makes the call.
        stack: The stack that makes it.
        token: The token of the login before the call; None if the call is the exchange of a code.
        secrets: The secrets that neither an error nor the log may show.
    """

    make: Callable[[], Any]
    stack: Stack
    token: Mapping[str, Any] | None
    secrets: list[str]


def prepare(operation: str, sandbox: Sandbox, new_stack: NewStack, timeout: float) -> PreparedCall:
    """Make the requests before a call, with the default timeout; return the call, not yet made.

    ``timeout`` applies to the call itself. It is 10, the default, or below 1.
    """
    settings = {"site": sandbox.url, "client_secret": CLIENT_SECRET}
    secrets = [CLIENT_SECRET]
    if operation == "token":
        stack = new_stack(**settings, timeout=timeout)
        back = sandbox.approve(stack.login())
        return PreparedCall(
            lambda: stack.finish(back), stack, None, [*secrets, back.fields["code"]]
        )
    patient = new_stack(**settings)
    token = patient.connect(sandbox)
    secrets += [token["access_token"], token["refresh_token"]]
    argument: Any = token
    if operation == "api_key_info":
        argument = patient.create_api_key(token)
        secrets += [argument.secret, argument.passphrase]
    stack = new_stack(**settings, timeout=timeout) if timeout < 1 else patient
    return PreparedCall(lambda: getattr(stack, operation)(argument), stack, token, secrets)


@pytest.mark.parametrize(("row", "operation", "fault"), CASES)
def test_each_fault_raises_its_error_and_keeps_the_token(
    operation: str,
    fault: str,
    kucoin_sandbox: Sandbox,
    new_stack: NewStack,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The operation is requested once, and the call succeeds or raises as the table says.

    The call does not change the old token, and neither the error nor the log shows a secret.
    """
    status, *kinds = TABLE[fault]
    kind = kinds[OPERATIONS.index(operation)]
    prepared = prepare(operation, kucoin_sandbox, new_stack, 0.2 if fault == SLOW else 10)
    token_before = dict(prepared.token or {})

    caplog.set_level(logging.DEBUG)
    kucoin_sandbox.fail_next(operation, fault)
    outcome = outcome_of(prepared.make)

    assert kucoin_sandbox.totals[operation] == 1
    assert "unknown" not in kucoin_sandbox.totals  # the redirect was not followed
    if kind is OK:
        assert not isinstance(outcome, KuCoinError)
    else:
        assert type(outcome) is kind
        assert (outcome.operation, outcome.status) == (operation, status)
        assert outcome.retry is (kind is RETRY)
        assert_none_in_error(outcome, prepared.secrets)
    assert_none_in_log(caplog.records, prepared.secrets)
    # The old pair is unchanged. Only a refresh that succeeds calls ``update_token``. If an exchange
    # or a refresh fails, a client keeps the token that it holds.
    assert dict(prepared.token or {}) == token_before
    assert len(prepared.stack.updates) == (
        kind is OK and operation == "refresh" and prepared.stack.calls_update_token
    )
    if prepared.stack.keeps_token and operation in ("token", "refresh") and kind is not OK:
        assert prepared.stack.held == prepared.token
    # Each key that the sandbox created is either returned, or the error says to look for it.
    if operation == "create_api_key":
        assert len(kucoin_sandbox.issued_keys) == (fault in DONE)
        assert fault not in DONE or isinstance(outcome, ApiKey | LOST)
    # The next call works. The old token is still valid, unless the sandbox has refreshed it.
    if prepared.token:
        assert prepared.stack.is_alive(prepared.token) is not (
            operation == "refresh" and fault in DONE
        )


@everywhere
def test_http_429_with_a_good_body_is_unavailable(recorder: Recorder, new_stack: NewStack) -> None:
    """HTTP 429 with a key in the body raises ``KuCoinUnavailable``; the request is sent once."""
    recorder.status = 429
    stack = new_stack(site=recorder.url)
    error = outcome_of(lambda: stack.create_api_key({"access_token": "access"}))
    assert (type(error), error.status, error.retry) == (KuCoinUnavailable, 429, True)
    assert len(recorder.requests) == 1


def test_the_table_has_every_plain_fault() -> None:
    """The table has each plain fault, a delay, an envelope and an OAuth error."""
    written = {fault.partition(":")[0] for fault in TABLE}
    assert written >= {*PLAIN_FAULTS, "delay", "envelope", "oauth"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_error_keeps_kucoins_message_and_masks_secrets(
    operation: str, kucoin_sandbox: Sandbox, new_stack: NewStack
) -> None:
    """The error has the answer's code and message; each secret in the message is masked."""
    prepared = prepare(operation, kucoin_sandbox, new_stack, 10)
    kucoin_sandbox.fail_next(operation, "echo")
    error = outcome_of(prepared.make)
    assert error.code == "sandbox.echo"
    assert re.fullmatch(r"refused; you sent( \*\*\*)+", error.msg)
    assert f"(code sandbox.echo: {error.msg})" in str(error)


@everywhere
@pytest.mark.parametrize("fault", ["429:30", "503:7"])
def test_error_has_retry_after(fault: str, new_stack: NewStack, kucoin_sandbox: Sandbox) -> None:
    """``retry_after`` is the number of seconds in the answer's ``Retry-After``."""
    stack = new_stack(site=kucoin_sandbox.url, client_secret=CLIENT_SECRET)
    token = stack.connect(kucoin_sandbox)
    kucoin_sandbox.fail_next("create_api_key", fault)
    with pytest.raises(KuCoinError) as caught:
        stack.create_api_key(token)
    assert caught.value.retry_after == int(fault.partition(":")[2])

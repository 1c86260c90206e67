"""Which callbacks are refused, and how many unfinished logins a session keeps."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from authlib.integrations.base_client import MismatchingStateError, OAuthError
from authlib.oauth2.rfc6749 import MismatchingStateException
from authlib.oauth2.rfc6749.errors import MissingCodeException

from authlib_kucoin import AuthorizationDenied
from authlib_kucoin.sandbox import Sandbox, run_sandbox
from tests.contract.stacks import (
    FRAMEWORKS,
    REDIRECT_URI,
    WITH_SESSIONS,
    NewStack,
    Stack,
    everywhere,
)

Pairs = list[tuple[str, str]]

#: Maps what is wrong with a callback to the function that makes the callback's parameters from a
#: valid code and a valid state.
REFUSED: dict[str, Callable[[str, str], Pairs]] = {
    "success is false": lambda _, state: [
        ("success", "false"),
        ("code", "40001"),
        ("state", state),
    ],
    "success is empty": lambda _, state: [("success", ""), ("code", "40001"), ("state", state)],
    "success comes last": lambda _, state: [
        ("code", "40001"),
        ("state", state),
        ("success", "False"),
    ],
    "an OAuth error": lambda code, state: [
        ("error", "access_denied"),
        ("code", code),
        ("state", state),
    ],
    "no code": lambda _, state: [("success", "true"), ("state", state)],
    "an empty code": lambda _, state: [("code", ""), ("state", state)],
    "a code of two lines": lambda code, state: [("code", f"{code}\r\nX: y"), ("state", state)],
    "a code without end": lambda code, state: [("code", code * 1000), ("state", state)],
    "two codes": lambda code, state: [("code", code), ("code", "other"), ("state", state)],
    "the same code twice": lambda code, state: [("code", code), ("code", code), ("state", state)],
    "two states": lambda code, state: [("code", code), ("state", state), ("state", "other")],
    "two of anything": lambda code, state: [
        ("code", code),
        ("state", state),
        ("success", "true"),
        ("success", "false"),
    ],
}
WITHOUT_CODE = {"no code", "an empty code", "a code of two lines", "a code without end"}
FOREIGN: dict[str, Callable[[str, str], Pairs]] = {
    "no state": lambda code, _: [("code", code)],
    "an empty state": lambda code, _: [("code", code), ("state", "")],
    "another state": lambda code, _: [("code", code), ("state", "other")],
    "half the state": lambda code, state: [("code", code), ("state", state[:-1])],
    "the state in capitals": lambda code, state: [("code", code), ("state", state.swapcase())],
    "only a refusal": lambda _, __: [("success", "false"), ("code", "40001")],
}


@everywhere
@pytest.mark.parametrize("name", [*REFUSED, *FOREIGN])
def test_invalid_callback_is_refused(name: str, stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """Each callback in ``REFUSED`` or ``FOREIGN`` raises an error, and no token is requested.

    The error is an ``OAuthError`` of Authlib. For ``FOREIGN`` it is also of Authlib's classes for a
    wrong state, and for ``WITHOUT_CODE`` of Authlib's class for a missing code.
    """
    given = kucoin_sandbox.approve(stack.login()).fields
    pairs = (REFUSED | FOREIGN)[name](given["code"], given["state"])
    with pytest.raises(AuthorizationDenied) as caught:
        stack.finish(f"{REDIRECT_URI}&{urlencode(pairs)}")
    assert isinstance(caught.value, OAuthError)
    assert isinstance(caught.value, MismatchingStateError) is (name in FOREIGN)
    assert isinstance(caught.value, MismatchingStateException) is (name in FOREIGN)
    assert isinstance(caught.value, MissingCodeException) is (name in WITHOUT_CODE)
    assert caught.value.operation == "callback"
    assert given["code"] not in str(caught.value)
    assert "token" not in kucoin_sandbox.totals


@everywhere
@pytest.mark.parametrize("callback", ["plain", "envelope", "form_post"])
def test_cancelled_login_is_denied(callback: str, new_stack: NewStack) -> None:
    """A cancelled login raises an error with the callback's error code; no token is requested."""
    with run_sandbox(callback=callback) as sandbox:  # type: ignore[arg-type]  # one of its choices
        stack = new_stack(site=sandbox.url)
        back = sandbox.cancel(stack.login())
        with pytest.raises(AuthorizationDenied) as caught:
            stack.come_back(back)
        assert "token" not in sandbox.totals
    error = caught.value
    assert (error.operation, error.code) == ("callback", "sandbox.user_cancelled")
    assert error.msg == "The user cancelled the authorization."
    assert (error.retry, error.status) == (False, None)


@pytest.mark.parametrize("row", WITH_SESSIONS)
def test_a_state_works_once(stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """A callback that is opened a second time is refused, and no second exchange is sent."""
    back = kucoin_sandbox.approve(stack.login())
    stack.finish(back)
    with pytest.raises(MismatchingStateError):
        stack.finish(back)
    assert kucoin_sandbox.totals["token"] == 1


@pytest.mark.parametrize("row", WITH_SESSIONS)
def test_refused_callback_consumes_its_state(stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """After a refusal, a callback with the same state and a valid code is refused."""
    back = kucoin_sandbox.approve(stack.login())
    refusal = urlencode({"success": "false", "state": back.fields["state"]})
    with pytest.raises(AuthorizationDenied, match="refused"):
        stack.finish(f"{REDIRECT_URI}&{refusal}")
    with pytest.raises(MismatchingStateError):
        stack.finish(back)
    assert "token" not in kucoin_sandbox.totals


@everywhere
def test_state_is_bound_to_the_browser(stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """No browser can finish a login that another browser began (login CSRF)."""
    back = kucoin_sandbox.approve(stack.login("attacker"))
    stack.login("victim")
    for user in ("victim", "stranger"):
        with pytest.raises(MismatchingStateError):
            stack.finish(back, user)
    assert "token" not in kucoin_sandbox.totals
    assert stack.finish(back, "attacker")["access_token"]


@pytest.mark.parametrize("row", WITH_SESSIONS)
def test_five_concurrent_logins_can_all_finish(stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """One browser can begin five logins and then finish them in another order."""
    backs = [kucoin_sandbox.approve(stack.login()) for _ in range(5)]
    for back in (backs[2], *backs[:2], *reversed(backs[3:])):
        assert stack.finish(back)["access_token"]
    assert kucoin_sandbox.totals["token"] == 5


@pytest.mark.parametrize("row", WITH_SESSIONS)
def test_abandoned_logins_do_not_fill_the_session(stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """Of 81 logins, the sixth from the end is forgotten, and the last five can be finished.

    When all 81 have begun, the session is below 2,500 bytes.
    """
    urls = [stack.login() for _ in range(81)]
    assert stack.session_size() < 2500
    backs = [kucoin_sandbox.approve(url) for url in urls]
    with pytest.raises(MismatchingStateError):
        stack.finish(backs[-6])
    for back in backs[-5:]:
        assert stack.finish(back)["access_token"]


@pytest.mark.parametrize("row", FRAMEWORKS)
@pytest.mark.parametrize(
    ("query", "fields", "says"),
    [
        ("&code=other", ("code", "state"), "a parameter twice"),
        ("&state=other", ("code", "state"), "a parameter twice"),
        ("&success=true", ("code", "state", "success"), "a parameter twice"),
        ("", ("code",), "no state"),
        ("", ("state",), "no authorization code"),
        ("", (), "no state"),
    ],
)
def test_invalid_form_callback_is_refused(
    query: str, fields: tuple[str, ...], says: str, stack: Stack, kucoin_sandbox: Sandbox
) -> None:
    """A form is refused if code or state is missing, or if a parameter is in the query as well."""
    given = {"success": "true", **kucoin_sandbox.approve(stack.login()).fields}
    with pytest.raises(AuthorizationDenied, match=says):
        stack.finish_by_post(f"{REDIRECT_URI}{query}", {name: given[name] for name in fields})
    assert "token" not in kucoin_sandbox.totals

"""All frameworks and clients give the same results, from the login to the key."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from authlib_kucoin import (
    ApiKey,
    ApiKeyInfo,
    AuthorizationDenied,
    KuCoinUnavailable,
    TokenError,
)
from authlib_kucoin.sandbox import CallbackMode, Sandbox, run_sandbox
from tests.contract.stacks import CLIENTS, NewStack, Stack, Update, everywhere

SCOPE = "OAUTH_CREATE_API"


@pytest.mark.parametrize("callback", ["plain", "envelope", "form_post"])
def test_login_key_and_key_info_work_for_each_callback_form(
    callback: CallbackMode, new_stack: NewStack
) -> None:
    """For each form of callback: log in, create a key with the token, and read the key's info."""
    with run_sandbox(callback=callback, ip_whitelist=["127.0.0.1"]) as sandbox:
        stack = new_stack(site=sandbox.url)
        token = stack.come_back(sandbox.approve(stack.login()))
        key = stack.create_api_key(token)
        info = stack.api_key_info(key)
        (issued,) = sandbox.issued_keys
    assert key == ApiKey(
        api_name="Example Broker-1",
        api_key=issued.api_key,
        secret=issued.secret,
        passphrase=issued.passphrase,
        broker_id="sandbox-broker",
        permissions=frozenset({"API_COMMON", "API_SPOT", "API_EARN", "API_TRANSFER", "API_MARGIN"}),
        ip_whitelist=("127.0.0.1",),
    )
    assert info == ApiKeyInfo(
        uid="165111215",
        permissions=frozenset({"General", "Spot", "Earn", "InnerTransfer", "Margin"}),
        ip_whitelist=("127.0.0.1",),
        is_master=True,
        created_at=info.created_at,
        api_version=3,
        remark="Example Broker-1",
        api_key=issued.api_key,
    )
    assert info.created_at is not None
    assert abs(datetime.now(UTC) - info.created_at).total_seconds() < 60
    assert stack.updates == []


@everywhere
def test_token_has_text_scope_and_integer_expiry_times(
    stack: Stack, kucoin_sandbox: Sandbox
) -> None:
    """Scope is text; expiry times are ints, by the lifetimes of document section 6.3."""
    before = int(time.time())
    token = stack.connect(kucoin_sandbox)
    after = int(time.time())
    assert set(token) == {
        *("access_token", "token_type", "refresh_token", "scope"),
        *("expires_in", "expires_at", "refresh_expires_at"),
    }
    assert (token["token_type"], token["scope"], token["expires_in"]) == ("bearer", SCOPE, 3600)
    assert type(token["expires_at"]) is type(token["refresh_expires_at"]) is int
    assert before <= token["expires_at"] - 3600 <= after
    assert before <= token["refresh_expires_at"] - 3 * 24 * 3600 <= after
    assert token["access_token"] not in repr(token)
    assert token["refresh_token"] not in repr(token)


@everywhere
def test_refresh_replaces_the_pair(stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """After a refresh, the new pair is valid and the old one is not.

    Frameworks and clients call ``update_token`` once, with the new pair. The social backend has
    no ``update_token``.
    """
    old = stack.connect(kucoin_sandbox)
    assert stack.is_alive(old) is True
    new = stack.refresh(old)
    assert set(new) == set(old)
    assert new["access_token"] != old["access_token"]
    assert new["refresh_token"] != old["refresh_token"]
    assert new["scope"] == SCOPE
    assert stack.is_alive(new) is True
    assert stack.is_alive(old) is False
    assert stack.updates == [Update(new, old["refresh_token"])][: stack.calls_update_token]


@everywhere
def test_tokens_of_two_users_are_independent(stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """Two users' logins overlap; a refresh of one user's token leaves the other's valid."""
    alice, bob = stack.login("alice"), stack.login("bob")
    of_bob = stack.finish(kucoin_sandbox.approve(bob), "bob")
    of_alice = stack.finish(kucoin_sandbox.approve(alice), "alice")
    assert of_alice["access_token"] != of_bob["access_token"]
    stack.refresh(of_bob)
    assert stack.is_alive(of_alice) is True


def expired(token: dict[str, object]) -> dict[str, object]:
    """Return the token with an expiry time in the past."""
    return {**token, "expires_at": int(time.time()) - 1}


def test_expired_token_is_refreshed_before_the_key_request(
    stack: Stack, kucoin_sandbox: Sandbox
) -> None:
    """``create_api_key`` refreshes an expired token first, and calls ``update_token`` once.

    The dict that the caller passed is unchanged.
    """
    old = expired(stack.connect(kucoin_sandbox))
    before = dict(old)
    kucoin_sandbox.advance(3600)
    key = stack.create_api_key(old)
    assert key.api_key == kucoin_sandbox.issued_keys[0].api_key
    ((new, refresh_token),) = stack.updates
    assert refresh_token == old["refresh_token"]
    assert stack.is_alive(new) is True
    assert stack.is_alive(old) is False
    assert old == before
    calls = [request.operation for request in kucoin_sandbox.requests]
    assert calls[3:5] == ["refresh", "create_api_key"]


def test_no_key_request_follows_a_failed_refresh(stack: Stack, kucoin_sandbox: Sandbox) -> None:
    """``create_api_key`` raises the refresh's error and sends no request for a key."""
    old = expired(stack.connect(kucoin_sandbox))
    kucoin_sandbox.fail_next("refresh", "503")
    with pytest.raises(KuCoinUnavailable) as caught:
        stack.create_api_key(old)
    assert caught.value.operation == "refresh"
    assert "create_api_key" not in kucoin_sandbox.totals
    assert stack.updates == []


@pytest.mark.parametrize("row", CLIENTS)
def test_automatic_refresh_replaces_the_clients_token(
    stack: Stack, kucoin_sandbox: Sandbox
) -> None:
    """After ``create_api_key`` has refreshed the client's token, the client holds the new pair."""
    stack.connect(kucoin_sandbox)
    assert stack.held is not None
    stack.held["expires_at"] = int(time.time()) - 1  # type: ignore[index]
    stack.create_api_key(None)
    ((new, _),) = stack.updates
    assert stack.held == new


@pytest.mark.parametrize("row", CLIENTS)
@pytest.mark.parametrize("empty", [{}, ""])
def test_empty_token_does_not_fall_back_to_the_clients_token(
    empty: Any, kucoin_sandbox: Sandbox, new_stack: NewStack
) -> None:
    """With an empty token, a call does not use the token that the client holds.

    Key request and validation raise, and ``ensure_active_token`` does nothing.
    """
    stack: Any = new_stack(site=kucoin_sandbox.url)
    stack.connect(kucoin_sandbox)
    stack.held["expires_at"] = 1  # so that ensure_active_token would refresh it
    for call in (stack.client.create_api_key, stack.client.validate_access_token):
        with pytest.raises(TokenError):
            stack.settle(call(empty))
    stack.settle(stack.client.ensure_active_token(empty))
    assert set(kucoin_sandbox.totals) == {"authorize", "decision", "token"}


@pytest.mark.parametrize("row", CLIENTS)
@pytest.mark.parametrize(
    "odd",
    [
        {"expires_in": "soon"},
        {"expires_at": [1]},
        {"expires_at": 1e999},
        {"expires_at": True},
        {"expires_at": "2026-11-25T12:00:00Z", "expires_in": 3600},
        {"refresh_expires_at": "soon"},
    ],
)
def test_token_with_an_invalid_expiry_time_is_a_token_error(
    odd: dict[str, Any], kucoin_sandbox: Sandbox, new_stack: NewStack
) -> None:
    """If a time in the given token is no number of seconds, a ``TokenError`` is raised."""
    with pytest.raises(TokenError, match=r"expires_(in|at) is not a number"):
        new_stack(site=kucoin_sandbox.url).create_api_key({"access_token": "a", **odd})


@pytest.mark.parametrize("row", CLIENTS)
def test_unparsable_callback_url_is_denied(kucoin_sandbox: Sandbox, new_stack: NewStack) -> None:
    """A callback URL that Python cannot parse raises ``AuthorizationDenied``."""
    with pytest.raises(AuthorizationDenied, match="cannot be read"):
        new_stack(site=kucoin_sandbox.url).finish("https://[x/callback?code=c&state=s")

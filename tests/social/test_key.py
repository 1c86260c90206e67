"""Tests of ``API_KEY_STEP``, which gets a new key at once, and of what is stored and logged."""

import json
import logging
import re
import traceback

import pytest
from social_core.exceptions import (
    AuthAssociationError,
    AuthConfigurationError,
    AuthException,
    AuthProviderError,
)
from social_core.pipeline import DEFAULT_AUTH_PIPELINE

from authlib_kucoin.sandbox import Sandbox
from tests.social.host import REFRESHABLE, UID, Host
from tests.social.memory import Social, User, approved, kept

# --- what is stored and logged --------------------------------------------------------------------


def test_no_token_is_stored_by_default(host: Host) -> None:
    """By default no token is stored, although social-core's own OAuth backends store one."""
    host.come_back()
    assert set(Social.rows[0].extra_data) == {"auth_time"}


def test_extra_data_never_yields_the_keys_secret(kucoin_sandbox: Sandbox) -> None:
    """``EXTRA_DATA`` may use each of social-core's forms; none yields secret or passphrase."""
    entries = [
        "uid",
        ("expires_at", "expires_on"),
        ["ip_whitelist"],
        ("sub_name", "sub", True),
        "secret",
        "passphrase",
        *("api_key", "api_name", "permissions", "is_master", "scope", "refresh_expires_at"),
    ]
    Host(kucoin_sandbox, EXTRA_DATA=entries).come_back()
    extra = Social.rows[0].extra_data
    [(_, key)] = kept
    assert extra["secret"] is extra["passphrase"] is None
    assert extra["uid"] == UID
    assert extra["api_key"] == key.api_key
    assert extra["api_name"] == key.api_name
    assert "Spot" in extra["permissions"]
    # social-core sets auth_time a little after our expires_at, possibly in the next second
    assert 0 <= extra["auth_time"] + 3600 - extra["expires_on"] <= 10
    assert extra["refresh_expires_at"] - extra["expires_on"] == 3 * 24 * 3600 - 3600
    assert extra["scope"] == "OAUTH_CREATE_API"
    assert extra["is_master"] is True
    assert extra["ip_whitelist"] == []
    assert "sub" not in extra


def test_get_all_extra_data_stores_no_token(kucoin_sandbox: Sandbox) -> None:
    """`GET_ALL_EXTRA_DATA`, which may be set for other backends, stores the uid and no token."""
    Host(kucoin_sandbox, GET_ALL_EXTRA_DATA=True).come_back()
    extra = Social.rows[0].extra_data
    assert extra["uid"] == UID
    assert extra["access_token"] is None
    assert "refresh_token" not in extra


def test_logs_and_errors_show_no_secret(
    kucoin_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the log nor an error shows a secret, after a success or after a failure."""
    caplog.set_level(logging.DEBUG)
    host = Host(kucoin_sandbox, EXTRA_DATA=REFRESHABLE)
    host.come_back()
    secrets = ["sandbox-code", "sandbox-access", "sandbox-refresh"]  # how these begin
    said = caplog.text
    for operation in ("token", "create_api_key", "api_key_info"):
        kucoin_sandbox.fail_next(operation, "echo")
        with pytest.raises(AuthException) as caught:
            host.come_back()
        said += "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    said += caplog.text
    secrets += [secret for _, key in kept for secret in (key.secret, key.passphrase)]
    assert "kucoin" in said
    assert [secret for secret in secrets if secret in said] == []


# --- how the host gets the key --------------------------------------------------------------------


def test_key_is_stored_before_the_key_info_call(host: Host) -> None:
    """If the call for key info fails, ``API_KEY_STEP`` has stored the key already."""
    host.sandbox.fail_next("api_key_info", "503")
    with pytest.raises(AuthProviderError) as caught:
        host.come_back()
    assert (caught.value.code, caught.value.stage) == ("unavailable", "user_info")
    [(user, key)] = kept
    assert user is host.user
    assert [issued.api_key for issued in host.sandbox.issued_keys] == [key.api_key]
    assert not approved
    assert not Social.rows


def test_key_of_another_users_account_is_stored_unapproved(host: Host) -> None:
    """If the account is another user's, the new key is stored, but not approved."""
    host.come_back()
    host.user = User("bob")
    with pytest.raises(AuthAssociationError) as caught:
        host.come_back()
    assert caught.value.code == "identity_in_use"
    assert [user.username for user, _ in kept] == ["alice", "bob"]
    assert approved == [f"{UID}:{kept[0][1].api_key}"]


@pytest.mark.parametrize("path", ["tests.social.memory.nowhere", "nowhere.keep_api_key"])
def test_missing_key_step_raises_at_the_start_of_a_login(
    kucoin_sandbox: Sandbox, path: str
) -> None:
    """A wrong ``API_KEY_STEP`` raises when a login starts, and before a code is exchanged."""
    host = Host(kucoin_sandbox, API_KEY_STEP=path)
    with pytest.raises(AuthConfigurationError) as caught:
        host.start()
    assert (caught.value.parameter, caught.value.stage) == ("API_KEY_STEP", "begin")
    host.strategy.settings["SOCIAL_AUTH_KUCOIN_API_KEY_STEP"] = "tests.social.memory.keep_api_key"
    callback = kucoin_sandbox.approve(host.start())
    host.strategy.settings["SOCIAL_AUTH_KUCOIN_API_KEY_STEP"] = path
    with pytest.raises(AuthConfigurationError) as caught:
        host.complete(callback.fields)
    assert caught.value.stage == "token_exchange"
    assert "token" not in kucoin_sandbox.totals
    assert not kucoin_sandbox.issued_keys


async def awaited_step(**_: object) -> None:
    """A coroutine function: nothing would await what its call returns."""


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("tests.social.memory.HOST", "must be a function, not str"),
        ("json.loads", "strategy=.*missing a required argument: 's'"),
        (f"{__name__}.awaited_step", "is a coroutine function"),
    ],
)
def test_uncallable_key_step_raises_before_the_key(
    kucoin_sandbox: Sandbox, path: str, reason: str
) -> None:
    """An unsuitable ``API_KEY_STEP`` raises when a login starts, and before a key is created."""
    host = Host(kucoin_sandbox, API_KEY_STEP=path)
    for call in (host.start, lambda: host.backend.user_data("token", user=host.user)):
        with pytest.raises(AuthConfigurationError) as caught:
            call()
        assert re.match(f"API_KEY_STEP.*{reason}", caught.value.detail)
    assert not kucoin_sandbox.issued_keys
    assert "create_api_key" not in kucoin_sandbox.totals


def test_missing_user_raises_before_the_key(host: Host) -> None:
    """With ``API_KEY_STEP``, ``user_data`` without a user raises, and asks for no key."""
    with pytest.raises(KeyError, match="user"):
        host.backend.user_data("token")
    assert "create_api_key" not in host.sandbox.totals


def test_pipeline_step_takes_the_key_without_the_setting(kucoin_sandbox: Sandbox) -> None:
    """Without ``API_KEY_STEP``, a step of the pipeline gets the key, which JSON cannot hold."""
    steps = (*DEFAULT_AUTH_PIPELINE, "tests.social.memory.take_api_key")
    host = Host(kucoin_sandbox, API_KEY_STEP=None, PIPELINE=steps)
    assert host.come_back() == "/"
    [(user, key)] = kept
    assert (user, key.secret) == (host.user, kucoin_sandbox.issued_keys[0].secret)
    [row] = Social.rows
    assert (row.uid, set(row.extra_data)) == (UID, {"auth_time"})
    with pytest.raises(TypeError):
        json.dumps({"credentials": key})


def test_do_auth_connects_the_account_of_a_given_token(kucoin_sandbox: Sandbox) -> None:
    """`do_auth` connects the account of a token that the application got without a callback."""
    host = Host(kucoin_sandbox, EXTRA_DATA=["access_token"])
    client = host.backend._client()
    code = kucoin_sandbox.approve(host.start()).fields["code"]
    token = client.fetch_token(code=code)["access_token"]
    assert host.backend.do_auth(token, user=host.user) is host.user
    assert Social.rows[0].extra_data["access_token"] == token

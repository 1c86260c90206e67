"""Both versions of the request for a key, the same for all frameworks and clients."""

from __future__ import annotations

import json
from typing import Any

import pytest
from authlib.integrations import django_client, flask_client, starlette_client
from django.test.utils import override_settings
from flask import Flask
from starlette.config import Config

from authlib_kucoin import (
    ApiKeyError,
    ConfigurationError,
    PermissionMismatch,
    Site,
    register_kucoin,
)
from authlib_kucoin.sandbox import Sandbox
from tests.contract.recorder import Recorder
from tests.contract.stacks import NewStack, everywhere

FIRST = "/_oauth/resource/ucenter/outer/api-key/add"
SECOND = "/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add"
TOKEN = {"access_token": "access"}


def groups(*wanted: str) -> dict[str, bool]:
    """Return all permission groups in order, with true for those that are wanted."""
    names = ["COMMON", "SPOT", "FUTURES", "MARGIN", "EARN", "TRANSFER", "WITHDRAW_OAUTH"]
    return {f"API_{name}": f"API_{name}" in wanted for name in names}


@everywhere
@pytest.mark.parametrize(
    ("permissions", "wanted"),
    [
        (None, ("API_COMMON", "API_SPOT")),
        (("API_FUTURES", "API_COMMON"), ("API_COMMON", "API_FUTURES")),
    ],
)
def test_fast_api_2_request_has_every_group(
    new_stack: NewStack, recorder: Recorder, permissions: Any, wanted: tuple[str, ...]
) -> None:
    """In Fast API 2, the request's JSON has every group, with false for those not wanted."""
    stack = new_stack(site=recorder.url, fast_api=2, permissions=permissions)
    stack.create_api_key(TOKEN)
    request = recorder.requests[0]
    assert request.line == f"POST {SECOND} HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "bearer access"
    body = {"authGroupMap": groups(*wanted), "isAddressbookOnly": False}
    assert request.body.decode() == json.dumps(body)
    assert request.headers["content-length"] == str(len(request.body))


@everywhere
def test_fast_api_1_key_request_is_an_empty_form(new_stack: NewStack, recorder: Recorder) -> None:
    """In Fast API 1, the request for a key is an empty form (document section 4)."""
    new_stack(site=recorder.url).create_api_key(TOKEN)
    request = recorder.requests[0]
    assert request.line == f"POST {FIRST} HTTP/1.1"
    assert request.body == b""
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


@everywhere
@pytest.mark.parametrize(
    ("fast_api", "permissions"),
    [(None, ("API_SPOT",)), (1, ("API_SPOT",)), (2, ("SPOT",)), (2, ("API_WITHDRAW_OAUTH",))],
)
def test_invalid_permissions_raise_before_the_refresh(
    new_stack: NewStack, recorder: Recorder, fast_api: int | None, permissions: tuple[str, ...]
) -> None:
    """Wrong permissions raise, and nothing is sent. Apps and clients do not even refresh first."""
    stack = new_stack(site=recorder.url, fast_api=fast_api, permissions=permissions)
    with pytest.raises(ConfigurationError, match=permissions[0] if fast_api == 2 else "fast_api=2"):
        stack.create_api_key({**TOKEN, "refresh_token": "r", "expires_at": 1})
    assert recorder.requests == []


@everywhere
def test_site_sets_version_and_address_of_the_key_request(
    new_stack: NewStack, recorder: Recorder
) -> None:
    """A ``Site`` gives version and address of a key request; the setting ``fast_api=3`` raises."""
    site = Site(recorder.url, fast_api=2, api_key_endpoint=f"{recorder.url}{FIRST}/")
    new_stack(site=site).create_api_key(TOKEN)
    request = recorder.requests[0]
    assert (request.path, request.headers["content-type"]) == (FIRST, "application/json")
    with pytest.raises(ConfigurationError, match="1 or 2"):
        new_stack(site=recorder.url, fast_api=3).create_api_key(TOKEN)


def test_fast_api_version_is_read_from_settings(recorder: Recorder) -> None:
    """The version is read from the application's settings, unless ``fast_api=`` is given."""
    flask = Flask("settings")
    flask.config.update(KUCOIN_SITE=recorder.url, KUCOIN_FAST_API="2")
    environ = {"KUCOIN_SITE": recorder.url, "KUCOIN_FAST_API": "2"}
    starlette = starlette_client.OAuth(Config(environ=environ))
    with override_settings(AUTHLIB_OAUTH_CLIENTS={"kucoin": {"site": "eu", "fast_api": 2}}):
        for oauth in (flask_client.OAuth(flask), starlette, django_client.OAuth()):
            for given, version in ((None, 2), (1, 1)):
                app: Any = register_kucoin(oauth, client_id="broker", fast_api=given)
                assert app.site.fast_api == version
                assert app.site.api_key_endpoint.endswith(SECOND if version == 2 else FIRST)


@everywhere
def test_fast_api_2_key_has_only_requested_permissions(
    new_stack: NewStack, kucoin_sandbox: Sandbox
) -> None:
    """The key has only the permissions that were asked for, although the user granted more."""
    stack = new_stack(site=kucoin_sandbox.url, fast_api=2)
    key = stack.create_api_key(stack.connect(kucoin_sandbox))
    assert key.permissions == {"API_COMMON", "API_SPOT"}


@everywhere
@pytest.mark.parametrize(
    "kucoin_sandbox_options",
    [{"futures_opened": False, "permissions": ["API_COMMON", "API_FUTURES"]}],
)
def test_futures_without_a_futures_account_is_a_mismatch(
    new_stack: NewStack, kucoin_sandbox: Sandbox
) -> None:
    """Asking for futures that the user has granted but not opened raises; no key is created."""
    wanted = ("API_COMMON", "API_FUTURES")
    stack = new_stack(site=kucoin_sandbox.url, fast_api=2, permissions=wanted)
    with pytest.raises(ApiKeyError, match="has not opened futures trading") as caught:
        stack.create_api_key(stack.connect(kucoin_sandbox))
    assert type(caught.value) is PermissionMismatch
    assert kucoin_sandbox.issued_keys == ()

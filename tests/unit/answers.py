"""For the unit tests: each call, a good answer to it, and helpers that read or change answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from authlib_kucoin import (
    ApiKey,
    KuCoinError,
)
from authlib_kucoin._protocol import calls as protocol
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.sites import SITES

NOW = 1_800_000_000
SITE = SITES["eu"]
KEY = ApiKey("name", "the-key", "key-secret", "key-passphrase")
OLD = {
    "access_token": "old-access",
    "refresh_token": "old-refresh",
    "refresh_expires_at": NOW + 100,
}
CALLS: dict[str, Call[Any]] = {
    "token": protocol.token_call(
        SITE,
        client_id="broker",
        client_secret="client-secret",
        code="auth-code",
        redirect_uri="https://broker.example.com/cb",
        clock=lambda: NOW + 0.9,
    ),
    "refresh": protocol.refresh_call(SITE, token=OLD, clock=lambda: NOW),
    "validate": protocol.validate_call(SITE, access_token="old-access"),
    "create_api_key": protocol.create_api_key_call(SITE, access_token="old-access"),
    "api_key_info": protocol.api_key_info_call(SITE, key=KEY),
}
TOKEN = {
    "access_token": "new-access",
    "token_type": "bearer",
    "expires_in": 3600,
    "refresh_token": "new-refresh",
    "scope": ["OAUTH_CREATE_API"],
}
NEW_KEY = {
    "success": True,
    "code": "200",
    "msg": "success",
    "retry": False,
    "data": {
        "apiName": "broker-1",
        "apiKey": "k",
        "secret": "s",
        "passphrase": "p",
        "brokerId": "b",
        "authGroup": "API_COMMON,API_SPOT",
        "ipWhiteList": "203.0.113.1, 203.0.113.2",
    },
}
INFO = {
    "code": "200000",
    "data": {
        "remark": "broker-1",
        "apiKey": "the-key",
        "apiVersion": 3,
        "permission": "General,Spot",
        "ipWhitelist": "203.0.113.1",
        "createdAt": 1_700_000_000_000,
        "uid": 165111215,
        "isMaster": True,
    },
}
GOOD: dict[str, Any] = {
    "token": TOKEN,
    "refresh": TOKEN,
    "validate": {"access_token": "old-access", "is_valid": True},
    "create_api_key": NEW_KEY,
    "api_key_info": INFO,
}
every_operation = pytest.mark.parametrize("operation", CALLS)


def answer(operation: str, body: Any, status: int = 200) -> Any:
    """Let a call read an answer from KuCoin, and return the result."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CALLS[operation].answer(status, raw)


def failure(operation: str, body: Any, status: int = 200) -> KuCoinError:
    """Let a call read an answer for which it has to raise, and return the error."""
    with pytest.raises(KuCoinError) as caught:
        answer(operation, body, status)
    assert caught.value.operation == operation
    # An error chained to this one could show the body or the URL in a traceback.
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    return caught.value


def changed(good: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a copy of an answer with some fields changed; a value of None removes the field.

    The fields are those of ``data`` if it is an object, otherwise those of the answer itself.
    """
    target = good["data"] if isinstance(good.get("data"), dict) else good
    fields = {k: v for k, v in {**target, **changes}.items() if v is not None}
    return {**good, "data": fields} if target is not good else fields

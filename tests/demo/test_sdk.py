"""KuCoin's official SDK can use a key that the demo has stored."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import pytest

from authlib_kucoin import ApiKey
from authlib_kucoin.sandbox import Sandbox
from flask_demo.extensions import db
from flask_demo.models import ConnectedKey
from flask_demo.vault import vault
from tests.demo.visitor import Visitor


@pytest.fixture
def key(alice: Visitor) -> ApiKey:
    """The credentials of an account that was connected with the demo."""
    alice.connect()
    with alice.app.app_context():
        return vault().key(db.session.get_one(ConnectedKey, 1))


def _get_apikey_info(sandbox: Sandbox, key: ApiKey) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK causes warnings of pydantic
        from kucoin_universal_sdk.api import DefaultClient
        from kucoin_universal_sdk.model import (
            ClientOptionBuilder,
            TransportOptionBuilder,
        )
    transport = TransportOptionBuilder().set_keep_alive(keep_alive=False).set_max_retries(0).build()
    options = (
        ClientOptionBuilder()
        .set_key(key.api_key)
        .set_secret(key.secret)
        .set_passphrase(key.passphrase)
        .set_spot_endpoint(sandbox.url)
        .set_futures_endpoint(sandbox.url)
        .set_broker_endpoint(sandbox.url)
        .set_transport_option(transport)
        .build()
    )
    accounts = DefaultClient(options).rest_service().get_account_service()
    return accounts.get_account_api().get_apikey_info()


def test_key_works(key: ApiKey, sandbox: Sandbox) -> None:
    """The SDK's `get_apikey_info` returns the connected account."""
    info = _get_apikey_info(sandbox, key)
    assert str(info.uid) == "165111215"
    assert info.api_key == key.api_key


def test_wrong_secret_fails(key: ApiKey, sandbox: Sandbox) -> None:
    """With one changed character in the secret, the SDK's call is refused."""
    wrong = dataclasses.replace(key, secret=("b" if key.secret[0] == "a" else "a") + key.secret[1:])
    with pytest.raises(Exception, match=r"KC-API-(SIGN|PASSPHRASE)"):
        _get_apikey_info(sandbox, wrong)

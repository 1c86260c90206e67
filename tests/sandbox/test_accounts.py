"""Accounts, granted permissions, keys and tokens without a login, and the callback's URL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from authlib_kucoin.sandbox import Account
from tests.sandbox.broker import Broker
from tests.sandbox.test_keys import info, signed


@pytest.fixture
def two(new_broker: Callable[..., Broker]) -> Broker:
    """A broker connected to a sandbox with two accounts, each of which can have one key."""
    return new_broker(account=["alice@example.com:7", "bob@example.com"], max_keys=1)


def test_first_account_is_the_default(two: Broker) -> None:
    """Without a choice the first account is connected; its uid is in key info."""
    data = info(two, signed(two.new_key())).json["data"]
    assert data["uid"] == 7


def test_user_chooses_the_account(two: Broker) -> None:
    """`approve` can choose another account; the key's info then has that account's uid."""
    callback = two.sandbox.approve(two.login_url(), account="bob@example.com")
    token = two.wire.ask("GET", two.token_target(callback.fields["code"])).json["access_token"]
    key = two.ask_key(token).json["data"]

    assert info(two, signed(key)).json["data"]["uid"] == 165111215
    assert two.sandbox.keys[0].account == Account("bob@example.com", 165111215)


def test_page_lets_the_user_choose(two: Broker, broker: Broker) -> None:
    """The consent page asks for the account only if there are several."""
    page = two.wire.ask("GET", two.login_target()).text
    alone = broker.wire.ask("GET", broker.login_target()).text

    assert 'name="account" value="alice@example.com" checked>' in page
    assert 'name="account" value="bob@example.com">' in page
    assert 'name="account"' not in alone
    assert "Signed in as <strong>trader@example.com</strong>" in alone


def test_unknown_account_is_refused(two: Broker) -> None:
    """For an unknown account, `approve` and `connect` raise an error that quotes its name."""
    with pytest.raises(ValueError, match=r"unknown account 'eve'; known are alice@example\.com, b"):
        two.sandbox.approve(two.login_url(), account="eve")
    with pytest.raises(ValueError, match="unknown account 'eve'"):
        two.sandbox.connect(account="eve")


def test_each_account_has_its_own_limit(two: Broker) -> None:
    """`max_keys` limits the keys of each account separately."""
    two.sandbox.connect()
    assert two.sandbox.connect(account="bob@example.com").account.uid == 165111215
    with pytest.raises(ValueError, match="reaches to the maximum level"):
        two.sandbox.connect()


def test_key_without_a_login(broker: Broker) -> None:
    """`connect` returns a key that works, with the named permissions, and records no request."""
    key = broker.sandbox.connect(permissions=["API_COMMON"])
    assert broker.sandbox.requests == []
    wire_form = {"apiKey": key.api_key, "secret": key.secret, "passphrase": key.passphrase}

    assert info(broker, signed(wire_form)).json["data"]["permission"] == "General"
    assert broker.sandbox.keys == broker.sandbox.issued_keys == (key,)


def test_token_without_a_login(broker: Broker) -> None:
    """`token` returns a token that works, with the named permissions, and records no request."""
    token = broker.sandbox.token(permissions=["API_COMMON", "API_SPOT"])
    assert broker.sandbox.requests == []

    assert broker.is_valid(token["access_token"])
    assert (token["scope"], token["token_type"]) == ("OAUTH_CREATE_API", "bearer")
    assert broker.ask_key(token["access_token"]).json["data"]["authGroup"] == "API_COMMON,API_SPOT"


def test_user_grants_some_permissions(broker: Broker) -> None:
    """`approve` grants only the named permissions; an unknown one is an error."""
    callback = broker.sandbox.approve(broker.login_url(), permissions=["API_COMMON"])
    token = broker.wire.ask("GET", broker.token_target(callback.fields["code"])).json

    assert broker.ask_key(token["access_token"]).json["data"]["authGroup"] == "API_COMMON"
    with pytest.raises(ValueError, match=r"unknown permissions \['SPOT'\]; known are API_COMMON"):
        broker.sandbox.approve(broker.login_url(), permissions=["SPOT"])


def test_callback_has_its_url(broker: Broker) -> None:
    """`callback.url` is a plain str, for clients that accept no subclass of it."""
    callback = broker.sandbox.approve(broker.login_url())
    assert type(callback.url) is str
    assert callback.url == callback

"""Keys from the sandbox work in the Python clients that brokers use."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's own, about pydantic
    from kucoin_universal_sdk.api.client import DefaultClient
    from kucoin_universal_sdk.generate.account.account import GetSpotAccountListReqBuilder
    from kucoin_universal_sdk.generate.broker.ndbroker import GetBrokerInfoReqBuilder
    from kucoin_universal_sdk.model.client_option import ClientOptionBuilder
    from kucoin_universal_sdk.model.common import RestError
    from kucoin_universal_sdk.model.transport_option import TransportOptionBuilder

import ccxt

from authlib_kucoin import ApiKey, KuCoinOAuth2Session
from authlib_kucoin.sandbox import IssuedKey, Sandbox, run_sandbox

# The SDK's own use of pydantic.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_fields':DeprecationWarning")

#: What a test changes in a client's settings: secret, passphrase, partner, partner key.
Settings = dict[str, str]


@contextlib.contextmanager
def sdk(sandbox: Sandbox, key: IssuedKey, settings: Settings) -> Iterator[Any]:
    """KuCoin's own SDK, for one key."""
    url = sandbox.url
    options = (
        ClientOptionBuilder()
        .set_key(key.api_key)
        .set_secret(settings.get("secret", key.secret))
        .set_passphrase(settings.get("passphrase", key.passphrase))
        .set_broker_name("Example Broker")
        .set_broker_partner(settings.get("partner", ""))
        .set_broker_key(settings.get("partner_key", ""))
        .set_spot_endpoint(url)
        .set_futures_endpoint(url)
        .set_broker_endpoint(url)
        .set_transport_option(TransportOptionBuilder().set_max_retries(0).build())
        .build()
    )
    rest = DefaultClient(options).rest_service()
    try:
        yield rest
    finally:
        rest.get_account_service().get_account_api().transport.http_client.close()


def by_sdk(sandbox: Sandbox, key: IssuedKey, settings: Settings) -> dict[str, Any]:
    """Return what KuCoin's SDK reads. The SDK sends partner headers with broker calls only."""
    with sdk(sandbox, key, settings) as rest:
        account = rest.get_account_service().get_account_api()
        found = {"key": account.get_apikey_info().api_key}
        listed = account.get_spot_account_list(
            GetSpotAccountListReqBuilder().set_type("trade").build()
        )
        found["balance"] = next(each.balance for each in listed.data if each.currency == "USDT")
        found["time"] = rest.get_spot_service().get_market_api().get_server_time().data
        if "partner" in settings:
            broker = rest.get_broker_service().get_nd_broker_api()
            request = GetBrokerInfoReqBuilder().set_begin("20260101").set_end("20260102")
            broker.get_broker_info(request.set_trade_type("1").build())
        return found


def by_ccxt(sandbox: Sandbox, key: IssuedKey, settings: Settings) -> dict[str, Any]:
    """Return what ccxt reads. It sends its own partner's headers unless a test sets another."""
    exchange = ccxt.kucoin(
        {
            "apiKey": key.api_key,
            "secret": settings.get("secret", key.secret),
            "password": settings.get("passphrase", key.passphrase),
        }
    )
    if "partner" in settings:
        partner = {"id": settings["partner"], "key": settings["partner_key"]}
        exchange.options["partner"]["spot"] = partner
    try:
        for name in exchange.urls["api"]:
            exchange.urls["api"][name] = sandbox.url
        assert exchange.fetch_status()["status"] == "ok"
        return {
            "key": exchange.private_get_user_api_key()["data"]["apiKey"],
            "balance": f"{exchange.fetch_balance()['total']['USDT']:g}",
            "time": exchange.fetch_time(),
        }
    finally:
        exchange.session.close()


Ask = Callable[[Sandbox, IssuedKey | ApiKey, Settings], dict[str, Any]]
CLIENTS = pytest.mark.parametrize("ask", [by_sdk, by_ccxt])
ERRORS = (RestError, ccxt.BaseError)


@CLIENTS
def test_first_calls(ask: Ask) -> None:
    """Key info, a balance and the server's time, signed as each client does it."""
    with run_sandbox() as sandbox:
        key = sandbox.connect()
        partner = {"partner": "sandbox-partner", "partner_key": "sandbox-partner-key"}

        for settings in ({}, partner):
            found = ask(sandbox, key, settings)
            assert (found["key"], found["balance"]) == (key.api_key, "250")
            assert abs(found["time"] / 1000 - time.time()) < 60


@CLIENTS
@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"secret": "wrong"}, "400004"),  # the passphrase is signed with the secret
        ({"passphrase": "wrong"}, "400004"),
        ({"partner": "unknown", "partner_key": "x"}, "400200"),
        ({"partner": "sandbox-partner", "partner_key": "wrong"}, "400201"),
    ],
)
def test_wrong_credentials(ask: Ask, settings: Settings, code: str) -> None:
    """The client's error holds the code of KuCoin's gateway."""
    with run_sandbox() as sandbox, pytest.raises(ERRORS) as caught:
        ask(sandbox, sandbox.connect(), settings)
    assert code in f"{caught.value} {vars(caught.value)}"


@CLIENTS
def test_wrong_address(ask: Ask) -> None:
    """A key that is bound to other addresses is refused."""
    with run_sandbox(ip_whitelist=["203.0.113.7"]) as sandbox, pytest.raises(ERRORS) as caught:
        ask(sandbox, sandbox.connect(), {})
    assert "400006" in f"{caught.value} {vars(caught.value)}"


@CLIENTS
def test_key_of_fast_api_2(ask: Ask) -> None:
    """A key that our own client gets by the second version's call is accepted."""
    with run_sandbox() as sandbox, KuCoinOAuth2Session(site=sandbox.url, fast_api=2) as session:
        key = session.create_api_key(sandbox.token())
        paths = [request.path for request in sandbox.requests]
        assert paths[-1] == "/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add"
        assert ask(sandbox, key, {})["key"] == key.api_key

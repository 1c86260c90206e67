"""Keys from the sandbox in the hands of clients that real brokers use."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's own, about pydantic
    from kucoin_universal_sdk.api.client import DefaultClient
    from kucoin_universal_sdk.model.client_option import ClientOptionBuilder
    from kucoin_universal_sdk.model.common import RestError
    from kucoin_universal_sdk.model.transport_option import TransportOptionBuilder

import ccxt

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.broker import Broker


def by_sdk(url: str, key: dict[str, Any], secret: str) -> str:
    """Ask for the key's info with KuCoin's own SDK; return the key it names."""
    options = (
        ClientOptionBuilder()
        .set_key(key["apiKey"])
        .set_secret(secret)
        .set_passphrase(key["passphrase"])
        .set_spot_endpoint(url)
        .set_futures_endpoint(url)
        .set_broker_endpoint(url)
        .set_transport_option(TransportOptionBuilder().set_max_retries(0).build())
        .build()
    )
    client = DefaultClient(options)
    try:
        api = client.rest_service().get_account_service().get_account_api()
        return str(api.get_apikey_info().api_key)
    finally:
        api.transport.http_client.close()


def by_ccxt(url: str, key: dict[str, Any], secret: str) -> str:
    """Ask for the key's info with ccxt, as it comes; return the key it names."""
    exchange = ccxt.kucoin(
        {"apiKey": key["apiKey"], "secret": secret, "password": key["passphrase"]}
    )
    try:
        for name in exchange.urls["api"]:
            exchange.urls["api"][name] = url
        return str(exchange.private_get_user_api_key()["data"]["apiKey"])
    finally:
        exchange.session.close()


@pytest.mark.parametrize(
    ("ask", "error"), [(by_sdk, RestError), (by_ccxt, ccxt.AuthenticationError)]
)
def test_real_clients(
    broker: Broker,
    ask: Callable[[str, dict[str, Any], str], str],
    error: type[Exception],
) -> None:
    """A key from the sandbox works in real clients; with one character changed it does not."""
    key = broker.new_key()
    last = "0" if key["secret"][-1] != "0" else "1"

    assert ask(broker.sandbox.url, key, key["secret"]) == key["apiKey"]
    with pytest.raises(error):
        ask(broker.sandbox.url, key, key["secret"][:-1] + last)

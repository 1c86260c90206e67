"""Clients that real brokers use in Python: KuCoin's SDK and ccxt.

Tests import this module in a fixture, because importing these clients takes seconds.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # caused by the SDK's use of pydantic
    from kucoin_universal_sdk.api.client import DefaultClient
    from kucoin_universal_sdk.generate.account.account import GetSpotAccountListReqBuilder
    from kucoin_universal_sdk.generate.broker.ndbroker import GetBrokerInfoReqBuilder
    from kucoin_universal_sdk.model.client_option import ClientOptionBuilder
    from kucoin_universal_sdk.model.common import RestError
    from kucoin_universal_sdk.model.transport_option import TransportOptionBuilder

import ccxt

from authlib_kucoin import ApiKey
from authlib_kucoin.sandbox import IssuedKey, Sandbox

#: What a test changes in a client's settings: secret, passphrase, partner, partner key.
Settings = dict[str, str]


@contextlib.contextmanager
def sdk(sandbox: Sandbox, key: IssuedKey, settings: Settings) -> Iterator[Any]:
    """Yield the REST service of KuCoin's SDK for one key, and close its connections at the end."""
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
    """Return what KuCoin's SDK reads with a key.

    If the settings have a partner, make a broker call as well: the SDK sends partner headers with
    broker calls only.
    """
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
    """Return what ccxt reads with a key.

    ccxt sends the headers of its own partner unless the settings have another one.
    """
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
#: The errors that the clients raise for a refused call.
ERRORS = (RestError, ccxt.BaseError)

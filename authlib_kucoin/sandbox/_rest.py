"""The REST calls that clients make first when they have a key: key info, and some others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs

from . import _gateway
from ._http import Request, Response
from ._model import IssuedKey
from ._refusal import by_kucoin
from ._state import State

#: The currencies, and the balances of every account; enough for clients' first calls.
_CURRENCIES: Final = ("BTC", "USDT")
_BALANCES: Final = (
    ("main", "USDT", "1000"),
    ("trade", "USDT", "250"),
    ("trade", "BTC", "0.1"),
)
_SYMBOL: Final = {
    "symbol": "BTC-USDT",
    "name": "BTC-USDT",
    "baseCurrency": "BTC",
    "quoteCurrency": "USDT",
    "feeCurrency": "USDT",
    "market": "USDS",
    "baseMinSize": "0.00001",
    "quoteMinSize": "0.1",
    "baseMaxSize": "10000000000",
    "quoteMaxSize": "99999999",
    "baseIncrement": "0.00000001",
    "quoteIncrement": "0.000001",
    "priceIncrement": "0.1",
    "priceLimitRate": "0.1",
    "minFunds": "0.1",
    "isMarginEnabled": False,
    "enableTrading": True,
    "feeCategory": 1,
    "makerFeeCoefficient": "1.00",
    "takerFeeCoefficient": "1.00",
    "st": False,
}

Handler = Callable[[Request, State], Response]


def public(data: Callable[[Request, State], object]) -> Handler:
    """Return the handler of a call that needs no key."""
    return lambda request, state: _gateway.answer(data(request, state))


def signed(data: Callable[[Request, State, IssuedKey], object]) -> Handler:
    """Return the handler of a call that must be signed with a key."""

    def handle(request: Request, state: State) -> Response:
        try:
            key = _gateway.check(request, state, time.time())
        except _gateway.GatewayRefusal as refusal:
            return _refused(refusal.code, request)
        return _gateway.answer(data(request, state, key))

    return handle


def unknown_path(request: Request) -> Response:
    """Return the gateway's answer to a call of an unknown path."""
    return _refused("404000", request)


def _refused(code: str, request: Request) -> Response:
    answer = _gateway.refuse(code, request.client_ip)
    text = str(json.loads(answer.body)["msg"])
    return replace(answer, result=by_kucoin(code, text, "KuCoin's REST documentation"))


def _key_info(_request: Request, state: State, key: IssuedKey) -> dict[str, Any]:
    options = state.options
    data: dict[str, Any] = {
        "remark": key.api_name,
        "apiKey": key.api_key,
        "apiVersion": 3,
        "permission": ",".join(_gateway.permissions_of(key, options)),
        "ipWhitelist": ",".join(options.ip_whitelist),
        "createdAt": int(key.created_at * 1000),
        "uid": key.account.uid,
        "isMaster": options.sub_name is None,
    }
    if options.sub_name is not None:
        data["subName"] = options.sub_name
    if key.expires_at is not None:
        data["expiredAt"] = int(key.expires_at * 1000)
    return data | dict(options.key_info)


def _account_summary(_request: Request, _state: State, _key: IssuedKey) -> dict[str, int]:
    return {
        "level": 0,
        "subQuantity": 0,
        "spotSubQuantity": 0,
        "marginSubQuantity": 0,
        "futuresSubQuantity": 0,
        "optionSubQuantity": 0,
        "maxSubQuantity": 5,
        "maxDefaultSubQuantity": 5,
        "maxSpotSubQuantity": 0,
        "maxMarginSubQuantity": 0,
        "maxFuturesSubQuantity": 0,
        "maxOptionSubQuantity": 0,
    }


def _accounts(request: Request, _state: State, key: IssuedKey) -> list[dict[str, str]]:
    wanted = {name: values[-1] for name, values in parse_qs(request.query or "").items()}
    found = [
        {
            "id": f"{key.account.uid:020x}{number:04x}",
            "currency": currency,
            "type": kind,
            "balance": balance,
            "available": balance,
            "holds": "0",
        }
        for number, (kind, currency, balance) in enumerate(_BALANCES)
    ]
    return [
        each
        for each in found
        if all(each[name] == wanted.get(name, each[name]) for name in ("currency", "type"))
    ]


def _currencies(_request: Request, _state: State) -> list[dict[str, Any]]:
    return [
        {
            "currency": name,
            "name": name,
            "fullName": name,
            "precision": 8,
            "confirms": None,
            "contractAddress": None,
            "isMarginEnabled": False,
            "isDebitEnabled": False,
            "chains": [],
        }
        for name in _CURRENCIES
    ]


api_key_info: Final = signed(_key_info)

#: The REST calls other than key info, by path. All are GET.
CALLS: Final[dict[str, Handler]] = {
    "/api/v1/timestamp": public(lambda _request, state: int(state.clock.now() * 1000)),
    "/api/v1/status": public(lambda _request, _state: {"status": "open", "msg": ""}),
    "/api/v1/my-ip": public(lambda request, _state: request.client_ip),
    "/api/v2/user-info": signed(_account_summary),
    "/api/v1/accounts": signed(_accounts),
    # KuCoin's SDK sends partner headers only with its broker calls; this is one of those calls.
    "/api/v1/broker/nd/info": signed(
        lambda *_: {"accountSize": 0, "maxAccountSize": None, "level": 0}
    ),
    # The calls from here on are those that ccxt makes before it asks for a balance.
    "/api/ua/v1/account/mode": signed(lambda *_: {"selfAccountMode": "CLASSIC"}),
    "/api/v1/hf/accounts/opened": signed(lambda *_: False),
    "/api/v1/isolated/symbols": signed(lambda *_: []),
    "/api/v1/contracts/active": public(lambda *_: []),
    "/api/v1/market/allTickers": public(
        lambda _request, state: {"time": int(state.clock.now() * 1000), "ticker": []}
    ),
    "/api/v2/symbols": public(lambda *_: [_SYMBOL]),
    "/api/v3/currencies": public(_currencies),
    "/api/v3/margin/symbols": public(lambda *_: {"timestamp": 0, "items": []}),
}

"""API keys (document section 4), checks of signed requests, and other REST calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from authlib_kucoin.sandbox._gateway import sign
from tests.sandbox.broker import ADD_KEY, FORM, KEY_INFO, Wire, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.broker import Answer, Broker


def signed(key: dict[str, Any], target: str = KEY_INFO, **changed: str | None) -> dict[str, str]:
    """Return the headers of a signed GET, some of them changed or left out."""
    now = changed.pop("now", None) or str(int(time.time() * 1000))
    headers: dict[str, str | None] = {
        "KC-API-KEY": key["apiKey"],
        "KC-API-SIGN": sign(key["secret"], f"{now}GET{target}"),
        "KC-API-TIMESTAMP": now,
        "KC-API-PASSPHRASE": sign(key["secret"], key["passphrase"]),
        "KC-API-KEY-VERSION": "3",
    }
    headers |= {f"KC-API-{name.replace('_', '-')}": value for name, value in changed.items()}
    return {name: value for name, value in headers.items() if value is not None}


def info(broker: Broker, headers: dict[str, str], target: str = KEY_INFO) -> Answer:
    """Ask for a key's info."""
    return broker.wire.ask("GET", target, None, headers)


def test_known_answer() -> None:
    """The signatures match KuCoin's own example, including passphrase and partner."""
    stamp = "1680885532722"
    body = (
        '{"symbol":"BTC-USDT","side":"buy","size":"0.0001","price":"30000","type":"limit",'
        '"clientOid":"2b802154-8d31-42e6-88ea-c8c18d3e4822","tradeType":"TRADE"}'
    )
    secret = "cde06451-dbed"

    assert (
        sign(secret, f"{stamp}POST/api/v1/orders{body}")
        == "ncPuAcZW8WYUZyvblRVVgMfYoVH+FlCTO6K45/FMLFQ="
    )
    assert sign(secret, "1111111") == "rl1Ki0WuwidRT48JnoGQo+AJ4UtZ6mQEKt6F5XYVnT4="
    assert (
        sign("e8512b82-a4aa", f"{stamp}goodbroker6422da9c97b45100018c6e62")
        == "CN1imIGUz/USkPuhOtGWi5DlZ08VeuVfknJNOPqUEac="
    )


def test_key_is_issued_in_the_documents_envelope(broker: Broker) -> None:
    """The envelope of document section 4 has seven data members; lists are comma strings."""
    answer = broker.ask_key(broker.new_tokens()["access_token"])

    assert answer.json.keys() == {"success", "code", "msg", "retry", "data"}
    assert (answer.json["success"], answer.json["code"]) == (True, "200")
    data = answer.json["data"]
    assert list(data) == [
        "apiName",
        "apiKey",
        "secret",
        "passphrase",
        "brokerId",
        "authGroup",
        "ipWhiteList",
    ]
    assert data["authGroup"] == "API_COMMON,API_SPOT,API_EARN,API_TRANSFER,API_MARGIN"
    assert (data["brokerId"], data["ipWhiteList"]) == ("sandbox-broker", "")


def test_lists_may_be_json(new_broker: Callable[..., Broker]) -> None:
    """lists="list" gives authGroup and ipWhiteList as JSON lists instead."""
    broker = new_broker(
        lists="list", permissions=["API_COMMON"], ip_whitelist=["127.0.0.1", "127.0.0.2"]
    )
    data = broker.new_key()

    assert data["authGroup"] == ["API_COMMON"]
    assert data["ipWhiteList"] == ["127.0.0.1", "127.0.0.2"]


def test_issued_keys_are_known_and_keep_their_secrets(broker: Broker) -> None:
    """`issued_keys` has each key with its secrets, which are not in its repr."""
    first, second = broker.new_key(), broker.new_key()
    issued = broker.sandbox.issued_keys

    assert [key.api_key for key in issued] == [first["apiKey"], second["apiKey"]]
    assert (issued[1].secret, issued[1].passphrase) == (second["secret"], second["passphrase"])
    assert second["secret"] not in repr(issued)
    assert second["passphrase"] not in repr(issued)


@pytest.mark.parametrize(
    ("target", "body", "headers", "code"),
    [
        (ADD_KEY, "", {"Authorization": "bearer x"}, "content_type"),
        (ADD_KEY, "a=b", {"Content-Type": FORM, "Authorization": "bearer x"}, "unexpected_body"),
        (
            f"{ADD_KEY}?access_token=x",
            "",
            {"Content-Type": FORM, "Authorization": "bearer x"},
            "unexpected_query",
        ),
        (ADD_KEY, "", {"Content-Type": FORM}, "no_access_token"),
        (ADD_KEY, "", {"Content-Type": FORM, "Authorization": "bearer"}, "no_access_token"),
        (
            ADD_KEY,
            "",
            {"Content-Type": FORM, "Authorization": "Bearer x"},
            "authorization_scheme",
        ),
    ],
)
def test_key_request_that_is_not_as_documented(
    broker: Broker, target: str, body: str, headers: dict[str, str], code: str
) -> None:
    """Required are a form type, an empty body, no query, and lower-case "bearer" with a token."""
    answer = broker.wire.ask("POST", target, body, headers)

    assert refused(answer, code, "4")


def test_scheme_must_be_lower_case(broker: Broker) -> None:
    """If the scheme is "Bearer", the refusal says that it must be in lower case."""
    headers = {"Content-Type": FORM, "Authorization": "Bearer x"}
    answer = broker.wire.ask("POST", ADD_KEY, "", headers)

    assert "must be the lower-case word 'bearer'" in answer.json["msg"]


def test_unknown_access_token(broker: Broker) -> None:
    """A token that was never issued gets no key."""
    assert refused(broker.ask_key("made-up"), "access_token_unknown", "6.2")


def test_account_can_be_full(new_broker: Callable[..., Broker]) -> None:
    """Beyond `max_keys` no key is issued, and the answer has the document's error text for that."""
    broker = new_broker(max_keys=1)
    token = broker.new_tokens()["access_token"]
    broker.ask_key(token)
    content = broker.ask_key(token).json

    assert content["success"] is False
    assert content["msg"] == "The number of user's apiKey reaches to the maximum level"
    assert len(broker.sandbox.issued_keys) == 1


def test_names_can_repeat(new_broker: Callable[..., Broker]) -> None:
    """With `api_name`, an account's second key is refused, unless `repeat_names` is set."""
    strict, lax = new_broker(api_name="fixed"), new_broker(api_name="fixed", repeat_names=True)
    token = strict.new_tokens()["access_token"]

    assert strict.ask_key(token).json["data"]["apiName"] == "fixed"
    assert strict.ask_key(token).json["msg"] == "Repeated apiName"
    assert [lax.new_key()["apiName"], lax.new_key()["apiName"]] == ["fixed", "fixed"]


def test_permissions_can_mismatch(new_broker: Callable[..., Broker]) -> None:
    """With `permission_mismatch`, a request for a key is answered with KuCoin's code 40503."""
    broker = new_broker(permission_mismatch=True)
    content = broker.ask_key(broker.new_tokens()["access_token"]).json

    assert (content["success"], content["code"]) == (False, "40503")
    assert content["msg"] == "risk validation"


def test_key_info_describes_the_key(broker: Broker) -> None:
    """Key info has the account's uid, and the permissions in key info's own words."""
    key = broker.new_key()
    content = info(broker, signed(key)).json

    assert content["code"] == "200000"
    created = content["data"].pop("createdAt")
    assert abs(created / 1000 - time.time()) < 60
    assert content["data"] == {
        "remark": key["apiName"],
        "apiKey": key["apiKey"],
        "apiVersion": 3,
        "permission": "General,Spot,Earn,InnerTransfer,Margin",
        "ipWhitelist": "",
        "uid": 165111215,
        "isMaster": True,
    }


def test_key_info_can_surprise(new_broker: Callable[..., Broker]) -> None:
    """Options make key info report other permissions, and a sub-account."""
    broker = new_broker(
        sub_name="bot", uid=7, reported_permissions=["General", "Transfer"], permissions=[]
    )
    data = info(broker, signed(broker.new_key())).json["data"]

    assert (data["isMaster"], data["subName"], data["uid"]) == (False, "bot", 7)
    assert data["permission"] == "General,Transfer"


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"KEY": None}, 400, "400001"),
        ({"SIGN": None}, 400, "400001"),
        ({"TIMESTAMP": None}, 400, "400001"),
        ({"PASSPHRASE": None}, 400, "400001"),
        ({"now": "1680885532722"}, 400, "400002"),
        ({"now": "yesterday"}, 400, "400002"),
        ({"now": "9" * 400}, 400, "400002"),
        ({"KEY": "0" * 24}, 401, "400003"),
        ({"PASSPHRASE": "plain"}, 401, "400004"),
        ({"SIGN": "AAAA"}, 401, "400005"),
        ({"KEY_VERSION": "1"}, 400, "400008"),
        ({"KEY_VERSION": "x"}, 400, "400009"),
        ({"KEY_VERSION": None}, 400, "400009"),
    ],
)
def test_wrongly_signed_request(
    broker: Broker, changed: dict[str, str | None], status: int, code: str
) -> None:
    """Each missing or wrong header is answered with the gateway's status and code for it."""
    answer = info(broker, signed(broker.new_key(), **changed))

    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.json.keys() == {"code", "msg"}


def test_query_is_signed_unescaped(broker: Broker) -> None:
    """The signature covers the unescaped query."""
    key = broker.new_key()
    headers = signed(key, f"{KEY_INFO}?a=b c")

    assert info(broker, headers, f"{KEY_INFO}?a=b%20c").json["code"] == "200000"
    assert info(broker, headers).json["code"] == "400005"


def test_timestamp_may_follow_the_sandboxs_clock(broker: Broker) -> None:
    """Once the clock is ahead, its time and the real time are accepted, but not halfway between."""
    key = broker.new_key()
    broker.sandbox.advance(3600)

    ahead = str(int((time.time() + 3600) * 1000))
    assert info(broker, signed(key, now=ahead)).json["code"] == "200000"
    assert info(broker, signed(key)).json["code"] == "200000"
    between = str(int((time.time() + 1800) * 1000))
    assert info(broker, signed(key, now=between)).json["code"] == "400002"


def test_key_is_bound_to_its_addresses(new_broker: Callable[..., Broker]) -> None:
    """A key that is bound to addresses works only from these addresses."""
    broker = new_broker(ip_whitelist=["127.0.0.1"])
    key = broker.new_key()

    assert info(broker, signed(key)).json["data"]["ipWhitelist"] == "127.0.0.1"
    with Wire(broker.sandbox, "127.0.0.2") as elsewhere:
        answer = elsewhere.ask("GET", KEY_INFO, None, signed(key))
    assert (answer.status, answer.json["code"]) == (403, "400006")
    assert answer.json["msg"].endswith("127.0.0.2")


def test_key_without_general_permission(new_broker: Callable[..., Broker]) -> None:
    """A key without General cannot read its own info."""
    broker = new_broker(permissions=["API_SPOT"])

    answer = info(broker, signed(broker.new_key()))
    assert (answer.status, answer.json["code"]) == (403, "400007")


@pytest.mark.parametrize(
    ("partner", "key", "verify", "code"),
    [
        ("goodbroker", "e8512b82", "true", "200000"),
        ("goodbroker", "wrong", "true", "400201"),
        ("goodbroker", "wrong", None, "200000"),
        ("ccxt", "its own key", "true", "200000"),  # the sandbox cannot check ccxt's signature
        ("another", "its own key", "true", "400200"),
        ("another", "its own key", None, "200000"),
        ("", "e8512b82", "true", "400200"),
    ],
)
def test_partner_headers(
    new_broker: Callable[..., Broker], partner: str, key: str, verify: str | None, code: str
) -> None:
    """If KC-API-PARTNER-VERIFY is true, a wrong partner or partner signature is refused.

    Otherwise it is ignored. ccxt's own partner is accepted with any signature.
    """
    broker = new_broker(partner="goodbroker", partner_key="e8512b82")
    issued = broker.new_key()
    now = str(int(time.time() * 1000))
    headers = signed(
        issued,
        now=now,
        PARTNER=partner,
        PARTNER_SIGN=sign(key, f"{now}{partner}{issued['apiKey']}"),
        PARTNER_VERIFY=verify,
    )

    assert info(broker, headers).json["code"] == code


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("400001", 400),
        ("400002", 400),
        ("400003", 401),
        ("400004", 401),
        ("400005", 401),
        ("400006", 403),
        ("400007", 403),
        ("400008", 400),
        ("400009", 400),
        ("400010", 403),
        ("400200", 401),
        ("400201", 401),
        ("400202", 403),
        ("400301", 403),
        ("404000", 404),
        ("411100", 403),
        ("429000", 429),
    ],
)
def test_every_code_of_the_gateway_can_be_asked_for(broker: Broker, code: str, status: int) -> None:
    """A fault answers a correct request with a code of the gateway, and that code's HTTP status."""
    key = broker.new_key()
    broker.sandbox.fail_next("api_key_info", f"gateway:{code}")
    answer = info(broker, signed(key))

    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.json["msg"]
    assert "{" not in answer.json["msg"]
    assert info(broker, signed(key)).json["code"] == "200000"


def test_unknown_gateway_code(broker: Broker) -> None:
    """A misspelt code is an error that lists the known ones."""
    with pytest.raises(ValueError, match="unknown gateway code '400011'; known are 400001, "):
        broker.sandbox.fail_next("api_key_info", "gateway:400011")


def test_key_can_expire(new_broker: Callable[..., Broker]) -> None:
    """Key info tells when the key expires; by the sandbox's clock, the key stops working then."""
    broker = new_broker(key_days=90)
    key = broker.new_key()
    data = info(broker, signed(key)).json["data"]

    assert data["expiredAt"] - data["createdAt"] == 90 * 86_400_000
    broker.sandbox.advance(90 * 86_400)
    answer = info(broker, signed(key))
    assert (answer.status, answer.json["code"]) == (401, "400003")
    assert broker.sandbox.keys == ()
    assert len(broker.sandbox.issued_keys) == 1


def test_key_can_be_deleted(broker: Broker) -> None:
    """A deleted key gets the same answer as an unknown one, and cannot be deleted again."""
    deleted, kept = broker.new_key(), broker.new_key()
    broker.sandbox.delete_key(deleted["apiKey"])

    answer = info(broker, signed(deleted))
    assert (answer.status, answer.json["code"]) == (401, "400003")
    assert [key.api_key for key in broker.sandbox.keys] == [kept["apiKey"]]
    with pytest.raises(ValueError, match="no key with this api_key"):
        broker.sandbox.delete_key(deleted["apiKey"])


def test_key_of_another_site(new_broker: Callable[..., Broker]) -> None:
    """A key that another sandbox has issued is unknown here."""
    answer = info(new_broker(), signed(new_broker().new_key()))
    assert (answer.status, answer.json["code"]) == (401, "400003")


def test_key_info_can_have_more_members(new_broker: Callable[..., Broker]) -> None:
    """The option `key_info` adds members to key info, and changes a member that it has."""
    more = {
        "siteType": "australia",
        "region": "AU",
        "kycStatus": 1,
        "parentUid": 7,
        "thirdPartyApp": "Example",
        "remark": None,
    }
    broker = new_broker(key_info=more)
    data = info(broker, signed(broker.new_key())).json["data"]

    assert {name: data[name] for name in more} == more
    assert data["uid"] == 165111215


def test_empty_query_is_no_query(broker: Broker) -> None:
    """A question mark without a query need not be signed."""
    answer = info(broker, signed(broker.new_key()), f"{KEY_INFO}?")
    assert answer.json["code"] == "200000"


@pytest.mark.parametrize(
    "path", ["/api/v1/timestamp", "/api/v1/status", "/api/v1/my-ip", "/api/v2/symbols"]
)
def test_public_calls_need_no_key(broker: Broker, path: str) -> None:
    """Public calls are answered without a signature."""
    answer = broker.wire.ask("GET", path)
    assert (answer.status, answer.json["code"]) == (200, "200000")


def test_server_time_is_the_sandboxs_clock(broker: Broker) -> None:
    """A client that asks for the time can sign with it after the clock was wound forward."""
    key = broker.new_key()
    broker.sandbox.advance(86_400)
    now = broker.wire.ask("GET", "/api/v1/timestamp").json["data"]

    assert abs(now / 1000 - broker.sandbox.now) < 60
    assert info(broker, signed(key, now=str(now))).json["code"] == "200000"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [("main", "USDT"), ("trade", "USDT"), ("trade", "BTC")]),
        ("?type=trade", [("trade", "USDT"), ("trade", "BTC")]),
        ("?currency=USDT&type=main", [("main", "USDT")]),
    ],
)
def test_accounts_have_balances(broker: Broker, query: str, found: list[tuple[str, str]]) -> None:
    """A signed request lists accounts; `type` and `currency` in its query select some."""
    target = f"/api/v1/accounts{query}"
    answer = info(broker, signed(broker.new_key(), target), target)
    assert [(each["type"], each["currency"]) for each in answer.json["data"]] == found


def test_account_summary(broker: Broker) -> None:
    """The account summary says that there are no sub-accounts, and that 5 are allowed."""
    target = "/api/v2/user-info"
    data = info(broker, signed(broker.new_key(), target), target).json["data"]
    assert (data["subQuantity"], data["maxSubQuantity"]) == (0, 5)


@pytest.mark.parametrize("path", ["/api/v1/accounts", "/api/v2/user-info"])
def test_private_calls_need_a_signature(broker: Broker, path: str) -> None:
    """The gateway refuses a private call without a signature."""
    answer = broker.wire.ask("GET", path)
    assert (answer.status, answer.json["code"]) == (400, "400001")


def test_unknown_rest_path(broker: Broker) -> None:
    """An unknown REST path gets KuCoin's 404000."""
    answer = broker.wire.ask("GET", "/api/v1/orders")
    assert (answer.status, answer.json) == (404, {"code": "404000", "msg": "Url Not Found"})

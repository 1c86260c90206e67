"""Fast API 2.0: a request for a key names permissions, which the user must have granted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.sandbox.broker import ADD_KEY, ADD_KEY_2, FORM, GROUPS, Broker, refused
from tests.sandbox.test_keys import info, signed

SECTION = "Fast API 2.0, global site"


def token_after(broker: Broker, *boxes: str) -> str:
    """Post an approval with these boxes checked, and return the access token that follows."""
    page = broker.wire.ask("GET", broker.login_target()).text
    ticket = re.search(r'name="ticket" value="([^"]+)"', page)
    assert ticket
    fields = [("ticket", ticket[1]), ("decision", "approve"), ("permission", "none")]
    fields += [("permission", box) for box in boxes]
    headers = {"Content-Type": FORM}
    answer = broker.wire.ask("POST", "/oauth/decision", urlencode(fields), headers)
    code = re.search(r"code=([^&]+)", answer.headers["location"])
    assert code
    target = broker.token_target("CODE").replace("CODE", code[1])
    return str(broker.wire.ask("GET", target).json["access_token"])


def test_key_has_what_was_asked_for(broker: Broker) -> None:
    """The key gets the permissions of the request, though the user has granted more."""
    answer = broker.ask_key_2(broker.new_tokens()["access_token"], "API_COMMON", "API_SPOT")

    data = answer.json["data"]
    assert data["authGroup"] == "API_COMMON,API_SPOT"
    assert info(broker, signed(data)).json["data"]["permission"] == "General,Spot"
    assert broker.sandbox.issued_keys[0].permissions == ("API_COMMON", "API_SPOT")


def test_user_can_take_permissions_away(broker: Broker) -> None:
    """Version 2 refuses a request for an unchecked permission; version 1 gives a key without it."""
    token = token_after(broker, "API_COMMON", "API_SPOT")

    more = broker.ask_key_2(token, "API_COMMON", "API_EARN")
    assert (more.json["success"], more.json["code"]) == (False, "40503")
    assert more.json["msg"] == "risk validation"
    assert broker.ask_key_2(token, "API_COMMON").json["data"]["authGroup"] == "API_COMMON"
    assert broker.ask_key(token).json["data"]["authGroup"] == "API_COMMON,API_SPOT"


def test_user_cannot_add_permissions(broker: Broker) -> None:
    """A permission that the page does not list cannot be granted by a forged form."""
    token = token_after(broker, "API_COMMON", "API_FUTURES", "API_WITHDRAW_OAUTH")

    assert broker.ask_key(token).json["data"]["authGroup"] == "API_COMMON"


def test_user_may_refuse_everything(broker: Broker) -> None:
    """With every box unchecked, a key made by Fast API 1.0 has no permission."""
    assert broker.ask_key(token_after(broker)).json["data"]["authGroup"] == ""


def test_exact_match_is_an_option(new_broker: Callable[..., Broker]) -> None:
    """With `permissions_match="exact"`, a request must name all permissions that were granted."""
    broker = new_broker(permissions_match="exact", permissions=["API_COMMON", "API_SPOT"])
    token = broker.new_tokens()["access_token"]

    assert broker.ask_key_2(token, "API_COMMON").json["code"] == "40503"
    assert broker.ask_key_2(token, "API_COMMON", "API_SPOT").json["code"] == "200"


@pytest.mark.parametrize("opened", [True, False])
def test_account_without_futures(new_broker: Callable[..., Broker], *, opened: bool) -> None:
    """A request for API_FUTURES needs an account with futures trading; API_COMMON does not."""
    broker = new_broker(permissions=["API_COMMON", "API_FUTURES"], futures_opened=opened)
    token = broker.new_tokens()["access_token"]

    code = broker.ask_key_2(token, "API_COMMON", "API_FUTURES").json["code"]
    assert code == ("200" if opened else "40503")
    assert broker.ask_key_2(token, "API_COMMON").json["code"] == "200"


@pytest.mark.parametrize(
    "changed", [{"isAddressbookOnly": True}, {"authGroupMap": dict.fromkeys(GROUPS, True)}]
)
def test_what_the_page_cannot_grant(
    new_broker: Callable[..., Broker], changed: dict[str, object]
) -> None:
    """An address book limit and withdrawals are refused, though all else was granted."""
    broker = new_broker(permissions=GROUPS[:-1])
    token = broker.new_tokens()["access_token"]
    assert broker.ask_key_2(token, "API_COMMON", **changed).json["code"] == "40503"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"authGroupMap": {"API_COMMON": True}}, "wrong_groups"),
        ({"authGroupMap": dict.fromkeys((*GROUPS, "API_X"), False)}, "wrong_groups"),
        ({"authGroupMap": []}, "wrong_groups"),
        ({"authGroupMap": dict.fromkeys(GROUPS, "true")}, "wrong_type"),
        ({"isAddressbookOnly": 0}, "wrong_type"),
        ({"more": 1}, "wrong_members"),
    ],
)
def test_body_that_is_not_as_published(
    broker: Broker, changed: dict[str, object], code: str
) -> None:
    """The body needs a boolean for each group and isAddressbookOnly, and can have nothing else."""
    answer = broker.ask_key_2(broker.new_tokens()["access_token"], **changed)

    assert refused(answer, code, SECTION)
    assert broker.sandbox.issued_keys == ()


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"Content-Type": FORM}, "{}", "content_type"),
        ({"Content-Type": "application/json"}, "[]", "bad_json"),
        ({"Content-Type": "application/json"}, '{"a": 1, "a": 2}', "bad_json"),
        ({"Content-Type": "application/json; charset=utf-8"}, "{", "bad_json"),
    ],
)
def test_request_is_json(broker: Broker, headers: dict[str, str], body: str, code: str) -> None:
    """Fast API 2.0 takes only a JSON object without repeated members.

    A charset can follow the content type.
    """
    assert refused(broker.wire.ask("POST", ADD_KEY_2, body, headers), code, SECTION)


@pytest.mark.parametrize(("version", "gone"), [(1, ADD_KEY_2), (2, ADD_KEY)])
def test_sandbox_can_have_one_version(
    new_broker: Callable[..., Broker], version: int, gone: str
) -> None:
    """If the option `fast_api` is one version, the path of the other version is unknown."""
    broker = new_broker(fast_api=version)
    token = broker.new_tokens()["access_token"]
    ask: dict[int, Any] = {1: broker.ask_key, 2: lambda t: broker.ask_key_2(t, "API_COMMON")}

    assert ask[version](token).json["code"] == "200"
    missing = ask[3 - version](token)
    assert (missing.status, missing.json["code"]) == (404, "sandbox.unknown_path")
    assert gone not in missing.json["msg"]


def test_faults_of_one_operation_reach_both_versions(broker: Broker) -> None:
    """Both ways to ask for a key count as the operation create_api_key, and share its faults."""
    broker.sandbox.fail_next("create_api_key", "503", times=2)
    token = broker.new_tokens()["access_token"]

    assert broker.ask_key_2(token, "API_COMMON").status == 503
    assert broker.ask_key(token).status == 503
    assert broker.sandbox.totals["create_api_key"] == 2

"""Which answers are read as an API key or its description, and which error the others raise."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from authlib_kucoin import (
    ApiKey,
    ApiKeyError,
    ApiKeyInfo,
    ApiKeyLimitReached,
    ApiKeyNameTaken,
    ApiKeyOutcomeUnknown,
    KuCoinError,
    MalformedResponse,
    PermissionMismatch,
)
from tests.unit.answers import (
    INFO,
    NEW_KEY,
    answer,
    changed,
    failure,
)


def test_new_key_has_all_its_fields() -> None:
    """The answer of document section 4 becomes an ``ApiKey`` with all its fields."""
    assert answer("create_api_key", NEW_KEY) == ApiKey(
        api_name="broker-1",
        api_key="k",
        secret="s",
        passphrase="p",
        broker_id="b",
        permissions=frozenset({"API_COMMON", "API_SPOT"}),
        ip_whitelist=("203.0.113.1", "203.0.113.2"),
    )


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("A,B", ("A", "B")),
        (" A , B ,", ("A", "B")),
        (["A", "B"], ("A", "B")),
        (["A", 5, ""], ("A",)),
        ("", ()),
        (None, ()),
        (5, ()),
        ({"A": 1}, ()),
    ],
)
def test_key_lists_may_be_text_or_list(value: Any, read: tuple[str, ...]) -> None:
    """``authGroup`` and ``ipWhiteList`` may be text, a list or neither; the key is read anyway."""
    key = answer("create_api_key", changed(NEW_KEY, authGroup=value, ipWhiteList=value))
    assert key.permissions == frozenset(read)
    assert key.ip_whitelist == read


def test_key_with_invalid_name_or_broker_id_is_returned() -> None:
    """A name or broker id of the wrong type reads as empty, and the key is still returned."""
    key = answer("create_api_key", changed(NEW_KEY, apiName=5, brokerId=["b"]))
    assert (key.api_key, key.api_name, key.broker_id) == ("k", "", "")


@pytest.mark.parametrize("name", ["apiKey", "secret", "passphrase"])
@pytest.mark.parametrize("value", [None, "", 5, "a\nb"])
def test_missing_credential_leaves_key_outcome_unknown(name: str, value: Any) -> None:
    """A missing or unusable credential raises ``ApiKeyOutcomeUnknown``, naming the field."""
    error = failure("create_api_key", changed(NEW_KEY, **{name: value}))
    assert type(error) is ApiKeyOutcomeUnknown
    assert f"lacks its {name}." in str(error)
    assert "API management" in str(error)
    assert not error.retry


@pytest.mark.parametrize(
    "body",
    [
        {**NEW_KEY, "data": None},
        {**NEW_KEY, "data": []},
        {"success": True},
        {"code": "200", "data": NEW_KEY["data"]},
        {},
    ],
)
def test_answer_without_a_key_leaves_outcome_unknown(body: Any) -> None:
    """No key is read without ``success: true``, or without an object in ``data``.

    None of these answers is a refusal, so each raises ``ApiKeyOutcomeUnknown``.
    """
    assert type(failure("create_api_key", body)) is ApiKeyOutcomeUnknown


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (NEW_KEY, 400),
        (NEW_KEY, 408),
        ({"success": True}, 403),
        ({**NEW_KEY, "error": "server_error"}, 200),
        ({"code": "500", "data": NEW_KEY["data"]}, 200),
    ],
)
def test_contradictory_answer_leaves_outcome_unknown(body: Any, status: int) -> None:
    """Each of these answers shows success and refusal, and raises ``ApiKeyOutcomeUnknown``."""
    error = failure("create_api_key", body, status)
    assert type(error) is ApiKeyOutcomeUnknown
    assert "contradicts itself" in str(error)


@pytest.mark.parametrize(
    ("code", "msg", "kind"),
    [
        ("400100", "Repeated apiName", ApiKeyNameTaken),
        (None, "repeated  api name: broker-1", ApiKeyNameTaken),
        (
            "400101",
            "number of user\N{RIGHT SINGLE QUOTATION MARK}s apiKey reaches to the maximum level",
            ApiKeyLimitReached,
        ),
        ("1", "The number of user's apiKey reaches to the maximum level", ApiKeyLimitReached),
        ("40503", "anything", PermissionMismatch),
        (40503, None, PermissionMismatch),
        ("1", "Risk validation failed", PermissionMismatch),
        ("400100", "something else", ApiKeyError),
        (None, None, ApiKeyError),
    ],
)
def test_reason_of_a_refused_key_decides_the_error_class(
    code: Any, msg: str | None, kind: type[KuCoinError]
) -> None:
    """KuCoin's message, or the code 40503, decides the class; the error keeps code and message."""
    error = failure("create_api_key", {"success": False, "code": code, "msg": msg, "retry": True})
    assert type(error) is kind
    assert (error.code, error.msg, error.retry, error.status) == (
        None if code is None else str(code),
        msg,
        True,
        200,
    )


def test_key_info_is_read() -> None:
    """The description becomes an ``ApiKeyInfo``, with the uid as a string and the time in UTC."""
    assert answer("api_key_info", INFO) == ApiKeyInfo(
        uid="165111215",
        permissions=frozenset({"General", "Spot"}),
        ip_whitelist=("203.0.113.1",),
        is_master=True,
        sub_name=None,
        created_at=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        api_version=3,
        remark="broker-1",
        api_key="the-key",
    )


def test_key_info_needs_only_uid_and_permission() -> None:
    """A description needs only ``uid`` and ``permission``; ``subName`` is read if it is there."""
    body = {"code": "200000", "data": {"uid": "1", "permission": ["General"], "subName": "bot"}}
    assert answer("api_key_info", body) == ApiKeyInfo("1", frozenset({"General"}), sub_name="bot")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uid", None),
        ("uid", ""),
        ("uid", True),
        ("uid", [1]),
        ("permission", None),
        ("permission", 5),
        ("permission", [5]),
    ],
)
def test_key_info_without_uid_or_permission_is_malformed(field: str, value: Any) -> None:
    """If ``uid`` or ``permission`` is missing or unusable, the whole answer is malformed."""
    assert type(failure("api_key_info", changed(INFO, **{field: value}))) is MalformedResponse


@pytest.mark.parametrize(
    ("field", "attribute", "value", "read"),
    [
        ("ipWhitelist", "ip_whitelist", 5, ()),
        ("isMaster", "is_master", "yes", None),
        ("isMaster", "is_master", 1, None),
        ("subName", "sub_name", True, None),
        ("subName", "sub_name", ["a"], None),
        ("createdAt", "created_at", "now", None),
        ("createdAt", "created_at", 10**30, None),
        ("createdAt", "created_at", True, None),
        ("createdAt", "created_at", 1e999, None),
        ("createdAt", "created_at", 0.0, datetime(1970, 1, 1, tzinfo=UTC)),
        ("apiVersion", "api_version", "3", None),
        ("remark", "remark", 5, ""),
        ("apiKey", "api_key", [5], ""),
        ("expiredAt", "expires_at", "soon", None),
        ("siteType", "site_type", {}, None),
        ("region", "region", [], None),
        ("parentUid", "parent_uid", True, None),
        ("kycStatus", "kyc_status", [], None),
        ("kycStatus", "kyc_status", True, None),
        ("thirdPartyApp", "third_party_app", False, None),
    ],
)
def test_invalid_optional_field_leaves_key_info_readable(
    field: str, attribute: str, value: Any, read: Any
) -> None:
    """With each of these values in an optional field, uid and permissions are still read."""
    raw = json.dumps({**INFO, "data": {**INFO["data"], field: value}})
    info = answer("api_key_info", raw.replace("Infinity", "1e999").encode())
    assert (info.uid, info.permissions) == ("165111215", {"General", "Spot"})
    assert getattr(info, attribute) == read


def test_key_info_fields_named_by_one_client_only_are_read() -> None:
    """Fields that only one published client names are read if KuCoin sends them."""
    more = {
        "expiredAt": 1_900_000_000_000,
        "siteType": "australia",
        "region": "AU",
        "parentUid": 7,
        "kycStatus": 1,
        "thirdPartyApp": "broker",
    }
    info = answer("api_key_info", changed(INFO, **more))
    assert info.expires_at == datetime.fromtimestamp(1_900_000_000, UTC)
    assert (info.site_type, info.region, info.parent_uid) == ("australia", "AU", "7")
    assert (info.kyc_status, info.third_party_app) == (1, "broker")
    for status in ("passed", 0):
        assert answer("api_key_info", changed(INFO, kycStatus=status)).kyc_status == status


@pytest.mark.parametrize("data", [None, [], "x"])
def test_key_info_that_is_not_an_object_is_malformed(data: Any) -> None:
    """If ``data`` is not an object, the answer is malformed."""
    assert type(failure("api_key_info", {"code": "200000", "data": data})) is MalformedResponse


@pytest.mark.parametrize("name", ["another-key", ""])
def test_key_info_of_another_key_is_refused(name: str) -> None:
    """A description whose ``apiKey`` is another text is malformed: it may be another user's."""
    error = failure("api_key_info", changed(INFO, apiKey=name))
    assert type(error) is MalformedResponse
    assert "the answer to another request" in str(error)

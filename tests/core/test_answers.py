"""What an answer means: nothing is believed until it is checked, each failure has one name."""

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
    KuCoinUnavailable,
    MalformedResponse,
    PermissionMismatch,
    ReauthorizationRequired,
    TokenError,
)
from authlib_kucoin import _protocol as protocol
from authlib_kucoin._call import Call
from authlib_kucoin._sites import SITES

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
        "apiKey": "k",
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
    """Hand an answer to a call and return what it reads."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CALLS[operation].answer(status, raw)


def failure(operation: str, body: Any, status: int = 200) -> KuCoinError:
    """Hand an answer to a call and return what it raises."""
    with pytest.raises(KuCoinError) as caught:
        answer(operation, body, status)
    assert caught.value.operation == operation
    # What is behind an error must not carry the body or the URL.
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    return caught.value


def changed(good: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an answer with fields of its data (or of itself) changed; None takes one away."""
    target = good["data"] if isinstance(good.get("data"), dict) else good
    fields = {k: v for k, v in {**target, **changes}.items() if v is not None}
    return {**good, "data": fields} if target is not good else fields


# --- tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["token", "refresh"])
def test_a_token_has_the_rfcs_scope_and_both_expiries(operation: str) -> None:
    """Sections 7.2 and 7.3: KuCoin's list becomes the RFC's string; 1 hour and 3 days."""
    assert dict(answer(operation, TOKEN)) == {
        "access_token": "new-access",
        "token_type": "bearer",
        "expires_in": 3600,
        "expires_at": NOW + 3600,
        "refresh_token": "new-refresh",
        "refresh_expires_at": NOW + 3 * 24 * 3600,
        "scope": "OAUTH_CREATE_API",
    }


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("scope", ["A", "", "B"], "A B"),
        ("scope", "A B", "A B"),
        ("scope", [], ""),
        ("scope", None, "OAUTH_CREATE_API"),
        ("token_type", "Bearer", "Bearer"),
        ("token_type", None, "bearer"),
        ("expires_in", "3600", 3600),
        ("expires_in", None, 3600),
        ("expires_in", 60, 60),
    ],
)
def test_harmless_variations_of_a_token_are_read(field: str, value: Any, read: Any) -> None:
    """What RFC 6749 lets a server leave out or spell otherwise."""
    assert answer("token", changed(TOKEN, **{field: value}))[field] == read


@pytest.mark.parametrize("value", [None, "", False])
def test_a_token_may_come_without_a_refresh_token(value: Any) -> None:
    """Then there is nothing to refresh with, and no expiry of it."""
    token = answer("token", changed(TOKEN, refresh_token=value))
    assert "refresh_token" not in token
    assert "refresh_expires_at" not in token


def test_a_refresh_without_a_new_refresh_token_keeps_the_old_one() -> None:
    """RFC 6749 section 6, and with the old one its own expiry."""
    token = answer("refresh", changed(TOKEN, refresh_token=None))
    assert token["refresh_token"] == "old-refresh"
    assert token["refresh_expires_at"] == NOW + 100


@pytest.mark.parametrize("odd", ["\ud800", "\0"])
def test_what_no_database_can_hold_costs_no_key(odd: str) -> None:
    """Half a character, and PostgreSQL's texts take no NUL: the name is not worth the secret."""
    data = {"apiName": f"a{odd}b", "apiKey": "k", "secret": "s", "passphrase": "p"}
    assert answer("create_api_key", {"success": True, "data": data}).api_name == "a?b"


@pytest.mark.parametrize("operation", ["token", "refresh"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("access_token", None),
        ("access_token", ""),
        ("access_token", 5),
        ("access_token", ["new-access"]),
        ("access_token", "with space"),
        ("access_token", "with\r\nX-Header: 1"),
        ("access_token", "\ud800"),
        ("refresh_token", 5),
        ("refresh_token", "a\nb"),
        ("token_type", "mac"),
        ("token_type", 5),
        ("expires_in", "soon"),
        ("expires_in", "٣٦٠٠"),
        ("expires_in", "99999999999"),
        ("expires_in", -1),
        ("expires_in", 0),
        ("expires_in", 10**30),
        ("expires_in", 1.5),
        ("expires_in", True),
        ("expires_in", []),
        ("scope", 5),
        ("scope", [5]),
        ("scope", {}),
        ("success", "true"),
        ("success", 1),
    ],
)
def test_a_token_with_a_field_of_the_wrong_type_is_none(
    operation: str, field: str, value: Any
) -> None:
    """Not one of its fields is used then."""
    assert type(failure(operation, changed(TOKEN, **{field: value}))) is MalformedResponse


def test_an_explicit_null_success_is_no_success() -> None:
    """It is there, and it is not true."""
    assert type(failure("token", {**TOKEN, "success": None})) is MalformedResponse


# --- validation -------------------------------------------------------------------------------


@pytest.mark.parametrize("is_valid", [True, False])
def test_validity_is_what_kucoin_says(is_valid: bool) -> None:  # noqa: FBT001 - the very value
    """Section 7.4."""
    assert answer("validate", {"access_token": "x", "is_valid": is_valid}) is is_valid


@pytest.mark.parametrize("is_valid", [None, "true", 1, 0, [], {}])
def test_validity_is_a_boolean_or_nothing(is_valid: Any) -> None:
    """A string "false" must not read as true."""
    assert type(failure("validate", {"is_valid": is_valid})) is MalformedResponse


# --- keys -------------------------------------------------------------------------------------


def test_a_new_key() -> None:
    """Section 4."""
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
def test_lists_of_a_key_come_as_string_or_list(value: Any, read: tuple[str, ...]) -> None:
    """The document prints a bare comma list, which is not even JSON. No key is lost over it."""
    key = answer("create_api_key", changed(NEW_KEY, authGroup=value, ipWhiteList=value))
    assert key.permissions == frozenset(read)
    assert key.ip_whitelist == read


def test_a_key_with_odd_trimmings_is_kept() -> None:
    """It works, and its secret comes only once."""
    key = answer("create_api_key", changed(NEW_KEY, apiName=5, brokerId=["b"]))
    assert (key.api_key, key.api_name, key.broker_id) == ("k", "", "")


@pytest.mark.parametrize("name", ["apiKey", "secret", "passphrase"])
@pytest.mark.parametrize("value", [None, "", 5, "a\nb"])
def test_a_key_without_all_three_credentials_may_exist_all_the_same(name: str, value: Any) -> None:
    """The message names what is missing and sends the user to KuCoin's page."""
    error = failure("create_api_key", changed(NEW_KEY, **{name: value}))
    assert type(error) is ApiKeyOutcomeUnknown
    assert name in str(error)
    assert "API management" in str(error)
    assert not error.retry


@pytest.mark.parametrize(
    "body",
    [
        {**NEW_KEY, "data": None},
        {**NEW_KEY, "data": []},
        {"success": True},
        {"code": "200", "data": NEW_KEY["data"]},
        {**NEW_KEY, "success": "true"},
        {},
    ],
)
def test_an_answer_that_is_no_key_leaves_the_outcome_unknown(body: Any) -> None:
    """Only an envelope that says true, with a key in it, is a key."""
    assert type(failure("create_api_key", body)) is ApiKeyOutcomeUnknown


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
def test_a_refused_key_has_the_name_of_its_reason(
    code: Any, msg: str | None, kind: type[KuCoinError]
) -> None:
    """Two texts are documented and no code, so the texts are matched and the code is kept."""
    error = failure("create_api_key", {"success": False, "code": code, "msg": msg, "retry": True})
    assert type(error) is kind
    assert (error.code, error.msg, error.retry, error.status) == (
        None if code is None else str(code),
        msg,
        True,
        200,
    )


# --- key info ---------------------------------------------------------------------------------


def test_the_description_of_a_key() -> None:
    """KuCoin's REST API: the uid as a string, the time with its zone."""
    assert answer("api_key_info", INFO) == ApiKeyInfo(
        uid="165111215",
        permissions=frozenset({"General", "Spot"}),
        ip_whitelist=("203.0.113.1",),
        is_master=True,
        sub_name=None,
        created_at=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        api_version=3,
        remark="broker-1",
        api_key="k",
    )


def test_a_description_may_be_short() -> None:
    """Only uid and permission are asked for; of a sub-account comes its name."""
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
        ("ipWhitelist", 5),
        ("isMaster", "yes"),
        ("isMaster", 1),
        ("subName", 5),
        ("createdAt", "now"),
        ("createdAt", 10**30),
        ("createdAt", True),
        ("apiVersion", "3"),
        ("remark", 5),
        ("apiKey", 5),
    ],
)
def test_a_description_with_a_field_of_the_wrong_type_is_none(field: str, value: Any) -> None:
    """What a key may do is not guessed at."""
    assert type(failure("api_key_info", changed(INFO, **{field: value}))) is MalformedResponse


@pytest.mark.parametrize("data", [None, [], "x"])
def test_a_description_is_an_object(data: Any) -> None:
    """An envelope without one says nothing."""
    assert type(failure("api_key_info", {"code": "200000", "data": data})) is MalformedResponse


# --- failures that every call can have -----------------------------------------------------

REFUSED = {
    "token": TokenError,
    "refresh": TokenError,
    "validate": TokenError,
    "create_api_key": ApiKeyError,
    "api_key_info": ApiKeyError,
}


def untrusted(operation: str, kind: type[KuCoinError]) -> type[KuCoinError]:
    """Return what a kind of failure is called where a key may have been created."""
    return ApiKeyOutcomeUnknown if operation == "create_api_key" else kind


@every_operation
@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_an_envelope_that_says_no_is_a_refusal(operation: str, status: int) -> None:
    """Errors come with HTTP 200: success is read first, whether a token stands beside it or not."""
    no = {"success": False, "code": "40001", "msg": "no", "retry": False}
    error = failure(operation, {**GOOD[operation], **no}, status)
    assert type(error) is REFUSED[operation]
    assert (error.code, error.msg, error.retry, error.status) == ("40001", "no", False, status)
    assert "code 40001: no" in str(error)


@every_operation
@pytest.mark.parametrize("status", [200, 400])
def test_an_oauth_error_is_a_refusal(operation: str, status: int) -> None:
    """RFC 6749 section 5.2, which gateways in front of KuCoin may speak."""
    body = {"error": "invalid_client", "error_description": "who?"}
    error = failure(operation, body, status)
    assert type(error) is REFUSED[operation]
    assert (error.code, error.msg, error.status) == ("invalid_client", "who?", status)


@every_operation
def test_a_gateways_envelope_without_success_is_a_refusal(operation: str) -> None:
    """The REST gateway's has a code and no success; its good code is 200000."""
    error = failure(operation, {"code": 400006, "msg": "wrong ip"})
    assert type(error) is REFUSED[operation]
    assert (error.code, error.msg) == ("400006", "wrong ip")


@every_operation
@pytest.mark.parametrize("body", [{}, {"status": 403}, {"code": True}, {"success": True}])
def test_a_status_that_says_no_is_a_refusal_whatever_the_object(operation: str, body: Any) -> None:
    """HTTP has said it."""
    assert type(failure(operation, body, 403)) is REFUSED[operation]


@every_operation
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>slow down</html>", 429), ({"success": True}, 429), ({"code": "429000"}, 200)],
)
def test_too_many_requests_can_be_tried_again(operation: str, body: Any, status: int) -> None:
    """A key was not created then, either: KuCoin did not let the request in."""
    error = failure(operation, body, status)
    assert type(error) is KuCoinUnavailable
    assert error.retry
    assert error.status == status


@every_operation
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("good", [True, False])
def test_a_server_error_is_unavailable(operation: str, status: int, good: bool) -> None:  # noqa: FBT001 - a case
    """Whatever its body says; but a key may have been created before it failed."""
    error = failure(operation, GOOD[operation] if good else b"<html>", status)
    assert type(error) is untrusted(operation, KuCoinUnavailable)
    assert error.status == status


@every_operation
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><title>Sign in</title></html>",
        b"[]",
        b"[1, 2]",
        b'"text"',
        b"5",
        b"null",
        b'{"access_token": "x"',
        b'{"expires_in": NaN}',
        b'{"expires_in": Infinity}',
        b'{"expires_in": ' + b"1" * 5000 + b"}",
        b"\xff\xfe\x00",
        b'{"a": "\xff"}',
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_object_is_malformed(operation: str, body: bytes) -> None:
    """HTML, nothing, a list, broken or absurdly deep JSON: nothing untyped escapes."""
    assert type(failure(operation, body)) is untrusted(operation, MalformedResponse)


@every_operation
@pytest.mark.parametrize("status", [204, 301, 302, 404])
def test_a_status_without_json_is_malformed(operation: str, status: int) -> None:
    """A redirect is not followed, so it is an answer like any other."""
    error = failure(operation, b"", status)
    assert type(error) is untrusted(operation, MalformedResponse)
    assert error.status == status


@every_operation
@pytest.mark.parametrize("sent", [True, False])
def test_no_answer_is_unavailable(operation: str, sent: bool) -> None:  # noqa: FBT001 - a case
    """Unless a key may have been created: that depends on whether the request left."""
    with pytest.raises(KuCoinError) as caught:
        CALLS[operation].unanswered("the line is dead", sent=sent)
    kind = untrusted(operation, KuCoinUnavailable) if sent else KuCoinUnavailable
    assert type(caught.value) is kind
    assert "the line is dead" in str(caught.value)
    assert caught.value.status is None
    assert caught.value.retry is (kind is KuCoinUnavailable)


@pytest.mark.parametrize(
    ("code", "msg"),
    [
        ("invalid_grant", "whatever"),
        ("40001", "refresh token has expired"),
        ("40001", "Refresh_Token is invalid"),
        ("40001", "the refresh token was already used"),
        ("40001", "refreshToken does not exist"),
        ("40001", "Invalid refresh token"),
    ],
)
def test_a_refresh_token_that_is_known_to_be_spent(code: str, msg: str) -> None:
    """Trying again is pointless: only the user can help."""
    error = failure("refresh", {"success": False, "code": code, "msg": msg})
    assert type(error) is ReauthorizationRequired


@pytest.mark.parametrize("msg", [None, "", "system busy", "invalid scope"])
def test_any_other_refused_refresh_says_nothing_about_the_refresh_token(msg: str | None) -> None:
    """The user is not sent away for a hiccup."""
    assert type(failure("refresh", {"success": False, "code": "1", "msg": msg})) is TokenError


# --- KuCoin's own words -----------------------------------------------------------------------

SECRETS = {
    "token": ("auth-code", "client-secret"),
    "refresh": ("old-refresh", "old-access"),
    "validate": ("old-access",),
    "create_api_key": ("old-access",),
    "api_key_info": ("key-secret", "key-passphrase"),
}


@every_operation
def test_what_kucoin_repeats_is_redacted(operation: str) -> None:
    """In code and message alike, even if they echo the whole request."""
    for secret in SECRETS[operation]:
        body = {"success": False, "code": f"E-{secret}", "msg": f"bad value '{secret}'!"}
        error = failure(operation, body)
        seen = f"{error} {error!r} {error.args} {vars(error)}"
        assert secret not in seen
        assert "bad value '***'!" in str(error)


def test_kucoins_words_cannot_forge_a_log_line_or_fill_the_log() -> None:
    """Control characters are gone and the length is bounded."""
    error = failure("token", {"success": False, "code": "1", "msg": "a\r\nERROR b" + "x" * 999})
    assert "\n" not in str(error)
    assert "\r" not in str(error)
    assert error.msg is not None
    assert len(error.msg) == 300


def test_an_error_never_quotes_the_answer() -> None:
    """A token answer that is not quite one may hold a real token all the same."""
    error = failure("token", {**TOKEN, "expires_in": "soon"})
    assert "new-access" not in f"{error} {vars(error)}"

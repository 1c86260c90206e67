"""Each kind of failure has the same error class in every call, and shows no secret."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from authlib_kucoin import (
    AddressNotAllowed,
    ApiKeyError,
    ApiKeyOutcomeUnknown,
    KuCoinError,
    KuCoinUnavailable,
    MalformedResponse,
    ReauthorizationRequired,
    TokenError,
)
from tests.unit.answers import (
    CALLS,
    GOOD,
    TOKEN,
    every_operation,
    failure,
)

REFUSED = {
    "token": TokenError,
    "refresh": TokenError,
    "validate": TokenError,
    "create_api_key": ApiKeyError,
    "api_key_info": ApiKeyError,
}


def untrusted(operation: str, kind: type[KuCoinError]) -> type[KuCoinError]:
    """Return the expected class: for a key, ``ApiKeyOutcomeUnknown`` replaces the kind."""
    return ApiKeyOutcomeUnknown if operation == "create_api_key" else kind


@every_operation
@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_an_envelope_that_says_no_is_a_refusal(operation: str, status: int) -> None:
    """Errors come with HTTP 200: ``success`` counts, even if a token is next to it."""
    no = {"success": False, "code": "40001", "msg": "no", "retry": False}
    error = failure(operation, {**GOOD[operation], **no}, status)
    assert type(error) is REFUSED[operation]
    assert (error.code, error.msg, error.retry, error.status) == ("40001", "no", False, status)
    assert "code 40001: no" in str(error)


@every_operation
@pytest.mark.parametrize("status", [200, 400])
def test_an_oauth_error_is_a_refusal(operation: str, status: int) -> None:
    """RFC 6749, section 5.2; gateways in front of KuCoin may use it."""
    body = {"error": "invalid_client", "error_description": "who?"}
    error = failure(operation, body, status)
    assert type(error) is REFUSED[operation]
    assert (error.code, error.msg, error.status) == ("invalid_client", "who?", status)


@every_operation
def test_a_gateways_envelope_without_success_is_a_refusal(operation: str) -> None:
    """The REST gateway sends no ``success``; its code for success is 200000."""
    error = failure(operation, {"code": 400006, "msg": "wrong ip"})
    kind = AddressNotAllowed if operation == "api_key_info" else REFUSED[operation]
    assert type(error) is kind
    assert (error.code, error.msg) == ("400006", "wrong ip")


@every_operation
@pytest.mark.parametrize("body", [{}, {"status": 403}, {"code": True}, {"data": {}}])
def test_a_status_that_says_no_is_a_refusal_whatever_the_object(operation: str, body: Any) -> None:
    """The status decides."""
    assert type(failure(operation, body, 403)) is REFUSED[operation]


@every_operation
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>slow down</html>", 429), ({"success": True}, 429), ({"code": "429000"}, 200)],
)
def test_too_many_requests_can_be_tried_again(operation: str, body: Any, status: int) -> None:
    """KuCoin rejected the request before it could create a key."""
    error = failure(operation, body, status)
    assert type(error) is KuCoinUnavailable
    assert error.retry
    assert error.status == status


@every_operation
@pytest.mark.parametrize("status", [429, 302, 500, 503])
def test_what_kucoin_says_beside_a_status_is_kept(operation: str, status: int) -> None:
    """The status decides the class; code and message are kept for the log and KuCoin's support."""
    body = {"success": False, "code": "E-7", "msg": "closed for an hour", "retry": True}
    error = failure(operation, body, status)
    assert (error.code, error.msg, error.status) == ("E-7", "closed for an hour", status)
    assert "(code E-7: closed for an hour)" in str(error)
    # Even if KuCoin says "retry": a key that may exist must not be asked for again.
    assert error.retry is not isinstance(error, ApiKeyOutcomeUnknown)


@every_operation
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("good", [True, False])
def test_a_server_error_is_unavailable(operation: str, status: int, good: bool) -> None:
    """The body does not matter. But a key may have been created before the server failed."""
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
    """HTML, nothing, a list, broken or absurdly deep JSON: no error of another kind escapes."""
    assert type(failure(operation, body)) is untrusted(operation, MalformedResponse)


@every_operation
@pytest.mark.parametrize("status", [204, 301, 302, 404])
def test_a_status_without_json_is_malformed(operation: str, status: int) -> None:
    """Redirects are not followed, so they count as answers."""
    error = failure(operation, b"", status)
    assert type(error) is untrusted(operation, MalformedResponse)
    assert error.status == status


@every_operation
@pytest.mark.parametrize("sent", [True, False])
def test_no_answer_is_unavailable(operation: str, sent: bool) -> None:
    """If a key may have been created, it depends on whether the request was sent."""
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
    """The user is not asked to log in again for a temporary failure."""
    assert type(failure("refresh", {"success": False, "code": "1", "msg": msg})) is TokenError


SECRETS = {
    "token": ("auth-code", "client-secret"),
    "refresh": ("old-refresh", "old-access"),
    "validate": ("old-access",),
    "create_api_key": ("old-access",),
    "api_key_info": ("key-secret", "key-passphrase"),
}


@every_operation
def test_what_kucoin_repeats_is_redacted(operation: str) -> None:
    """In code and message, even if they repeat the whole request."""
    for secret in SECRETS[operation]:
        body = {"success": False, "code": f"E-{secret}", "msg": f"bad value '{secret}'!"}
        error = failure(operation, body)
        seen = f"{error} {error!r} {error.args} {vars(error)}"
        assert secret not in seen
        assert "bad value '***'!" in str(error)


def test_kucoins_words_cannot_forge_a_log_line_or_fill_the_log() -> None:
    """Control characters are removed and the length is limited."""
    error = failure("token", {"success": False, "code": "1", "msg": "a\r\nERROR b" + "x" * 999})
    assert "\n" not in str(error)
    assert "\r" not in str(error)
    assert error.msg is not None
    assert len(error.msg) == 300


def test_an_error_never_quotes_the_answer() -> None:
    """An almost correct token answer may contain a real token."""
    error = failure("token", {**TOKEN, "expires_in": "soon"})
    assert "new-access" not in f"{error} {vars(error)}"


@every_operation
def test_a_doubled_member_is_not_believed(operation: str) -> None:
    """JSON readers keep the last of the two, so a refusal could read as a key."""
    good = json.dumps(GOOD[operation])
    for doubled in (
        f'{{"success": false, {good[1:]}'.replace("{{", "{"),
        good.replace("{", '{"x": 1, "x": 2, ', 1),
    ):
        if doubled.count('"success"') == 1:
            continue  # the good answer has no `success`
        error = failure(operation, doubled.encode())
        assert type(error) is untrusted(operation, MalformedResponse)
        assert "a member twice" in str(error)


@every_operation
@pytest.mark.parametrize(
    "piece", ["apikey ", "api key", "refresh token ", "repeated ", " ", "a", "%41", "&amp;", "\\"]
)
def test_a_long_message_is_read_in_no_time(operation: str, piece: str) -> None:
    """An earlier pattern took 77 s for 300 kB of "apikey ", and blocked all threads."""
    msg = (piece * 1_000_000)[:900_000]
    began = time.process_time()
    error = failure(operation, {"success": False, "code": "1", "msg": msg})
    assert time.process_time() - began < 1
    assert error.msg is None or len(error.msg) <= 300

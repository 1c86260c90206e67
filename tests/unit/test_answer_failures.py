"""Which error a call raises for a refusal, a bad or no answer; what the error must not show."""

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


def expected_class(operation: str, kind: type[KuCoinError]) -> type[KuCoinError]:
    """Return ``ApiKeyOutcomeUnknown`` for a request for a key, and ``kind`` for any other call."""
    return ApiKeyOutcomeUnknown if operation == "create_api_key" else kind


@every_operation
@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_success_false_is_a_refusal(operation: str, status: int) -> None:
    """``success: false`` is a refusal even with HTTP 200 and beside a full result.

    With the other statuses, the error is the same.
    """
    no = {"success": False, "code": "40001", "msg": "no", "retry": False}
    error = failure(operation, {**GOOD[operation], **no}, status)
    assert type(error) is REFUSED[operation]
    assert (error.code, error.msg, error.retry, error.status) == ("40001", "no", False, status)
    assert "code 40001: no" in str(error)


@every_operation
@pytest.mark.parametrize("status", [200, 400])
def test_an_oauth_error_is_a_refusal(operation: str, status: int) -> None:
    """An error as in RFC 6749, section 5.2, is a refusal, with status 200 or 400."""
    body = {"error": "invalid_client", "error_description": "who?"}
    error = failure(operation, body, status)
    assert type(error) is REFUSED[operation]
    assert (error.code, error.msg, error.status) == ("invalid_client", "who?", status)


@every_operation
def test_error_code_without_success_field_is_a_refusal(operation: str) -> None:
    """Without ``success``, an answer whose code is 400006 is a refusal."""
    error = failure(operation, {"code": 400006, "msg": "wrong ip"})
    kind = AddressNotAllowed if operation == "api_key_info" else REFUSED[operation]
    assert type(error) is kind
    assert (error.code, error.msg) == ("400006", "wrong ip")


@every_operation
@pytest.mark.parametrize("body", [{}, {"status": 403}, {"code": True}, {"data": {}}])
def test_http_403_without_a_result_is_a_refusal(operation: str, body: Any) -> None:
    """HTTP 403 with each of these JSON objects, which hold no result, is a refusal."""
    assert type(failure(operation, body, 403)) is REFUSED[operation]


@every_operation
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>slow down</html>", 429), ({"success": True}, 429), ({"code": "429000"}, 200)],
)
def test_too_many_requests_can_be_tried_again(operation: str, body: Any, status: int) -> None:
    """HTTP 429 or code 429000 raises ``KuCoinUnavailable``, even if a key was asked for."""
    error = failure(operation, body, status)
    assert type(error) is KuCoinUnavailable
    assert error.retry
    assert error.status == status


@every_operation
@pytest.mark.parametrize("status", [429, 302, 500, 503])
def test_code_and_message_are_kept_if_the_status_decides(operation: str, status: int) -> None:
    """These statuses decide the class of the error, which keeps KuCoin's code and message."""
    body = {"success": False, "code": "E-7", "msg": "closed for an hour", "retry": True}
    error = failure(operation, body, status)
    assert type(error) is not REFUSED[operation]
    assert (error.code, error.msg, error.status) == ("E-7", "closed for an hour", status)
    assert "(code E-7: closed for an hour)" in str(error)
    # The error's `retry` is true, as in the answer, unless a key may exist already.
    assert error.retry is not isinstance(error, ApiKeyOutcomeUnknown)


@every_operation
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("good", [True, False])
def test_a_server_error_is_unavailable(operation: str, status: int, good: bool) -> None:
    """HTTP 5xx raises ``KuCoinUnavailable``, or ``ApiKeyOutcomeUnknown`` if a key was asked for."""
    error = failure(operation, GOOD[operation] if good else b"<html>", status)
    assert type(error) is expected_class(operation, KuCoinUnavailable)
    assert error.status == status
    assert f"it failed with HTTP {status}" in str(error)


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
def test_body_that_is_not_a_json_object_is_malformed(operation: str, body: bytes) -> None:
    """With HTTP 200, a body that cannot be read as a JSON object raises ``MalformedResponse``.

    If a key was asked for, the error is ``ApiKeyOutcomeUnknown``.
    """
    error = failure(operation, body)
    assert type(error) is expected_class(operation, MalformedResponse)
    assert "JSON" in str(error)


@every_operation
@pytest.mark.parametrize("status", [204, 404])
def test_empty_body_is_malformed(operation: str, status: int) -> None:
    """With each of these statuses, an empty body raises ``MalformedResponse``.

    If a key was asked for, the error is ``ApiKeyOutcomeUnknown``.
    """
    error = failure(operation, b"", status)
    assert type(error) is expected_class(operation, MalformedResponse)
    assert error.status == status
    assert "not JSON" in str(error)


@every_operation
@pytest.mark.parametrize("sent", [True, False])
def test_no_answer_is_unavailable(operation: str, sent: bool) -> None:
    """If a sent request for a key gets no answer, the error is ``ApiKeyOutcomeUnknown``.

    For any other call, or if nothing was sent, the error is ``KuCoinUnavailable``.
    """
    with pytest.raises(KuCoinError) as caught:
        CALLS[operation].unanswered("the line is dead", sent=sent)
    kind = expected_class(operation, KuCoinUnavailable) if sent else KuCoinUnavailable
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
def test_spent_refresh_token_requires_reauthorization(code: str, msg: str) -> None:
    """Each of these refusals raises ``ReauthorizationRequired``: the user has to log in again."""
    error = failure("refresh", {"success": False, "code": code, "msg": msg})
    assert type(error) is ReauthorizationRequired


@pytest.mark.parametrize("msg", [None, "", "system busy", "invalid scope"])
def test_other_refused_refresh_is_a_plain_token_error(msg: str | None) -> None:
    """Each of these refusals raises a plain ``TokenError``: none is about the refresh token."""
    assert type(failure("refresh", {"success": False, "code": "1", "msg": msg})) is TokenError


SECRETS = {
    "token": ("auth-code", "client-secret"),
    "refresh": ("old-refresh", "old-access"),
    "validate": ("old-access",),
    "create_api_key": ("old-access",),
    "api_key_info": ("key-secret", "key-passphrase"),
}


@every_operation
def test_secrets_repeated_by_kucoin_are_masked(operation: str) -> None:
    """If KuCoin's code and message repeat a secret of the call, the error masks it in both."""
    for secret in SECRETS[operation]:
        body = {"success": False, "code": f"E-{secret}", "msg": f"bad value '{secret}'!"}
        error = failure(operation, body)
        seen = f"{error} {error!r} {error.args} {vars(error)}"
        assert secret not in seen
        assert (error.code, error.msg) == ("E-***", "bad value '***'!")


def test_message_cannot_forge_or_flood_the_log() -> None:
    """No line break of KuCoin's message is shown, and at most 300 characters of it are kept."""
    error = failure("token", {"success": False, "code": "1", "msg": "a\r\nERROR b" + "x" * 999})
    assert "\n" not in str(error)
    assert "\r" not in str(error)
    assert error.msg is not None
    assert len(error.msg) == 300


def test_error_about_a_bad_field_hides_the_token() -> None:
    """The error about a bad ``expires_in`` does not quote ``msg``, which can hold the new token."""
    error = failure("token", {**TOKEN, "expires_in": "soon", "msg": "take new-access"})
    assert "new-access" not in f"{error} {vars(error)}"


@every_operation
def test_duplicate_json_member_is_malformed(operation: str) -> None:
    """JSON with a member twice is malformed; Python's reader alone would keep the second value.

    If a key was asked for, the error is ``ApiKeyOutcomeUnknown``.
    """
    doubled = json.dumps(GOOD[operation]).replace("{", '{"x": 1, "x": 2, ', 1)
    error = failure(operation, doubled.encode())
    assert type(error) is expected_class(operation, MalformedResponse)
    assert "a member twice" in str(error)


@every_operation
@pytest.mark.parametrize(
    "piece", ["apikey ", "api key", "refresh token ", "repeated ", " ", "a", "%41", "&amp;", "\\"]
)
def test_long_message_is_read_quickly(operation: str, piece: str) -> None:
    """A refusal with a message of 900,000 characters is read in under 1 s of CPU time."""
    msg = (piece * 1_000_000)[:900_000]
    began = time.process_time()
    error = failure(operation, {"success": False, "code": "1", "msg": msg})
    assert time.process_time() - began < 1
    assert error.msg is None or len(error.msg) <= 300

"""Which answers are read as a token or its validity; odd characters in the name of a key."""

from __future__ import annotations

from typing import Any

import pytest

from authlib_kucoin import (
    MalformedResponse,
)
from tests.unit.answers import (
    NOW,
    TOKEN,
    answer,
    changed,
    failure,
)


@pytest.mark.parametrize("operation", ["token", "refresh"])
def test_token_has_text_scope_and_both_expiry_times(operation: str) -> None:
    """The list of scopes becomes a string; both expiry times count from the answer's arrival."""
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
    """Scope, type and lifetime may be missing or written in these other ways."""
    assert answer("token", changed(TOKEN, **{field: value}))[field] == read


@pytest.mark.parametrize("value", [None, "", False])
def test_a_token_may_come_without_a_refresh_token(value: Any) -> None:
    """Without a refresh token, the token has no ``refresh_expires_at`` either."""
    token = answer("token", changed(TOKEN, refresh_token=value))
    assert "refresh_token" not in token
    assert "refresh_expires_at" not in token


def test_a_refresh_without_a_new_refresh_token_keeps_the_old_one() -> None:
    """The new pair takes over the old refresh token and its expiry time (RFC 6749, section 6)."""
    token = answer("refresh", changed(TOKEN, refresh_token=None))
    assert token["refresh_token"] == "old-refresh"
    assert token["refresh_expires_at"] == NOW + 100


@pytest.mark.parametrize("odd", ["\ud800", "\0"])
def test_unstorable_character_in_key_name_is_replaced(odd: str) -> None:
    """A lone surrogate or a NUL in a key's name, which some databases reject, is read as ``?``."""
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
        ("expires_in", 0.5),
        ("expires_in", True),
        ("expires_in", []),
        ("scope", 5),
        ("scope", [5]),
        ("scope", {}),
        ("success", "true"),
        ("success", 1),
    ],
)
def test_token_with_a_field_of_wrong_type_is_malformed(
    operation: str, field: str, value: Any
) -> None:
    """A missing access token, or one field with a wrong value, makes the whole answer malformed."""
    assert type(failure(operation, changed(TOKEN, **{field: value}))) is MalformedResponse


@pytest.mark.parametrize("operation", ["token", "refresh"])
@pytest.mark.parametrize("name", ["success", "token_type", "expires_in", "scope"])
def test_null_field_of_a_token_counts_as_missing(operation: str, name: str) -> None:
    """Each of these fields counts as missing if it is ``null``, so the token is still read."""
    token = answer(operation, {**TOKEN, name: None})
    assert token["access_token"] == "new-access"
    assert token["expires_in"] == 3600
    assert token["scope"] == "OAUTH_CREATE_API"


@pytest.mark.parametrize("value", [3600, 3600.0, 3600.9, "3600", "3600.0"])
def test_expires_in_may_be_int_float_or_text(value: Any) -> None:
    """``expires_in`` may be an int, a float or decimal text; it is read as an int."""
    token = answer("token", {**TOKEN, "expires_in": value})
    assert (token["expires_in"], token["expires_at"]) == (3600, NOW + 3600)
    assert type(token["expires_in"]) is type(token["expires_at"]) is int


@pytest.mark.parametrize("is_valid", [True, False])
def test_validity_is_read_from_is_valid(is_valid: bool) -> None:
    """The result is ``is_valid``, whether or not the answer repeats the access token."""
    assert answer("validate", {"access_token": "old-access", "is_valid": is_valid}) is is_valid
    assert answer("validate", {"is_valid": is_valid}) is is_valid


def test_the_validity_of_another_token_is_refused() -> None:
    """An answer that names another access token is malformed: it belongs to another request."""
    error = failure("validate", {"access_token": "another", "is_valid": True})
    assert type(error) is MalformedResponse
    assert "the answer to another request" in str(error)


@pytest.mark.parametrize("is_valid", [None, "true", 1, 0, [], {}])
def test_validity_that_is_not_a_boolean_is_malformed(is_valid: Any) -> None:
    """An ``is_valid`` that is not a boolean makes the answer malformed."""
    assert type(failure("validate", {"is_valid": is_valid})) is MalformedResponse

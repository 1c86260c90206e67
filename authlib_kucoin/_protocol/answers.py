"""Turns the fields of KuCoin's JSON answers into results, and some refusals into error classes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from authlib_kucoin._errors import (
    ApiKeyError,
    ApiKeyLimitReached,
    ApiKeyNameTaken,
    KuCoinError,
    PermissionMismatch,
    ReauthorizationRequired,
    TokenError,
)
from authlib_kucoin._models import (
    ACCESS_TOKEN_LIFETIME,
    REFRESH_TOKEN_LIFETIME,
    ApiKey,
    ApiKeyInfo,
    KuCoinToken,
    whole_seconds,
)

from .call import Unreadable, is_visible

T = TypeVar("T")

#: An ``expires_in`` has to be below this, in seconds (some 300 years).
_LONGEST_LIFETIME: Final = 10**10
#: How many characters of KuCoin's error message are searched for known words.
_LONGEST_MATCHED: Final = 500
#: If a message about a refresh token has a word with one of these beginnings, then the refresh
#: token no longer works.
_SPENT: Final = ("expired", "invalid", "used", "revoked", "exist")


def read_token(fields: dict[str, Any], requested_scope: str, now: float) -> KuCoinToken:
    """Read an answer with a token (document sections 7.2 and 7.3).

    Args:
        fields: The JSON object.
        requested_scope: The token's scope if the answer has no ``scope`` (RFC 6749 section 5.1).
        now: When the answer arrived, in seconds since the epoch. The lifetimes of the access
            token and of the refresh token count from then.

    Raises:
        Unreadable: If the access token is missing, a mask or not visible ASCII, or if another field
            cannot be used.
    """
    if not is_visible(fields.get("access_token")):
        raise Unreadable("it answered without an access token")
    token_type = fields.get("token_type", "bearer")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise Unreadable("its token_type is not bearer")
    scope = scope_text(fields.get("scope", requested_scope))
    if scope is None:
        raise Unreadable("its scope is neither a list nor a string of scopes")
    expires_in = _lifetime(fields.get("expires_in", ACCESS_TOKEN_LIFETIME))
    token = {
        "access_token": fields["access_token"],
        "token_type": token_type,
        "expires_in": expires_in,
        "expires_at": int(now) + expires_in,
        "scope": scope,
    }
    if fields.get("refresh_token"):
        if not is_visible(fields["refresh_token"]):
            raise Unreadable("its refresh_token is not a token")
        token["refresh_token"] = fields["refresh_token"]
        token["refresh_expires_at"] = int(now) + REFRESH_TOKEN_LIFETIME
    return KuCoinToken(token)


def read_validity(fields: dict[str, Any], *, access_token: str) -> bool:
    """Read the answer to a validation (document section 7.4).

    Args:
        fields: The JSON object.
        access_token: The access token in the request.

    Raises:
        Unreadable: If ``is_valid`` is missing or no boolean, or the answer names another token.
    """
    _belongs(fields.get("access_token"), access_token)
    is_valid = fields.get("is_valid")
    if not isinstance(is_valid, bool):
        raise Unreadable("its is_valid is neither true nor false")
    return is_valid


def read_api_key(fields: dict[str, Any]) -> ApiKey:
    """Read the answer with a new API key (document section 4).

    Raises:
        Unreadable: If the answer does not report success with a key, or one of the three
            credentials is missing, a mask, or not visible ASCII.
    """
    data = fields.get("data")
    if fields.get("success") is not True or not isinstance(data, dict):
        raise Unreadable("it answered without a key")
    credentials = ("apiKey", "secret", "passphrase")
    if missing := [name for name in credentials if not is_visible(data.get(name))]:
        raise Unreadable(f"it answered with a key that lacks its {' and '.join(missing)}")
    # All credentials are there. Return them even if other fields are odd, because an error would
    # lose the secret for ever.
    return ApiKey(
        api_name=_word(data.get("apiName")),
        api_key=data["apiKey"],
        secret=data["secret"],
        passphrase=data["passphrase"],
        broker_id=_word(data.get("brokerId")),
        permissions=frozenset(_words(data.get("authGroup"))),
        ip_whitelist=_words(data.get("ipWhiteList")),
    )


def read_api_key_info(fields: dict[str, Any], *, api_key: str) -> ApiKeyInfo:
    """Read the answer with the description of a key (KuCoin's REST API, "Get Apikey Info").

    Args:
        fields: The JSON object.
        api_key: The public half of the key in the request.

    Raises:
        Unreadable: If the answer holds no description or names another key, or if its ``uid`` or
            ``permission`` cannot be used.
    """
    data = fields.get("data")
    if not isinstance(data, dict):
        raise Unreadable("it answered without a key's description")
    _belongs(data.get("apiKey"), api_key)
    uid = _name(data.get("uid"))
    if uid is None:
        raise Unreadable("its uid is not an account's number")
    permissions = data.get("permission")
    if not isinstance(permissions, (str, list)) or not all(isinstance(p, str) for p in permissions):
        raise Unreadable("its permission is neither a list nor a comma-separated string")
    kyc = data.get("kycStatus")
    return ApiKeyInfo(
        uid=uid,
        permissions=frozenset(_words(permissions)),
        ip_whitelist=_words(data.get("ipWhitelist")),
        is_master=_optional(data, "isMaster", bool),
        sub_name=_name(data.get("subName")),
        created_at=_moment(data.get("createdAt")),
        api_version=_optional(data, "apiVersion", int),
        remark=_word(data.get("remark")),
        api_key=_word(data.get("apiKey")),
        expires_at=_moment(data.get("expiredAt")),
        site_type=_name(data.get("siteType")),
        region=_name(data.get("region")),
        parent_uid=_name(data.get("parentUid")),
        kyc_status=_optional(data, "kycStatus", int) if isinstance(kyc, int) else _name(kyc),
        third_party_app=_name(data.get("thirdPartyApp")),
    )


# --- refusals: the document gives two texts, both about keys, and no codes ------------------------


def refresh_refusal(code: str | None, msg: str | None) -> type[KuCoinError]:
    """Return the error class for a refused refresh.

    It is :class:`ReauthorizationRequired` if code or message say that the refresh token no longer
    works, and :class:`TokenError` otherwise.
    """
    said = _beginning(msg)
    about_it = any(name in said for name in ("refresh token", "refresh_token", "refreshtoken"))
    spent = about_it and any(word.startswith(_SPENT) for word in said.split())
    return ReauthorizationRequired if spent or code == "invalid_grant" else TokenError


def _beginning(msg: str | None) -> str:
    """Return the beginning of a message in lower case, with single spaces.

    The callers search the result for plain words. A regular expression over a long message could
    take minutes.
    """
    return " ".join((msg or "")[:_LONGEST_MATCHED].lower().split())


def api_key_refusal(code: str | None, msg: str | None) -> type[KuCoinError]:
    """Return the error class for a refused request for a key.

    The texts about a name and a maximum are from section 4 of the document. Code 40503 with the
    text "risk validation" is reported for the global site.
    """
    said = _beginning(msg)
    joined = said.replace(" ", "")
    if "repeatedapiname" in joined:
        return ApiKeyNameTaken
    if "maximum" in joined.partition("apikey")[2]:
        return ApiKeyLimitReached
    if code == "40503" or "risk validation" in said:
        return PermissionMismatch
    return ApiKeyError


# --- fields -------------------------------------------------------------------------------------


def _belongs(named: object, asked: str) -> None:
    """Raise :class:`Unreadable` if an answer names another token or key than the request."""
    if isinstance(named, str) and named.strip() != asked:
        raise Unreadable("it gave us the answer to another request")


def scope_text(value: object) -> str | None:
    """Return a scope as the RFC's space-separated string.

    Args:
        value: A list or tuple of strings (the document prints a scope as a list), or the
            space-separated string. For anything else, and for characters other than printable
            ASCII, the result is None.
    """
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        value = " ".join(filter(None, value))
    # Only printable ASCII, which includes all characters of RFC 6749 section 3.3.
    return value if isinstance(value, str) and value.isascii() and value.isprintable() else None


def _optional(data: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """Return a field; None if it is missing or has the wrong type.

    Such a field does not raise :class:`Unreadable`, because the other fields are usable.
    """
    value = data.get(name)
    # A bool is an int in Python, but not in JSON.
    return value if isinstance(value, kind) and isinstance(value, bool) == (kind is bool) else None


def _name(value: object) -> str | None:
    """Return a string, or an int as a string; None for a blank string and anything else."""
    number = isinstance(value, int) and not isinstance(value, bool)
    return _word(str(value) if number else value) or None


def _words(value: object) -> tuple[str, ...]:
    """Return the strings in a list or comma-separated string, without blank ones.

    For anything else the result is empty.
    """
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list):
        return ()
    return tuple(word for item in items if (word := _word(item)))


def _word(value: object) -> str:
    if not isinstance(value, str):
        return ""
    # JSON can hold a lone surrogate ("\ud800") or a NUL, which some databases refuse: use "?".
    return value.strip().encode(errors="replace").decode().replace("\0", "?")


def _moment(milliseconds: object) -> datetime | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _lifetime(value: object) -> int:
    seconds = whole_seconds(value)
    if seconds is None or not 0 < seconds < _LONGEST_LIFETIME:
        raise Unreadable("its expires_in is not a number of seconds")
    return seconds

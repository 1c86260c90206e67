"""The calls of KuCoin's Broker Fast API, and the REST call that describes a key.

Section numbers are those of KuCoin's page "Broker Fast API Service" (modified 2026-01-29).
KuCoin deviates from OAuth: the token call is a GET (7.2), the redirect URL must not be encoded
(7.1, 7.2), the refresh is a form POST to another endpoint with the grant type of an authorization
code (7.3), and errors can come with HTTP 200.

Nothing here sends a request: the functions named ``*_call`` return a :class:`Call`, which a client
sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from inspect import isawaitable
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from authlib_kucoin._errors import (
    ApiKeyError,
    ConfigurationError,
    MissingToken,
    ReauthorizationRequired,
    TokenError,
)
from authlib_kucoin._models import ApiKey, ApiKeyInfo, KuCoinToken

from . import answers
from .call import Call, is_visible
from .error_codes import ADVICE, gateway_refusal
from .redirect_uri import check_redirect_uri
from .signing import signed_headers
from .sites import Site

SCOPE: Final = "OAUTH_CREATE_API"

# Ask for no compression, because a small compressed answer can decompress to a huge one.
_JSON: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
_FORM: Final = {**_JSON, "Content-Type": "application/x-www-form-urlencoded"}
_KEY_INFO_PATH: Final = "/api/v1/user/api-key"


def _now() -> float:
    """Return the time in seconds since the epoch.

    This function is the default of ``clock``. ``time.time`` itself is not, because a test could not
    replace it there.
    """
    return time.time()


def authorization_url(
    site: Site,
    *,
    client_id: str | None,
    redirect_uri: object,
    scope: str | None = None,
    state: str,
) -> str:
    """Return the address of the login page (document section 7.1).

    Args:
        site: The site of the user's account.
        client_id: The broker's client id.
        redirect_uri: The callback address, as registered with KuCoin.
        scope: ``OAUTH_CREATE_API`` unless given.
        state: KuCoin returns it in the callback unchanged. The document makes it compulsory.

    Raises:
        UnsafeRedirectURI: If the redirect URI is missing, is not an absolute https URL (http is for
            loopback only), or cannot be sent unencoded.
        ConfigurationError: If the client id is missing or malformed (:func:`checked_setting`).
    """
    return _with_raw_redirect_uri(
        site.authorization_endpoint,
        {"response_type": "code", "client_id": _required_client_id(client_id)},
        redirect_uri,
        {"scope": scope or SCOPE, "state": state},
    )


def token_call(
    site: Site,
    *,
    client_id: str | None,
    client_secret: str | None = None,
    code: str,
    redirect_uri: object,
    clock: Callable[[], float] = _now,
) -> Call[KuCoinToken]:
    """Return the call that exchanges an authorization code for a token (document section 7.2).

    Args:
        site: The site of the login.
        client_id: The broker's client id.
        client_secret: If given, it is sent in the query, as some published clients do. The
            document's parameter table has no client secret.
        code: The authorization code.
        redirect_uri: The same as in the URL of the login page, byte for byte.
        clock: Returns seconds since the epoch. Called when a token is read from the answer.

    Raises:
        UnsafeRedirectURI: If the redirect URI is missing, is not an absolute https URL (http is for
            loopback only), or cannot be sent unencoded.
        ConfigurationError: If the client id is missing, or the client id or the client secret is
            malformed (:func:`checked_setting`).
    """
    last = {"client_id": _required_client_id(client_id)}
    secret = checked_setting("client_secret", client_secret)
    if secret:
        last["client_secret"] = secret
    return Call(
        operation="token",
        action="exchange the authorization code",
        method="GET",
        url=_with_raw_redirect_uri(
            site.token_endpoint,
            {"grant_type": "authorization_code", "code": code},
            redirect_uri,
            last,
        ),
        headers=_JSON,
        secrets=_secrets(code, secret),
        read=lambda fields: answers.read_token(fields, SCOPE, clock()),
        refused=lambda *_: TokenError,
    )


def refresh_call(
    site: Site,
    *,
    token: Mapping[str, Any],
    scope: str | None = None,
    clock: Callable[[], float] = _now,
) -> Call[KuCoinToken]:
    """Return the call that exchanges a refresh token for a new token pair (document section 7.3).

    Args:
        site: The site that issued the token.
        token: The old token pair, with a ``refresh_token``.
        scope: The scope to ask for. If left out, it is the old token's ``scope`` or, without a
            usable one, ``OAUTH_CREATE_API``.
        clock: Returns seconds since the epoch. Called at once if ``token`` has a
            ``refresh_expires_at``, and when a token is read from the answer.

    Raises:
        ReauthorizationRequired: If ``token`` is not a mapping, its refresh token is missing or
            malformed, or ``refresh_expires_at`` has passed.
        TokenError: If a time in ``token`` is not a number of seconds.
    """
    if not isinstance(token, Mapping):
        raise _spent(f"There is no token to refresh ({_kind_of(token)})")
    refresh_token = token.get("refresh_token")
    expires_at = KuCoinToken(token).get("refresh_expires_at")
    if not is_visible(refresh_token):
        raise _spent("The token holds no refresh token")
    if expires_at is not None and expires_at <= clock():
        raise _spent("The refresh token is past its 3 days (document section 6.3)")
    scope = scope or answers.scope_text(token.get("scope")) or SCOPE

    def read(fields: dict[str, Any]) -> KuCoinToken:
        fresh = answers.read_token(fields, scope, clock())
        if "refresh_token" not in fresh:  # the old one then stays in use (RFC 6749 section 6)
            kept = ("refresh_token", "refresh_expires_at")
            fresh.update({name: token[name] for name in kept if name in token})
        return fresh

    return Call(
        operation="refresh",
        action="refresh the token",
        method="POST",
        url=site.refresh_endpoint,
        headers=_FORM,
        body=urlencode(
            {"grant_type": "authorization_code", "refresh_token": refresh_token, "scope": scope}
        ),
        secrets=_secrets(refresh_token, token.get("access_token")),
        read=read,
        refused=answers.refresh_refusal,
    )


def validate_call(site: Site, *, access_token: str) -> Call[bool]:
    """Return the call that asks whether an access token is valid.

    The document describes this call as "work in progress" in section 7.4.
    """
    return Call(
        operation="validate",
        action="validate the token",
        method="POST",
        url=site.validation_endpoint,
        headers=_FORM,
        body=urlencode({"access_token": access_token}),
        secrets=_secrets(access_token),
        read=partial(answers.read_validity, access_token=access_token),
        refused=lambda *_: TokenError,
    )


def create_api_key_call(site: Site, *, access_token: str, body: str = "") -> Call[ApiKey]:
    """Return the call that asks for a new API key (document section 4). Send it only once.

    Args:
        site: The site that issued the token.
        access_token: The access token.
        body: The result of :func:`api_key_body`: empty for Fast API 1, JSON for 2.
    """
    return Call(
        operation="create_api_key",
        action="create an API key",
        method="POST",
        url=site.api_key_endpoint,
        # "bearer" in lower case, as the document prints it.
        headers={
            **_JSON,
            "Content-Type": "application/json" if body else _FORM["Content-Type"],
            "Authorization": f"bearer {access_token}",
        },
        body=body,
        secrets=_secrets(access_token),
        read=answers.read_api_key,
        refused=answers.api_key_refusal,
        creates_key=True,
    )


def api_key_info_call(
    site: Site, *, key: ApiKey, clock: Callable[[], float] = _now
) -> Call[ApiKeyInfo]:
    """Return the call that asks which account and permissions a key has.

    KuCoin's REST API names this call "Get Apikey Info".

    Args:
        site: The site that issued the key.
        key: The credentials to sign with.
        clock: Returns seconds since the epoch. Called at once; KuCoin refuses a time that is more
            than 5 s off.

    Raises:
        ApiKeyError: If a credential is missing or a mask, if the public half has characters other
            than visible ASCII, or if another credential has unprintable characters.
    """
    if not _can_sign(key):
        raise ApiKeyError(
            f"No request can be signed with this ({_kind_of(key)}): pass an ApiKey with all its "
            "credentials, none of them masked.",
            operation="api_key_info",
        )
    target = urlsplit(site.rest).path + _KEY_INFO_PATH
    signature = signed_headers(key, "GET", target, timestamp_ms=int(clock() * 1000))
    return Call(
        operation="api_key_info",
        action="describe the API key",
        method="GET",
        url=site.rest + _KEY_INFO_PATH,
        headers={**_JSON, **site.rest_headers, **signature},
        # The signed values are secret too: the signature is valid for 5 s, and the signed
        # passphrase for as long as the key.
        secrets=_secrets(
            key.secret,
            key.passphrase,
            signature["KC-API-SIGN"],
            signature["KC-API-PASSPHRASE"],
        ),
        read=partial(answers.read_api_key_info, api_key=key.api_key),
        refused=gateway_refusal,
        advice=ADVICE,
    )


def access_token_of(token: Mapping[str, Any] | str | None, operation: str) -> str:
    """Return the access token.

    Args:
        token: A token with an ``access_token``, or the access token itself as a string.
        operation: The call that needs the access token, for the error.

    Raises:
        MissingToken: If the access token is missing or a mask, or has characters other than visible
            ASCII.
    """
    value = token.get("access_token") if isinstance(token, Mapping) else token
    if not is_visible(value):
        raise MissingToken(
            f"There is no access token to send ({_kind_of(token)}): give the token as token=, or "
            "have the user authorize first.",
            operation=operation,
        )
    return value


def _can_sign(key: ApiKey) -> bool:
    values = [getattr(key, name, None) for name in ("api_key", "secret", "passphrase")]
    # Printable text can be encoded for the signature. An encoding error would hold the secret.
    return is_visible(values[0]) and all(
        isinstance(value, str) and value.isprintable() and value.strip("*") for value in values
    )


def _kind_of(value: object) -> str:
    """Describe a value by its type, because the value itself may be secret."""
    if isawaitable(value):
        return f"got a {type(value).__name__}, which has to be awaited"
    return "none was given" if value is None else f"got a {type(value).__name__}"


def _with_raw_redirect_uri(
    endpoint: str, before: Mapping[str, str], redirect_uri: object, after: Mapping[str, str]
) -> str:
    raw = check_redirect_uri(redirect_uri)
    joint = "&" if "?" in endpoint else "?"  # a configured endpoint can have a query already
    return f"{endpoint}{joint}{_query(before)}&redirect_uri={raw}&{_query(after)}"


def _query(parameters: Mapping[str, object]) -> str:
    """Return a query whose values are percent-encoded, except for unreserved characters.

    requests and httpx2 send such a query unchanged. A lone surrogate becomes a question mark.
    """
    return "&".join(
        f"{name}={quote(str(value), safe='', errors='replace')}"
        for name, value in parameters.items()
    )


def _required_client_id(client_id: str | None) -> str:
    checked = checked_setting("client_id", client_id)
    if not checked:
        raise ConfigurationError(
            "No client id is set: pass client_id=, or set KUCOIN_CLIENT_ID. KuCoin sends the "
            "client id after you have submitted your IP addresses and redirect URL (section 2)."
        )
    return checked


def checked_setting(name: str, value: object) -> str | None:
    """Return a setting as a string, or None if it is empty.

    Args:
        name: The setting's name, for error texts.
        value: The setting: a string, or a holder of one such as pydantic's ``SecretStr``.

    Raises:
        ConfigurationError: If the string begins or ends with white space, has an unprintable
            character, or is a mask (only asterisks) in the place of the value.
    """
    holder = getattr(value, "get_secret_value", None)  # pydantic's; str() unwraps Starlette's
    text = str(holder() if callable(holder) else value) if value else ""
    if text != text.strip() or not text.isprintable():
        raise ConfigurationError(
            f"{name} has white space around it, or a line break or control character in it: "
            "remove that."
        )
    if text and not text.strip("*"):
        raise ConfigurationError(f"{name} is a mask ({text}), not the value: unwrap it.")
    return text or None


def _secrets(*values: object) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str) and value)


def _spent(why: str) -> ReauthorizationRequired:
    return ReauthorizationRequired(f"{why}: have the user authorize again.", operation="refresh")

"""The calls of a broker's server: tokens (document section 7) and the API key (section 4).

To refuse a request, the function of a call raises a `Refusal`, or returns KuCoin's error 40503.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from . import _checks
from ._answers import as_json, envelope
from ._http import Request, Response
from ._model import IssuedKey, Pair
from ._permissions import GROUPS
from ._refusal import Refusal, by_kucoin
from ._state import ACCESS_SECONDS, SCOPE, State

#: Cited as the source of what is known from Fast API 2.0 only. The document, which is the EU's,
#: does not describe 2.0.
VERSION_2: Final = "Fast API 2.0, global site"


def token(request: Request, state: State) -> Response:
    """Exchange a code for a pair of tokens (document section 7.2)."""
    options = state.options
    _checks.no_body(request, "7.2")
    _checks.no_authorization(request, "7.2")
    names = ("grant_type", "code", "redirect_uri", "client_id")
    secret = ("client_secret",)
    use = options.client_secret_use or ("required" if options.client_secret else "optional")
    values = _checks.raw_query(
        request,
        options,
        names + secret if use == "required" else names,
        "7.2",
        optional=secret if use == "optional" else (),
    )
    _checks.redirect_uri(values["redirect_uri"], "7.2")
    clear = {
        name: value if name == "redirect_uri" else _checks.decoded(value, name, "7.2")
        for name, value in values.items()
    }
    _checks.equal(clear, "grant_type", "authorization_code", "7.2")
    _checks.known_client(clear["client_id"], options)
    expected = options.client_secret
    if expected is not None and clear.get("client_secret", expected) != expected:
        raise Refusal("wrong_client_secret", "client_secret is wrong", "5")
    return _token_answer(state.redeem_code(clear["code"], clear["redirect_uri"]))


def refresh(request: Request, state: State) -> Response:
    """Exchange a refresh token for a new pair (document section 7.3)."""
    _checks.no_authorization(request, "7.3")
    names = ("grant_type", "refresh_token", "scope")
    values = _checks.form(request, state.options, names, "7.3")
    _checks.equal(values, "grant_type", "authorization_code", "7.3")
    _checks.equal(values, "scope", SCOPE, "7.3")
    return _token_answer(state.rotate(values["refresh_token"]))


def validate(request: Request, state: State) -> Response:
    """Tell whether an access token is valid (document section 7.4)."""
    _checks.no_authorization(request, "7.4")
    values = _checks.form(request, state.options, ("access_token",), "7.4")
    access_token = values["access_token"]
    try:
        state.check_access(access_token)
    except Refusal:
        is_valid = False
    else:
        is_valid = True
    return as_json({"access_token": access_token, "is_valid": is_valid})


def create_api_key(request: Request, state: State) -> Response:
    """Issue an API key with all permissions that the user has granted (document section 4).

    If the option `permission_mismatch` is set, answer with 40503 instead.
    """
    _checks.content_type(request, state.options, _checks.FORM_TYPE, "4")
    _checks.no_query(request, "4")
    _checks.no_body(request, "4")
    grant = state.check_access(bearer_token(request))
    if state.options.permission_mismatch:
        return _risk_validation()
    return _key_answer(state.create_key(grant, grant.permissions), state)


def create_api_key_v2(request: Request, state: State) -> Response:
    """Issue an API key with the permissions that the request asks for (Fast API 2.0).

    Answer with 40503 instead if the user has not granted all these permissions, isAddressbookOnly
    is true, or the option permission_mismatch, permissions_match or futures_opened demands it.
    """
    options = state.options
    content = _checks.json_object(request, options, VERSION_2)
    asked = _asked(content)
    grant = state.check_access(bearer_token(request))
    mismatch = (
        options.permission_mismatch
        or content["isAddressbookOnly"]
        or not set(asked) <= set(grant.permissions)
        or (options.permissions_match == "exact" and set(asked) != set(grant.permissions))
        or ("API_FUTURES" in asked and not options.futures_opened)
    )
    if mismatch:
        return _risk_validation()
    return _key_answer(state.create_key(grant, asked), state)


def _asked(content: dict[str, object]) -> tuple[str, ...]:
    if content.keys() != {"authGroupMap", "isAddressbookOnly"}:
        raise Refusal(
            "wrong_members", "the body must have authGroupMap and isAddressbookOnly", VERSION_2
        )
    groups = content["authGroupMap"]
    if not isinstance(groups, dict) or groups.keys() != set(GROUPS):
        raise Refusal(
            "wrong_groups", f"authGroupMap must name each of {', '.join(GROUPS)}", VERSION_2
        )
    if not all(isinstance(each, bool) for each in (*groups.values(), content["isAddressbookOnly"])):
        raise Refusal(
            "wrong_type",
            "isAddressbookOnly and each value of authGroupMap must be true or false",
            VERSION_2,
        )
    return tuple(name for name in GROUPS if groups[name])


def bearer_token(request: Request) -> str:
    """Return the token of the ``Authorization`` header (document sections 4 and 6.2).

    Raises:
        Refusal: The token is missing, or the scheme is not the lower-case word "bearer".
    """
    header = request.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if not token:
        raise Refusal("no_access_token", "the header 'Authorization: bearer TOKEN' is missing", "4")
    if scheme != "bearer":
        raise Refusal(
            "authorization_scheme",
            "the scheme of the Authorization header must be the lower-case word 'bearer'",
            "4",
        )
    return token


def token_members(pair: Pair) -> dict[str, object]:
    """Return the members of the document's answer to an exchange or a refresh."""
    return {
        "access_token": pair.access_token,
        "token_type": "bearer",
        "expires_in": ACCESS_SECONDS,
        "refresh_token": pair.refresh_token,
        "scope": [SCOPE],
    }


def _token_answer(pair: Pair) -> Response:
    return as_json(token_members(pair))


def _risk_validation() -> Response:
    refused = envelope("40503", "risk validation")
    return replace(refused, result=by_kucoin("40503", "risk validation", VERSION_2))


def _key_answer(key: IssuedKey, state: State) -> Response:
    options = state.options
    data = {
        "apiName": key.api_name,
        "apiKey": key.api_key,
        "secret": key.secret,
        "passphrase": key.passphrase,
        "brokerId": options.broker_id,
        "authGroup": _listed(key.permissions, options.lists),
        "ipWhiteList": _listed(tuple(options.ip_whitelist), options.lists),
    }
    return envelope("200", "success", success=True, data=data)


def _listed(items: tuple[str, ...], style: str) -> str | list[str]:
    return list(items) if style == "list" else ",".join(items)

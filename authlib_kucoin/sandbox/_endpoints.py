"""The calls of a broker's server: tokens (section 7), the API key (section 4), key info."""

from __future__ import annotations

import json
import time
from typing import Any

from . import _checks, _signing
from ._http import Request, Response
from ._refusal import Refusal
from ._state import ACCESS_SECONDS, SCOPE, Pair, State


def token(request: Request, state: State) -> Response:
    """Exchange a code for a pair of tokens (section 7.2)."""
    options = state.options
    _checks.no_body(request, "7.2")
    _checks.no_authorization(request, "7.2")
    names: tuple[str, ...] = ("grant_type", "code", "redirect_uri", "client_id")
    if options.client_secret is not None:
        names += ("client_secret",)
    values = _checks.raw_query(request, names, "7.2")
    _checks.redirect_uri(values["redirect_uri"], "7.2")
    clear = {
        name: value if name == "redirect_uri" else _checks.decoded(value, name, "7.2")
        for name, value in values.items()
    }
    _checks.equal(clear, "grant_type", "authorization_code", "7.2")
    _checks.known_client(clear["client_id"], options)
    if clear.get("client_secret") != options.client_secret:
        raise Refusal("wrong_client_secret", "client_secret is wrong", "5")
    return _token_answer(state.redeem_code(clear["code"], clear["redirect_uri"]))


def refresh(request: Request, state: State) -> Response:
    """Exchange a refresh token for a new pair (section 7.3)."""
    _checks.no_authorization(request, "7.3")
    values = _checks.form(request, ("grant_type", "refresh_token", "scope"), "7.3")
    _checks.equal(values, "grant_type", "authorization_code", "7.3")
    _checks.equal(values, "scope", SCOPE, "7.3")
    return _token_answer(state.rotate(values["refresh_token"]))


def validate(request: Request, state: State) -> Response:
    """Tell whether an access token is valid (section 7.4)."""
    _checks.no_authorization(request, "7.4")
    access_token = _checks.form(request, ("access_token",), "7.4")["access_token"]
    try:
        state.check_access(access_token)
    except Refusal:
        is_valid = False
    else:
        is_valid = True
    return as_json({"access_token": access_token, "is_valid": is_valid})


def create_api_key(request: Request, state: State) -> Response:
    """Issue an API key for the account of an access token (section 4)."""
    options = state.options
    _checks.form_type(request, "4")
    _checks.no_query(request, "4")
    _checks.no_body(request, "4")
    access_token = bearer_token(request)
    state.check_access(access_token)
    if options.permission_mismatch:
        return envelope("40503", "risk validation")
    key = state.create_key(access_token)
    return envelope(
        "200",
        "success",
        success=True,
        data={
            "apiName": key.api_name,
            "apiKey": key.api_key,
            "secret": key.secret,
            "passphrase": key.passphrase,
            "brokerId": options.broker_id,
            "authGroup": _listed(tuple(options.permissions), options.lists),
            "ipWhiteList": _listed(tuple(options.ip_whitelist), options.lists),
        },
    )


def api_key_info(request: Request, state: State) -> Response:
    """Describe the key that signed the request (document menu: Get Apikey Info)."""
    options = state.options
    try:
        key = _signing.check(request, state, time.time())
    except _signing.GatewayRefusal as refusal:
        return as_json({"code": refusal.code, "msg": refusal.msg}, refusal.status)
    data: dict[str, Any] = {
        "remark": key.api_name,
        "apiKey": key.api_key,
        "apiVersion": 3,
        "permission": ",".join(options.key_info_permissions),
        "ipWhitelist": ",".join(options.ip_whitelist),
        "createdAt": int(key.created_at * 1000),
        "uid": options.uid,
        "isMaster": options.sub_name is None,
    }
    if options.sub_name is not None:
        data["subName"] = options.sub_name
    return as_json({"code": "200000", "data": data})


def bearer_token(request: Request) -> str:
    """Return the token of the ``Authorization`` header (sections 4 and 6.2).

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


def as_json(
    content: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    """Return a JSON answer."""
    return Response(status, json.dumps(content).encode(), headers=headers)


def envelope(
    code: str,
    msg: str,
    *,
    success: bool = False,
    retry: bool = False,
    data: object = None,
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """Return KuCoin's envelope (section 4). Errors have HTTP status 200, too."""
    content = {"success": success, "code": code, "msg": msg, "retry": retry, "data": data}
    return as_json(content, status, headers)


def _token_answer(pair: Pair) -> Response:
    return as_json(
        {
            "access_token": pair.access_token,
            "token_type": "bearer",
            "expires_in": ACCESS_SECONDS,
            "refresh_token": pair.refresh_token,
            "scope": [SCOPE],
        }
    )


def _listed(items: tuple[str, ...], style: str) -> str | list[str]:
    return list(items) if style == "list" else ",".join(items)

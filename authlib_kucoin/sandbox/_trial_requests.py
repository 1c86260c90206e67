"""The requests that a broker's server makes, in the order of the flow, for "try it"."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from . import _gateway
from ._checks import FORM_TYPE, JSON_TYPE
from ._http import Headers, Request
from ._options import SandboxOptions
from ._permissions import GROUPS
from ._state import SCOPE

_KEY_INFO: Final = "/api/v1/user/api-key"


@dataclass(frozen=True, slots=True)
class Caller:
    """What a broker's server knows when it makes a request.

    Attributes:
        known: The values that earlier answers gave, such as code, tokens and key.
    """

    options: SandboxOptions
    host: str
    redirect_uri: str
    fast_api: int
    now: float
    client_ip: str
    known: Mapping[str, str] = field(repr=False)

    def get(self, target: str, *headers: tuple[str, str]) -> Request:
        """Return a GET request."""
        return self._request("GET", target, headers, "")

    def post(self, path: str, body: str, *headers: tuple[str, str]) -> Request:
        """Return a POST request."""
        return self._request(
            "POST", path, (*headers, ("Content-Length", str(len(body.encode())))), body
        )

    def _request(
        self, method: str, target: str, headers: tuple[tuple[str, str], ...], body: str
    ) -> Request:
        fields = Headers((("Host", self.host), *headers))
        return Request(method, target, fields, body, self.client_ip, connection=0, keep_alive=True)


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the flow.

    Attributes:
        read: Returns the values of the answer that the walk keeps. Raises an error if the answer
            lacks them.
    """

    name: str
    title: str
    section: str
    text: str
    request: Callable[[Caller], Request]
    read: Callable[[Any], dict[str, str]]


def login_target(caller: Caller, state: str) -> str:
    """Return path and query of the login page (document section 7.1)."""
    return (
        f"/oauth?response_type=code&client_id={quote(caller.options.client_id, safe='')}"
        f"&redirect_uri={caller.redirect_uri}&scope={SCOPE}&state={state}"
    )


def _token(caller: Caller) -> Request:
    options = caller.options
    target = (
        f"/_oauth/access-token?grant_type=authorization_code"
        f"&code={quote(caller.known['code'], safe='')}&redirect_uri={caller.redirect_uri}"
        f"&client_id={quote(options.client_id, safe='')}"
    )
    use = options.client_secret_use or ("required" if options.client_secret else "refused")
    if use == "required":
        target += f"&client_secret={quote(options.client_secret or 'any', safe='')}"
    return caller.get(target)


def _key(caller: Caller) -> Request:
    authorization = ("Authorization", f"bearer {caller.known['access_token']}")
    if caller.fast_api == 1:
        path = "/_oauth/resource/ucenter/outer/api-key/add"
        return caller.post(path, "", authorization, ("Content-Type", FORM_TYPE))
    options = caller.options
    wanted = (
        options.permissions if options.permissions_match == "exact" else options.permissions[:2]
    )
    content = {
        "authGroupMap": {name: name in wanted for name in GROUPS},
        "isAddressbookOnly": False,
    }
    path = "/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add"
    return caller.post(path, json.dumps(content), authorization, ("Content-Type", JSON_TYPE))


def _key_info(caller: Caller) -> Request:
    known, timestamp = caller.known, str(int(caller.now * 1000))
    return caller.get(
        _KEY_INFO,
        ("KC-API-KEY", known["apiKey"]),
        ("KC-API-SIGN", _gateway.sign(known["secret"], f"{timestamp}GET{_KEY_INFO}")),
        ("KC-API-TIMESTAMP", timestamp),
        ("KC-API-PASSPHRASE", _gateway.sign(known["secret"], known["passphrase"])),
        ("KC-API-KEY-VERSION", "3"),
    )


def _refresh(caller: Caller) -> Request:
    fields = {
        "grant_type": "authorization_code",
        "refresh_token": caller.known["refresh_token"],
        "scope": SCOPE,
    }
    return caller.post("/_oauth/refresh-token", urlencode(fields), ("Content-Type", FORM_TYPE))


def _validate(caller: Caller) -> Request:
    body = urlencode({"access_token": caller.known["access_token"]})
    return caller.post("/_oauth/validate-access-token", body, ("Content-Type", FORM_TYPE))


def _members(*names: str) -> Callable[[Any], dict[str, str]]:
    return lambda content: {name: str(content[name]) for name in names}


#: The requests after the login, in order.
STEPS: Final = (
    Step(
        "token",
        "Exchange the code for tokens",
        "7.2",
        "Your server sends this request as soon as the user is back. The redirect URL stands in "
        "the query as it is, without percent-encoding; the code is percent-encoded.",
        _token,
        _members("access_token", "refresh_token"),
    ),
    Step(
        "key",
        "Ask for the API key",
        "4",
        "KuCoin shows the secret and the passphrase in this one answer only. Store them, "
        "encrypted, before anything else. Never send this request twice: each request makes a key.",
        _key,
        lambda content: _members("apiKey", "secret", "passphrase")(content["data"]),
    ),
    Step(
        "info",
        "Ask what the key may do",
        "Get Apikey Info, in the menu of KuCoin's document",
        "This is the first request that is signed with the key. The answer gives the account's "
        "uid, and the permissions that the key really has. The time and the signature are made "
        "anew when you press the button.",
        _key_info,
        lambda content: _members("permission")(content["data"]),
    ),
    Step(
        "refresh",
        "Refresh the tokens",
        "7.3",
        "An access token lives 1 hour, a refresh token 3 days. A refresh ends the old tokens at "
        "once. The grant type is authorization_code here as well.",
        _refresh,
        _members("access_token", "refresh_token"),
    ),
    Step(
        "validate",
        "Ask whether the access token is valid",
        "7.4",
        "The answer for the new access token is true.",
        _validate,
        _members("is_valid"),
    ),
)

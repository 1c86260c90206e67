"""The options of the clients' constructors. An option without effect is refused.

The error says why, or what to use instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from inspect import signature
from itertools import takewhile
from typing import Any, Final, NamedTuple, NoReturn

from authlib_kucoin._errors import ConfigurationError

ONLY_CODE_MODE: Final = "KuCoin has the authorization code mode only (document section 5)."
NO_PKCE: Final = "KuCoin has no PKCE."
_NO_HOOKS: Final = "no hook runs on KuCoin's calls. For other requests make another client."
_NOT_ON_LOGIN_PAGE: Final = "KuCoin's login page has no such parameter (document section 7.1)."
_OF_THE_SITE: Final = "give it to the site: site=Site(…, refresh_endpoint=…)."

#: Authlib's own options that are accepted. Of grant_type, response_type and
#: token_endpoint_auth_method, only values that describe KuCoin's calls are accepted.
_OF_AUTHLIB: Final = {
    "authorization_endpoint",
    "grant_type",
    "leeway",
    "response_type",
    "scope",
    "state",
    "token_endpoint",
    "token_endpoint_auth_method",
    "token_placement",
}
#: Options that Authlib or the HTTP libraries know and KuCoin's calls do not use, with the reason
#: or the advice that the error text gives.
_NO_USE: Final = {
    "auth": "KuCoin's calls carry no other credentials.",
    "code_challenge_method": NO_PKCE,
    "compliance_hook": "KuCoin's differences from the RFC are built in.",
    "event_hooks": _NO_HOOKS,
    "hooks": _NO_HOOKS,
    "login_hint": _NOT_ON_LOGIN_PAGE,
    "nonce": _NOT_ON_LOGIN_PAGE,
    "params": "KuCoin's calls have the document's parameters only.",
    "prompt": _NOT_ON_LOGIN_PAGE,
    "refresh_endpoint": _OF_THE_SITE,
    "refresh_token_url": _OF_THE_SITE,
    "response_mode": _NOT_ON_LOGIN_PAGE,
    "revocation_endpoint": "KuCoin revokes no tokens.",
    "revocation_endpoint_auth_method": "KuCoin revokes no tokens.",
    "token_updater": "the option is update_token.",
}
#: Attributes that Authlib's calls read and KuCoin's calls do not. Our constructor checks the
#: options of these names. Setting such an attribute later is refused, as it would have no effect.
_READ_ONCE: Final = {
    "code_challenge_method",
    "compliance_hook",
    "revocation_endpoint_auth_method",
    "token_endpoint_auth_method",
}


class Accepted(NamedTuple):
    """The options of the clients over one HTTP library.

    Attributes:
        names: The options that the constructor takes besides its own parameters.
        instead: Options that are refused, with the reason or the advice for the error text.
    """

    names: frozenset[str]
    instead: Mapping[str, str]


WITH_REQUESTS: Final = Accepted(
    frozenset(
        {"cert", "default_timeout", "max_redirects", "proxies", "stream", "trust_env", "verify"}
        | _OF_AUTHLIB
    ),
    {
        **_NO_USE,
        "cookies": "no call of KuCoin's carries a cookie.",
        "headers": "change the session's attribute of that name.",
        "limits": "the options are pool_maxsize and keepalive_expiry.",
        "mounts": "call the session's mount().",
        "proxy": "the option is proxies={'https': …, 'http': …}.",
        "transport": "call the session's mount().",
    },
)
WITH_HTTPX: Final = Accepted(
    frozenset(
        {"base_url", "cookies", "default_encoding", "follow_redirects", "headers", "max_redirects"}
        | {"cert", "http1", "http2", "limits", "mounts", "proxy", "transport", "trust_env"}
        | {"verify"}
        | _OF_AUTHLIB
    ),
    {
        **_NO_USE,
        "adapter": "the option is transport.",
        "default_timeout": "the option is timeout.",
        "keepalive_expiry": "the option is limits=httpx2.Limits(keepalive_expiry=…).",
        "pool_maxsize": "the option is limits=httpx2.Limits(max_keepalive_connections=…).",
        "proxies": "the options are proxy='http://…' and, by address, mounts={'https://': …}.",
        "stream": "KuCoin's answers are read whole.",
    },
)


def parameters_of(client_class: type) -> frozenset[str]:
    """Return the parameter names of a client class's constructors, up to Authlib's class."""
    ours = takewhile(lambda each: not each.__module__.startswith("authlib."), client_class.__mro__)
    constructors = [vars(each)["__init__"] for each in ours if "__init__" in vars(each)]
    names = {name for each in constructors for name in signature(each).parameters}
    return frozenset(names - {"self", "options"})


def checked(client_class: Any, options: Mapping[str, Any], client_secret: object) -> dict[str, Any]:
    """Check a client's options and return them, without empty ones that have no effect anyway.

    Args:
        client_class: The client's class.
        options: The arguments that the class itself has no parameters for.
        client_secret: The client secret, if there is one.

    Raises:
        ConfigurationError: If one of the options is unknown, wrong or without effect.
    """
    names, instead = client_class.accepted
    given = {name: value for name, value in options.items() if value or name not in instead}
    for name in sorted(given.keys() - names):
        refuse(name, names | parameters_of(client_class), instead)
    for name, only in (("response_type", "code"), ("grant_type", "authorization_code")):
        if given.get(name, only) != only:
            refuse(name, (), {name: ONLY_CODE_MODE})
    # "none" describes a client without a secret, so it is accepted if there is no secret.
    method = given.get("token_endpoint_auth_method")
    if method is not None and (client_secret or method != "none"):
        secret = "a client secret is sent in the query. To send none, leave out client_secret."
        refuse("token_endpoint_auth_method", (), {"token_endpoint_auth_method": secret})
    return given


def refuse_unused(options: Mapping[str, Any], names: Iterable[str], other: str) -> None:
    """Raise for options that have no effect because another one is given.

    Args:
        options: The options.
        names: The names of the options that then have no effect.
        other: The name of the option that is given.
    """
    for name in names:
        if options.get(name) is not None:
            refuse(name, (), {name: f"beside {other} it has no effect."})


def refuse_late(client: Any, name: str) -> None:
    """Raise if no call reads an attribute that is being set and has the name of an option."""
    names, instead = client.accepted
    if name in _READ_ONCE or (
        not hasattr(client, name) and name in names | instead.keys() | parameters_of(type(client))
    ):
        late = f"give it when the client is made, because no call reads the attribute {name}."
        refuse(name, (), {name: instead.get(name, late)})


def refuse(name: str, known: Iterable[str], instead: Mapping[str, str]) -> NoReturn:
    """Raise the error for an option that is unknown, wrong or without effect.

    Args:
        name: The name of the option.
        known: Names of options that have an effect. The error text suggests a similar one.
        instead: The reason or the advice for the error text, by the name of an option.
    """
    reason = instead.get(name)
    if reason is None:
        nearest = get_close_matches(name, sorted(known), 1)
        reason = "there is no such option." + (f" Did you mean {nearest[0]}?" if nearest else "")
    raise ConfigurationError(f"Leave out {name}: {reason}")

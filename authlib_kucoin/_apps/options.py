"""The options of a registration. An option without effect is refused, as in the clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from authlib_kucoin._clients.options import parameters_of, refuse

#: The options that have an effect. An error text suggests one of them for a misspelt name.
_KNOWN: Final = {
    "access_token_params",
    "access_token_url",
    "api_base_url",
    "authorize_params",
    "authorize_url",
    "client_cls",
    "client_id",
    "client_kwargs",
    "client_secret",
    "fast_api",
    "fetch_token",
    "overwrite",
    "refresh_token_url",
    "site",
    "update_token",
    "user_agent",
}
_OF_OAUTH_1: Final = "it is OAuth 1's."
_OF_OPENID: Final = "KuCoin has no OpenID Connect and no user-info."
#: Options that Authlib accepts and that have no effect here, with the reason or the advice that the
#: error text gives.
_INSTEAD: Final = {
    "authorization_endpoint": "the option is authorize_url.",
    "client_auth_methods": "a client secret is sent in the query, if client_secret is given.",
    "compliance_fix": "KuCoin's differences from the RFC are built in.",
    "end_session_endpoint": _OF_OPENID,
    "issuer": _OF_OPENID,
    "jwks": _OF_OPENID,
    "jwks_uri": _OF_OPENID,
    "refresh_endpoint": "the option is refresh_token_url.",
    "refresh_token_params": "the document's refresh has no other parameters (section 7.3).",
    "request_token_params": _OF_OAUTH_1,
    "request_token_url": _OF_OAUTH_1,
    "server_metadata_url": "KuCoin publishes no metadata, and site= gives the addresses.",
    "token_endpoint": "the option is access_token_url.",
    "userinfo_endpoint": _OF_OPENID,
}
#: Options of a client that are refused in client_kwargs, with the advice that the error text gives.
#: An app sets them itself, or they belong to one user or one login.
_NOT_IN_CLIENT_KWARGS: Final = {
    "adapter": "an app keeps connections of its own. See pool_maxsize and keepalive_expiry.",
    "client_id": "give it to register_kucoin.",
    "client_secret": "give it to register_kucoin.",
    "fast_api": "give it to register_kucoin.",
    "site": "give it to register_kucoin.",
    "state": "give it to authorize_redirect.",
    "token": "an app serves all users. Give the token to each call.",
    "update_token": "give it to register_kucoin.",
}


def check_options(
    client_class: Any, options: Mapping[str, Any], client_kwargs: Mapping[str, Any]
) -> None:
    """Raise if an option of a registration is unknown, has no effect or is in the wrong place.

    Args:
        client_class: The class of the app's client.
        options: The options of the registration that the app itself does not use.
        client_kwargs: The options of the registration for the app's client.

    Raises:
        ConfigurationError: If there is such an option. The text says what to do instead.
    """
    of_client = {
        name: f"give it in client_kwargs={{{name!r}: …}}."
        for name in client_class.accepted.names | parameters_of(client_class)
    }
    for name, value in options.items():
        if value or name not in _INSTEAD:  # if it was not given, Authlib has set None
            refuse(name, _KNOWN, {**of_client, **_INSTEAD})
    for name in _NOT_IN_CLIENT_KWARGS.keys() & client_kwargs:
        where = f"{name} in client_kwargs"
        refuse(where, (), {where: _NOT_IN_CLIENT_KWARGS[name]})

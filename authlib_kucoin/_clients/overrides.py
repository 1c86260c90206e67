"""Names in Authlib's classes that KuCoin's calls do not use. A subclass must not override them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Final

from authlib_kucoin._errors import ConfigurationError

_NO_AUTHENTICATION: Final = "KuCoin's token call has no client authentication."
_SENDS: Final = "override send(), which every request of the client passes, or perform(call)."
_ENDPOINTS: Final = "give the addresses with site=Site(…)."

#: Names of Authlib's clients that KuCoin's calls do not use, with the reason or the advice for the
#: error text.
OF_CLIENTS: Final = {
    "EXTRA_AUTHORIZE_PARAMS": "KuCoin's login page has no other parameters (section 7.1).",
    "SESSION_REQUEST_PARAMS": "give such options when the client is made.",
    "client_auth": _NO_AUTHENTICATION,
    "client_auth_class": _NO_AUTHENTICATION,
    "handle_error": "catch KuCoinError, or override perform(call).",
    "oauth_error_class": "catch KuCoinError, which is Authlib's OAuthError.",
    "parse_response_token": "override perform(call), which returns what was read.",
    "_extract_session_request_params": "give such options when the client is made.",
    "_fetch_token": _SENDS,
    "_handle_token_hint": "KuCoin has no calls to revoke or introspect a token.",
    "_http_post": _SENDS,
    "_prepare_token_endpoint_body": "the document says what a call holds (section 7).",
    "_refresh_token": _SENDS,
}
#: Names of Authlib's apps that KuCoin's calls do not use, with the advice for the error text.
OF_APPS: Final = {
    "load_server_metadata": _ENDPOINTS,
    "_format_state_params": "override fetch_access_token.",
    "_get_oauth_client": "set client_cls to a class of your own.",
    "_get_session": _ENDPOINTS,
}


def refuse_overrides(new_class: type, instead: Mapping[str, str]) -> None:
    """Raise if a subclass of one of our classes overrides what KuCoin's calls do not use.

    Args:
        new_class: The class that is being made.
        instead: The names that must not be overridden, with the reason or the advice for the error
            text.

    Raises:
        ConfigurationError: If the class overrides one of the names, itself or by a mixin.
    """
    package = __name__.partition(".")[0]
    for each in takewhile(lambda each: each.__module__.split(".")[0] != package, new_class.__mro__):
        if names := sorted(vars(each).keys() & instead.keys()):
            raise ConfigurationError(
                f"{each.__name__} overrides {names[0]}, which KuCoin's calls do not use: "
                f"{instead[names[0]]}"
            )

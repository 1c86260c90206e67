"""Which names of social-core's OAuth 2 backends a subclass of KuCoin's backend can override."""

from __future__ import annotations

from social_core.backends.oauth import BaseOAuth2

from authlib_kucoin.social import _UNUSED

#: Names whose override is not refused. KuCoin's backend does not use all of them.
SOCIAL_CALLED = {
    *("ACCESS_TOKEN_URL", "AUTHORIZATION_URL", "DEFAULT_SCOPE", "REFRESH_TOKEN_URL"),
    *("access_token_url", "auth_complete", "auth_url", "authorization_url", "refresh_token_url"),
    *("do_auth", "extra_data", "get_access_token", "get_redirect_uri", "get_scope", "user_data"),
    *("process_error", "refresh_token", "request_access_token"),
    *("get_access_token_url_format", "get_authorization_url_format", "get_request_state"),
    *("ID_KEY", "get_or_create_state"),
    *("REVOKE_TOKEN_METHOD", "REVOKE_TOKEN_URL", "process_revoke_token_response"),
    *("revoke_token", "revoke_token_headers", "revoke_token_params", "revoke_token_url"),
    # Not used by a backend that only associates accounts, as KuCoin's does.
    *("STATE_LIFETIME", "_nonce_scope", "_oauth2_transaction", "_prune_transactions"),
    *("_state_lifetime", "_transaction_index_key", "state_token", "transaction_key"),
}


def test_every_backend_method_is_called_or_refused() -> None:
    """Each name of social-core's OAuth 2 backends is in ``SOCIAL_CALLED`` or is refused."""
    names = {
        name
        for each in BaseOAuth2.__mro__
        if each.__module__.startswith("social_core.backends.oauth")
        for name in vars(each)
        if not name.startswith("__")
    }
    assert names | {"get_json", "request"} <= {*_UNUSED} | SOCIAL_CALLED

"""OpenID Connect's methods of Authlib's apps. KuCoin has no OpenID Connect, so each raises."""

from __future__ import annotations

from typing import NoReturn

from authlib_kucoin._errors import ConfigurationError


class NoOpenID:
    """Mixin that refuses the methods of OpenID Connect, and says what KuCoin has instead."""

    def _refuse(self, *_args: object, **_options: object) -> NoReturn:
        raise ConfigurationError(
            "KuCoin has no OpenID Connect: no user-info, no ID tokens, no log-out. The account's "
            "uid is in get_api_key_info(key)."
        )

    create_logout_url = fetch_jwk_set = logout_redirect = parse_id_token = _refuse
    userinfo = validate_logout_response = _refuse

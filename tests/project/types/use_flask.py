"""Type-checked, not run: the provider in Flask."""

from typing import assert_type

from authlib.integrations.flask_client import OAuth
from werkzeug.wrappers import Response

from authlib_kucoin import ApiKey, ApiKeyInfo, KuCoinError, KuCoinToken, register_kucoin

kucoin = register_kucoin(OAuth(), site="eu", client_id="broker")


def connect() -> Response:
    """Send the user to KuCoin."""
    return kucoin.authorize_redirect("https://broker.example.com/callback", state="mine")


def callback() -> str:
    """Complete the login."""
    try:
        token = kucoin.authorize_access_token()
        key = kucoin.create_api_key(token=token)
    except KuCoinError as error:
        return f"{error.operation} {error.code} {error.msg} {error.retry} {error.status}"
    assert_type(key, ApiKey)
    assert_type(kucoin.get_api_key_info(key), ApiKeyInfo)
    assert_type(kucoin.validate_access_token(token), bool)
    assert_type(kucoin.refresh_access_token(token), KuCoinToken)
    return ", ".join(key.permissions)

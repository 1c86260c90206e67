"""Type-checked, not run: the provider in Django."""

from typing import assert_type

from authlib.integrations.django_client import OAuth
from django.http import HttpRequest, HttpResponse

from authlib_kucoin import ApiKey, ApiKeyInfo, KuCoinToken, register_kucoin

kucoin = register_kucoin(OAuth(), site="eu", client_id="broker")


def connect(request: HttpRequest) -> HttpResponse:
    """Send the user to KuCoin."""
    return kucoin.authorize_redirect(request, request.build_absolute_uri("/callback"))


def callback(request: HttpRequest) -> HttpResponse:
    """Complete the login."""
    token = kucoin.authorize_access_token(request)
    assert_type(token, KuCoinToken)
    key = kucoin.create_api_key(token=token)
    assert_type(key, ApiKey)
    assert_type(kucoin.get_api_key_info(key), ApiKeyInfo)
    assert_type(kucoin.validate_access_token(token), bool)
    return HttpResponse(key.api_name)

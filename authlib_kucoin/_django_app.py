"""The app that ``register_kucoin`` registers with Authlib's ``OAuth`` for Django."""

from __future__ import annotations

from typing import Any

from authlib.integrations.django_client import DjangoOAuth2App
from django.http import HttpRequest

from ._apps import SyncApp
from ._models import KuCoinToken
from .requests_client import KuCoinOAuth2Session


class KuCoinDjangoApp(SyncApp, DjangoOAuth2App):
    """KuCoin in a Django project."""

    client_cls: type[KuCoinOAuth2Session] = KuCoinOAuth2Session

    def authorize_access_token(self, request: HttpRequest, **params: Any) -> KuCoinToken:  # noqa: ANN401 - as inherited
        """Check the callback in a request and exchange its code for a token.

        Raises:
            AuthorizationDenied: If the login was refused or the callback cannot be trusted.
            TokenError: If KuCoin refused the code.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If KuCoin's answer is no token.
        """
        pairs = [
            (name, value)
            for query in (request.GET, request.POST)
            for name, values in query.lists()
            for value in values
        ]
        return self._exchange_callback(request.session, pairs, params)

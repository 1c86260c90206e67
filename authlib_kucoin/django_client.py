"""The app that ``register_kucoin`` registers with Authlib's ``OAuth`` for Django."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from authlib.integrations.django_client import DjangoOAuth2App
from django.http import HttpRequest, HttpResponseRedirect

from ._apps.sync_app import SyncApp
from ._models import KuCoinToken
from .requests_client import KuCoinOAuth2Session


class KuCoinDjangoApp(SyncApp, DjangoOAuth2App):
    """KuCoin in a Django project."""

    client_cls: type[KuCoinOAuth2Session] = KuCoinOAuth2Session

    def authorize_redirect(
        self,
        request: HttpRequest,
        redirect_uri: str | None = None,
        **params: Any,
    ) -> HttpResponseRedirect:
        """Send the browser to KuCoin's login page and remember its state in the session.

        Args:
            request: The current request.
            redirect_uri: Where the browser comes back to, as registered with KuCoin; what
                ``client_kwargs`` hold unless it is given. It is sent unencoded.
            params: ``state``, if it is to be yours rather than a random one, and ``scope``.

        Raises:
            UnsafeRedirectURI: If the redirect URI cannot stand in a URL unencoded.
            ConfigurationError: If a setting is missing, or a parameter is none of KuCoin's.
        """
        # Authlib's stubs leave this one out.
        authlib_redirect: Callable[..., HttpResponseRedirect] = super().authorize_redirect
        return authlib_redirect(request, redirect_uri, **params)

    def authorize_access_token(self, request: HttpRequest, **params: Any) -> KuCoinToken:
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

"""KuCoin in Django: the app that ``register_kucoin`` registers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from authlib.integrations.django_client import DjangoOAuth2App, token_update
from django.http import HttpRequest, HttpResponseRedirect

from ._apps.sync_app import SyncApp
from ._clients.preconditions import check_function
from ._models import KuCoinToken
from .requests_client import KuCoinOAuth2Session


def _receivers(sender: type) -> Iterable[Any]:
    """Return the receivers of Authlib's ``token_update``, found by a private method of Django.

    If a release of Django lacks that method, the result is empty.
    """
    find = getattr(token_update, "_live_receivers", None)
    found = find(sender) if find else []
    return chain(*found) if isinstance(found, tuple) else found  # since 5.0: plain and async ones


class KuCoinDjangoApp(SyncApp, DjangoOAuth2App):
    """The app that ``register_kucoin`` returns for Django."""

    client_cls: type[KuCoinOAuth2Session] = KuCoinOAuth2Session

    def has_listener(self) -> bool:
        """Tell whether ``update_token`` is set or Authlib's ``token_update`` has a receiver.

        Raises:
            ConfigurationError: If ``check_function`` refuses ``update_token`` or a receiver.
        """
        for receiver in _receivers(type(self.framework)):
            check_function(
                receiver,
                "receiver of token_update",
                takes=0,
                keywords=("signal", "sender", "name", "token", "refresh_token", "access_token"),
                is_awaited=True,  # Django awaits async receivers
                operation="refresh",
            )
        has_listener = super().has_listener()
        return has_listener or token_update.has_listeners(type(self.framework))

    def authorize_redirect(
        self,
        request: HttpRequest,
        redirect_uri: str | None = None,
        **params: Any,
    ) -> HttpResponseRedirect:
        """Return a redirect to KuCoin's login page, and store the login in the browser's session.

        Args:
            request: The current request.
            redirect_uri: The callback address, exactly as registered with KuCoin. It is sent
                unencoded. If left out, ``client_kwargs["redirect_uri"]`` is used.
            params: ``state`` (random if left out) and ``scope``.

        Raises:
            UnsafeRedirectURI: If the redirect URI is missing, is not an absolute https URL (http is
                for loopback only), or cannot be sent unencoded.
            ConfigurationError: If a setting is missing or wrong, or KuCoin's login page has no
                parameter of a name in ``params``.
        """
        # Authlib's stubs lack this method.
        authlib_redirect: Callable[..., HttpResponseRedirect] = super().authorize_redirect
        return authlib_redirect(request, redirect_uri, **params)

    def authorize_access_token(self, request: HttpRequest, **params: Any) -> KuCoinToken:
        """Check the callback in a request and exchange its code for a token.

        Args:
            request: The request of the callback.
            params: Parameters for ``fetch_access_token``; normally none.

        Raises:
            AuthorizationDenied: If the login was refused or the callback cannot be used.
            TokenError: If KuCoin refused the code.
            KuCoinUnavailable: If KuCoin could not be reached, is failing or gets too many requests.
            MalformedResponse: If KuCoin's answer is not a token.
            ConfigurationError: If a setting is missing or wrong, or KuCoin's token call has no
                parameter of a name in ``params``.
        """
        pairs = [
            (name, value)
            for query in (request.GET, request.POST)
            for name, values in query.lists()
            for value in values
        ]
        return self._exchange_callback(request.session, pairs, request.method, params)

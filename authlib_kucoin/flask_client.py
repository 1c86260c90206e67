"""KuCoin in Flask: the app that ``register_kucoin`` registers."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from authlib.integrations.flask_client import FlaskOAuth2App
from flask import g, request, session
from werkzeug.wrappers import Response

from ._apps.sync_app import SyncApp
from ._models import KuCoinToken
from .requests_client import KuCoinOAuth2Session


class KuCoinFlaskApp(SyncApp, FlaskOAuth2App):
    """KuCoin in a Flask application."""

    client_cls: type[KuCoinOAuth2Session] = KuCoinOAuth2Session

    def authorize_redirect(self, redirect_uri: str | None = None, **params: Any) -> Response:
        """Send the browser to KuCoin's login page and remember its state in the session.

        Args:
            redirect_uri: The callback address, as registered with KuCoin; sent unencoded. Unless
                given, ``redirect_uri`` in ``client_kwargs``.
            params: ``state``, if not random, and ``scope``.

        Raises:
            UnsafeRedirectURI: If the redirect URI cannot be sent unencoded.
            ConfigurationError: If a setting is missing, or KuCoin has no such parameter.
        """
        response: Response = super().authorize_redirect(redirect_uri, **params)
        return response

    def authorize_access_token(self, **params: Any) -> KuCoinToken:
        """Check the callback of the current request and exchange its code for a token.

        Raises:
            AuthorizationDenied: If the login was refused or the callback cannot be trusted.
            TokenError: If KuCoin refused the code.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If KuCoin's answer is not a token.
        """
        pairs = [*request.args.items(multi=True), *request.form.items(multi=True)]
        self.token = token = self._exchange_callback(session, pairs, request.method, params)
        return token

    def _session_of(self, _request: Any = None) -> MutableMapping[str, Any]:
        return session

    def on_refreshed(self, old: Mapping[str, Any], fresh: KuCoinToken) -> None:
        """Let ``create_api_key()`` use the new pair, if it replaces this request's own."""
        held = g.get(f"_oauth_token_{self.name}") if g else None
        if held and held.get("refresh_token") == old["refresh_token"]:
            self.token = fresh

"""The app that ``register_kucoin`` registers with Authlib's ``OAuth`` for Flask."""

from __future__ import annotations

from typing import Any, Final

from authlib.integrations.flask_client import FlaskOAuth2App
from flask import g, request, session
from werkzeug.wrappers import Response

from ._apps.sync_app import SyncApp
from ._models import KuCoinToken
from .requests_client import KuCoinOAuth2Session

# Flask's session is a cookie of 4 kB, and browsers drop one that is larger: without a bound, a
# user who presses "Connect" and goes back a dozen times would be signed out.
_LOGINS_AT_ONCE: Final = 5


class KuCoinFlaskApp(SyncApp, FlaskOAuth2App):
    """KuCoin in a Flask application."""

    client_cls: type[KuCoinOAuth2Session] = KuCoinOAuth2Session

    def authorize_redirect(self, redirect_uri: str | None = None, **params: Any) -> Response:
        """Send the browser to KuCoin's login page and remember its state in the session.

        Args:
            redirect_uri: Where the browser comes back to, as registered with KuCoin; what
                ``client_kwargs`` hold unless it is given. It is sent unencoded.
            params: ``state``, if it is to be yours rather than a random one, and ``scope``.

        Raises:
            UnsafeRedirectURI: If the redirect URI cannot stand in a URL unencoded.
            ConfigurationError: If a setting is missing, or a parameter is none of KuCoin's.
        """
        response: Response = super().authorize_redirect(redirect_uri, **params)
        return response

    def save_authorize_data(self, **data: Any) -> None:
        """Remember a login in the session, and forget the oldest of too many."""
        data.pop("url", None)  # long, and never looked at again
        super().save_authorize_data(**data)
        # With a cache the session holds none of their data, and has room for them all.
        waiting = [
            key
            for key, login in session.items()
            if key.startswith(f"_state_{self.name}_") and self._is_ours(login.get("data"))
        ]
        waiting.sort(key=lambda key: session[key]["exp"])
        for key in waiting[:-_LOGINS_AT_ONCE]:
            session.pop(key)

    def authorize_access_token(self, **params: Any) -> KuCoinToken:
        """Check the callback of the current request and exchange its code for a token.

        Raises:
            AuthorizationDenied: If the login was refused or the callback cannot be trusted.
            TokenError: If KuCoin refused the code.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If KuCoin's answer is no token.
        """
        pairs = [*request.args.items(multi=True), *request.form.items(multi=True)]
        self.token = token = self._exchange_callback(session, pairs, params)
        return token

    def _refreshed(self, refresh_token: str, token: KuCoinToken) -> None:
        """Let ``create_api_key()`` use the new one, if it was this request's own."""
        held = g.get(f"_oauth_token_{self.name}") if g else None
        if held and held.get("refresh_token") == refresh_token:
            self.token = token

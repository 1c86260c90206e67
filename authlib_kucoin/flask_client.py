"""KuCoin in Flask: the app that ``register_kucoin`` registers."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, MutableMapping
from contextlib import nullcontext
from typing import Any

from authlib.integrations.flask_client import FlaskOAuth2App, token_update
from flask import Flask, current_app, g, has_app_context, request, session
from werkzeug.wrappers import Response

from ._apps.sync_app import SyncApp
from ._clients.base_client import AnyToken
from ._clients.preconditions import check_function
from ._errors import ConfigurationError
from ._models import KuCoinToken
from .requests_client import KuCoinOAuth2Session


class KuCoinFlaskApp(SyncApp, FlaskOAuth2App):
    """The app that ``register_kucoin`` returns for Flask."""

    client_cls: type[KuCoinOAuth2Session] = KuCoinOAuth2Session

    _fetch_token_takes = 0

    # The first Flask application seen with this app, and whether another one has been seen too.
    # The reference is weak, so that the many applications of a test run can be freed.
    _first_flask_app: weakref.ref[Flask] | None = None
    _is_shared = False

    def __init__(self, *args: Any, **options: Any) -> None:
        """Set up an app. Nothing is sent. :class:`AppBase` describes the arguments."""
        super().__init__(*args, **options)
        self._note_flask_apps()

    @property
    def client(self) -> Any:
        """The client that sends this app's calls; see :attr:`AppBase.client`."""
        self._note_flask_apps()
        return super().client

    def has_listener(self) -> bool:
        """Tell whether ``update_token`` is set or Authlib's ``token_update`` has a receiver.

        Raises:
            ConfigurationError: If ``check_function`` refuses ``update_token`` or a receiver, or it
                is not known in which application context to call them.
        """
        receivers = list(token_update.receivers_for(self._flask_app()))
        for receiver in receivers:
            check_function(
                receiver,
                "receiver of token_update",
                keywords=("name", "token", "refresh_token", "access_token"),
                operation="refresh",
            )
        return super().has_listener() or bool(receivers)

    def _on_update_token(self, *token: Any, **old: Any) -> None:
        # Do not enter a new context inside an existing one: leaving the new one would run the
        # application's teardown functions too early.
        with nullcontext() if has_app_context() else self._flask_app().app_context():
            super()._on_update_token(*token, **old)

    def _flask_app(self) -> Flask:
        """Return the current Flask application or, outside of any context, the only one known.

        Raises:
            ConfigurationError: If there is no context, and not exactly one application is known.
        """
        if has_app_context():
            return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]  # of the proxy
        flask = self._first_flask_app() if self._first_flask_app else None
        if self._is_shared or flask is None:
            raise ConfigurationError(
                "There is no application context, and this OAuth object has "
                f"{'several Flask applications' if self._is_shared else 'no Flask application'}: "
                "refresh tokens inside the context of one (with app.app_context():).",
                operation="refresh",
            )
        return flask

    def _note_flask_apps(self) -> None:
        seen = [self._oauth.app if self._oauth else None]
        if has_app_context():
            seen.append(self._flask_app())
        for flask in filter(None, seen):
            self._first_flask_app = self._first_flask_app or weakref.ref(flask)
            self._is_shared |= self._first_flask_app() is not flask

    def authorize_redirect(self, redirect_uri: str | None = None, **params: Any) -> Response:
        """Return a redirect to KuCoin's login page, and store the login in the browser's session.

        Args:
            redirect_uri: The callback address, exactly as registered with KuCoin. It is sent
                unencoded. If left out, ``client_kwargs["redirect_uri"]`` is used.
            params: ``state`` (random if left out) and ``scope``.

        Raises:
            UnsafeRedirectURI: If the redirect URI is missing, is not an absolute https URL (http is
                for loopback only), or cannot be sent unencoded.
            ConfigurationError: If a setting is missing or wrong, or KuCoin's login page has no
                parameter of a name in ``params``.
        """
        response: Response = super().authorize_redirect(redirect_uri, **params)
        return response

    def authorize_access_token(self, **params: Any) -> KuCoinToken:
        """Check the callback of the current request and exchange its code for a token.

        Until the request ends, calls of this app that are given no token use this token (after a
        refresh, the new one).

        Args:
            params: Parameters for ``fetch_access_token``; normally none.

        Raises:
            AuthorizationDenied: If the login was refused or the callback cannot be used.
            TokenError: If KuCoin refused the code.
            KuCoinUnavailable: If KuCoin could not be reached, is failing or gets too many requests.
            MalformedResponse: If KuCoin's answer is not a token.
            ConfigurationError: If a setting is missing or wrong, or KuCoin's token call has no
                parameter of a name in ``params``.
        """
        pairs = [*request.args.items(multi=True), *request.form.items(multi=True)]
        self.token = token = self._exchange_callback(session, pairs, request.method, params)
        return token

    def default_token(self, request: Any) -> AnyToken | None:
        """Return the token for a call that was given no token; see :meth:`SyncApp.default_token`.

        Raises:
            ConfigurationError: If a request was given: in Flask, ``fetch_token`` takes no request.
        """
        if request is not None:
            raise ConfigurationError(
                "Leave out request=: in Flask, fetch_token is called without one.",
                operation="create_api_key",
            )
        return super().default_token(None)

    def _session_of(self, _request: Any = None) -> MutableMapping[str, Any]:
        return session

    def on_refreshed(self, old: Mapping[str, Any], fresh: KuCoinToken) -> None:
        """Make the new pair the token of the current request if its token was the old pair."""
        held = g.get(f"_oauth_token_{self.name}") if g else None
        if held and held.get("refresh_token") == old["refresh_token"]:
            self.token = fresh

"""Flask: Authlib's ``OAuth``, two views, and a test client for each user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.flask_client import OAuth
from flask import Flask
from flask.testing import FlaskClient
from werkzeug import Response

from authlib_kucoin import register_kucoin

from ._base import Outcome, Settings, SyncStack, call_app


class FlaskStack(SyncStack):
    """A Flask application."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.flask = Flask("contract")
        self.flask.config.update(TESTING=True, SECRET_KEY="contract")
        self.app = register_kucoin(
            OAuth(self.flask),
            site=settings.site,
            fast_api=settings.fast_api,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            client_kwargs=settings.of_calls,
            update_token=self.update_token,
        )
        self.flask.add_url_rule("/login", view_func=self._login)
        self.flask.add_url_rule("/<path:rest>", view_func=self._callback, methods=["GET", "POST"])
        self._outcome = Outcome()
        self._browsers: dict[str, FlaskClient] = {}

    def _login(self) -> Response:
        return self.app.authorize_redirect(self.settings.redirect_uri)

    def _callback(self, rest: str) -> str:
        return self._outcome.of(self.app.authorize_access_token)

    def browser(self, user: str) -> FlaskClient:
        """Return a user's browser, with its own cookies."""
        return self._browsers.setdefault(user, self.flask.test_client())

    def login(self, user: str = "alice") -> str:
        return self.browser(user).get(f"{self.settings.origin}/login").headers["Location"]

    def session_size(self, user: str = "alice") -> int:
        host = urlsplit(self.settings.origin).hostname
        cookie = self.browser(user).get_cookie("session", domain=host or "")
        return len(cookie.value) if cookie else 0

    def finish(self, url: str, user: str = "alice") -> dict[str, Any]:
        self.browser(user).get(url)
        return self._outcome.take()

    def finish_by_post(
        self, url: str, fields: Mapping[str, str], user: str = "alice"
    ) -> dict[str, Any]:
        self.browser(user).post(url, data=fields)
        return self._outcome.take()

    def call(self, verb: str, argument: Any) -> Any:
        with self.flask.app_context():
            return call_app(self.app, verb, argument, self.settings)

    def close(self) -> None:
        self.app.close()

"""Django: Authlib's ``OAuth``, two views, and a test client for each user.

Django is configured once per process; each stack overrides the settings that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import django
from authlib.integrations.django_client import OAuth
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import override_settings
from django.urls import path

from authlib_kucoin import register_kucoin

from ._base import Outcome, Settings, SyncStack, call_app

if not django_settings.configured:
    django_settings.configure(
        SECRET_KEY="contract",
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        USE_TZ=True,
    )
    django.setup(set_prefix=False)


class DjangoStack(SyncStack):
    """A Django project."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        options = {
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
            "client_kwargs": settings.of_calls,
        }
        urls = (path("login", self._login), path("<path:rest>", self._callback))
        self._overridden = override_settings(
            ROOT_URLCONF=urls, AUTHLIB_OAUTH_CLIENTS={"kucoin": options}
        )
        self._overridden.enable()
        self.app = register_kucoin(
            OAuth(),
            site=settings.site,
            fast_api=settings.fast_api,
            update_token=self.update_token,
        )
        self._outcome = Outcome()
        self._browsers: dict[str, Client] = {}

    def _login(self, request: HttpRequest) -> HttpResponse:
        return self.app.authorize_redirect(request, self.settings.redirect_uri)

    def _callback(self, request: HttpRequest, rest: str) -> HttpResponse:
        return HttpResponse(self._outcome.of(lambda: self.app.authorize_access_token(request)))

    def browser(self, user: str) -> Client:
        """Return a user's browser, with its own cookies."""
        host = urlsplit(self.settings.origin).netloc
        return self._browsers.setdefault(user, Client(headers={"host": host}))

    def login(self, user: str = "alice") -> str:
        return self.browser(user).get("/login", secure=True).headers["Location"]

    def session_size(self, user: str = "alice") -> int:
        return len(self.browser(user).cookies["sessionid"].value)

    def finish(self, url: str, user: str = "alice") -> dict[str, Any]:
        self.browser(user).get(url, secure=True)
        return self._outcome.take()

    def finish_by_post(
        self, url: str, fields: Mapping[str, str], user: str = "alice"
    ) -> dict[str, Any]:
        self.browser(user).post(url, dict(fields), secure=True)
        return self._outcome.take()

    def call(self, verb: str, argument: Any) -> Any:
        return call_app(self.app, verb, argument, self.settings)

    def close(self) -> None:
        self.app.close()
        self._overridden.disable()

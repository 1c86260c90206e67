"""Minimal applications of Flask, Django and Starlette, and the clients that need none."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from inspect import isawaitable
from typing import Any

import flask
import pytest
from authlib.integrations import django_client, flask_client, starlette_client
from django.test import RequestFactory
from django.test.utils import override_settings
from flask import Flask
from starlette.config import Config
from starlette.requests import Request

import tests.contract.stacks  # noqa: F401 - configures Django
from authlib_kucoin import AsyncKuCoinOAuth2Client, KuCoinOAuth2Client, KuCoinOAuth2Session

CALLBACK = "https://broker.example.com/callback"

#: Settings by registered name: ``{"kucoin": {"site": "eu", "client_id": "one"}}``.
Config_ = Mapping[str, Mapping[str, Any]]


class Host(ABC):
    """An application that gets its settings and registrations from a test.

    Attributes:
        session: The session of the one browser that uses the application.
    """

    def __init__(self) -> None:
        self.session: dict[str, Any] = {}

    @abstractmethod
    def configure(self, config: Config_) -> None:
        """Set the application's settings."""

    @abstractmethod
    def oauth(self, **options: Any) -> Any:
        """Return a new ``OAuth`` of Authlib."""

    @abstractmethod
    def authorize(self, app: Any, *args: Any, **params: Any) -> Any:
        """Call ``authorize_redirect``. With Flask, do that inside of ``run``."""

    def location(self, app: Any, *args: Any, **params: Any) -> str:
        """Return the URL that ``authorize_redirect`` sends the browser to."""
        return self.run(lambda: self.authorize(app, *args, **params)).headers["Location"]

    @abstractmethod
    def come_back(self, app: Any, query: str, by: str = "GET", **params: Any) -> Any:
        """Open the callback in the browser, with this query and method; return the token."""

    def state(self, app: Any, redirect_uri: str = CALLBACK, **params: Any) -> str:
        """Start a login; return its state."""
        return self.location(app, redirect_uri, **params).rpartition("&state=")[2]

    @abstractmethod
    def run(self, call: Callable[[], Any]) -> Any:
        """Make a call, in a request if the framework needs one; await its result if necessary."""

    @abstractmethod
    def close(self) -> None:
        """Undo what would affect later tests."""


class FlaskHost(Host):
    """Flask."""

    def __init__(self) -> None:
        super().__init__()
        self.flask = Flask("contract")
        self.flask.config["SECRET_KEY"] = "contract"

    def configure(self, config: Config_) -> None:
        for name, settings in config.items():
            for key, value in settings.items():
                self.flask.config[f"{name}_{key}".upper()] = value

    def oauth(self, **options: Any) -> Any:
        return flask_client.OAuth(self.flask, **options)

    def authorize(self, app: Any, *args: Any, **params: Any) -> Any:
        return app.authorize_redirect(*args, **params)

    def come_back(self, app: Any, query: str, by: str = "GET", **params: Any) -> Any:
        with self.flask.test_request_context(f"/?{query}", method=by):
            return self._in_session(lambda: app.authorize_access_token(**params))

    def run(self, call: Callable[[], Any]) -> Any:
        with self.flask.test_request_context("/"):
            return self._in_session(call)

    def _in_session(self, call: Callable[[], Any]) -> Any:
        flask.session.update(self.session)
        try:
            return call()
        finally:
            self.session = dict(flask.session)

    def close(self) -> None:
        pass


class DjangoHost(Host):
    """Django."""

    def __init__(self) -> None:
        super().__init__()
        self._overridden = ExitStack()

    def configure(self, config: Config_) -> None:
        self._overridden.enter_context(override_settings(AUTHLIB_OAUTH_CLIENTS=config))

    def oauth(self, **options: Any) -> Any:
        return django_client.OAuth(**options)

    def authorize(self, app: Any, *args: Any, **params: Any) -> Any:
        return app.authorize_redirect(self._request("GET", ""), *args, **params)

    def come_back(self, app: Any, query: str, by: str = "GET", **params: Any) -> Any:
        return app.authorize_access_token(self._request(by, query), **params)

    def _request(self, method: str, query: str) -> Any:
        request = RequestFactory().generic(method, f"/?{query}")
        request.session = self.session
        return request

    def run(self, call: Callable[[], Any]) -> Any:
        return call()

    def close(self) -> None:
        self._overridden.close()


class StarletteHost(Host):
    """Starlette, which FastAPI is built on."""

    def __init__(self) -> None:
        super().__init__()
        self.environ: dict[str, Any] = {}
        self._runner = asyncio.Runner()

    def configure(self, config: Config_) -> None:
        for name, settings in config.items():
            for key, value in settings.items():
                self.environ[f"{name}_{key}".upper()] = value

    def oauth(self, **options: Any) -> Any:
        return starlette_client.OAuth(Config(environ=self.environ), **options)

    def authorize(self, app: Any, *args: Any, **params: Any) -> Any:
        return app.authorize_redirect(self._request("GET", ""), *args, **params)

    def come_back(self, app: Any, query: str, by: str = "GET", **params: Any) -> Any:
        request = self._request(by, query)
        return self.run(lambda: app.authorize_access_token(request, **params))

    def _request(self, method: str, query: str) -> Request:
        scope = {"type": "http", "method": method, "headers": [], "query_string": query.encode()}
        return Request({**scope, "session": self.session})

    def run(self, call: Callable[[], Any]) -> Any:
        async def main() -> Any:
            result = call()
            return await result if isawaitable(result) else result

        return self._runner.run(main())

    def close(self) -> None:
        self._runner.close()


HOSTS: dict[str, type[Host]] = {
    "flask": FlaskHost,
    "django": DjangoHost,
    "starlette": StarletteHost,
}

#: The clients without a framework.
CLIENTS = (KuCoinOAuth2Session, KuCoinOAuth2Client, AsyncKuCoinOAuth2Client)
#: Runs a test with each client.
every_client = pytest.mark.parametrize("client_class", CLIENTS)


def ask(client: Any, call: Callable[[Any], Any]) -> Any:
    """Make a call with a client, close the client, and return the result."""

    async def main() -> Any:
        async with client:
            result = call(client)
            return await result if isawaitable(result) else result

    if isinstance(client, AsyncKuCoinOAuth2Client):
        return asyncio.run(main())
    with client:
        return call(client)

"""Starlette and FastAPI: Authlib's ``OAuth``, two routes, and a browser for each user."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import httpx2
from authlib.integrations.starlette_client import OAuth
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from authlib_kucoin import register_kucoin

from ._base import AsyncStack, Outcome, Settings, call_app

_SESSIONS = [Middleware(SessionMiddleware, secret_key="contract")]


class _AsgiStack(AsyncStack):
    """An ASGI application that runs on the stack's event loop."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.app = register_kucoin(
            OAuth(),
            site=settings.site,
            fast_api=settings.fast_api,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            client_kwargs=settings.of_calls,
            update_token=self.update_token,
        )
        self._asgi = self._application()
        self._outcome = Outcome()
        self._browsers: dict[str, httpx2.AsyncClient] = {}

    @abstractmethod
    def _application(self) -> Starlette:
        """Return the application with its routes."""

    def browser(self, user: str) -> httpx2.AsyncClient:
        """Return a user's browser, with its own cookies."""
        if user not in self._browsers:
            self._browsers[user] = httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=self._asgi), base_url=self.settings.origin
            )
        return self._browsers[user]

    def login(self, user: str = "alice") -> str:
        return self.settle(self.browser(user).get("/login")).headers["Location"]

    def session_size(self, user: str = "alice") -> int:
        return len(self.browser(user).cookies["session"])

    def finish(self, url: str, user: str = "alice") -> dict[str, Any]:
        self.settle(self.browser(user).get(url))
        return self._outcome.take()

    def finish_by_post(
        self, url: str, fields: Mapping[str, str], user: str = "alice"
    ) -> dict[str, Any]:
        self.settle(self.browser(user).post(url, data=dict(fields)))
        return self._outcome.take()

    def call(self, verb: str, argument: Any) -> Any:
        return call_app(self.app, verb, argument, self.settings)

    def close(self) -> None:
        for browser in self._browsers.values():
            self.settle(browser.aclose())
        super().close()  # closes the loop, and its connections with it


class StarletteStack(_AsgiStack):
    """A Starlette application."""

    def _application(self) -> Starlette:
        async def login(request: Request) -> Response:
            return await self.app.authorize_redirect(request, self.settings.redirect_uri)

        async def callback(request: Request) -> Response:
            page = await self._outcome.of_awaited(self.app.authorize_access_token(request))
            return PlainTextResponse(page)

        routes = [
            Route("/login", login),
            Route("/{rest:path}", callback, methods=["GET", "POST"]),
        ]
        return Starlette(routes=routes, middleware=_SESSIONS)


class FastAPIStack(_AsgiStack):
    """A FastAPI application."""

    def _application(self) -> Starlette:
        api = FastAPI(middleware=_SESSIONS)

        @api.get("/login")
        async def login(request: Request) -> Response:
            return await self.app.authorize_redirect(request, self.settings.redirect_uri)

        @api.api_route("/{rest:path}", methods=["GET", "POST"])
        async def callback(request: Request, rest: str) -> str:
            return await self._outcome.of_awaited(self.app.authorize_access_token(request))

        return api

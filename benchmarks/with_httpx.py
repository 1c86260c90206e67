"""Contenders that use httpx2: hand-written code, and Starlette."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.integrations.starlette_client import OAuth
from starlette.requests import Request

from authlib_kucoin import register_kucoin

from .contenders import (
    CALLBACK_QUERY,
    EXCHANGE,
    FORM,
    KEY_PATH,
    REDIRECT_URI,
    REFRESH_PATH,
    STATE,
    Contender,
    Spent,
    Stopwatch,
    check,
    refresh_form,
    register_stock,
)


class _Async(Contender):
    """A contender with an event loop of its own."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._runner = asyncio.Runner()

    @abstractmethod
    async def _sign_in(self) -> Spent:
        """Exchange a code and create a key."""

    @abstractmethod
    async def _refresh(self) -> Spent:
        """Refresh a token that was not refreshed before."""

    async def _close(self) -> None:
        """Do nothing. A subclass that keeps connections open closes them here."""

    def sign_in(self) -> Spent:
        return self._runner.run(self._sign_in())

    def sign_in_at_once(self, number: int) -> None:
        async def together() -> None:
            await asyncio.gather(*(self._sign_in() for _ in range(number)))

        self._runner.run(together())

    def refresh(self) -> Spent:
        return self._runner.run(self._refresh())

    def close(self) -> None:
        self._runner.run(self._close())


class ByHandWithHttpx(_Async):
    """The shortest hand-written code, with httpx2 and one client."""

    name = "by hand, httpx2"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._client = httpx2.AsyncClient(timeout=10)

    async def _sign_in(self) -> Spent:
        with Stopwatch() as watch:
            answer = await self._client.get(self.url + EXCHANGE)
            headers = {"Authorization": f"bearer {answer.json()['access_token']}", **FORM}
            answer = await self._client.post(self.url + KEY_PATH, headers=headers)
            check(answer.json()["data"]["secret"])
        return watch.spent

    async def _refresh(self) -> Spent:
        form = refresh_form()
        with Stopwatch() as watch:
            answer = await self._client.post(self.url + REFRESH_PATH, data=form)
            check(answer.json()["access_token"])
        return watch.spent

    async def _close(self) -> None:
        await self._client.aclose()
        self._client = httpx2.AsyncClient(timeout=10)


class _InStarlette(_Async):
    """An app registered with Authlib's ``OAuth`` for Starlette."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._kucoin = self._register(OAuth())

    @abstractmethod
    def _register(self, oauth: OAuth) -> Any:
        """Register KuCoin."""

    @abstractmethod
    async def _sign_in_with(self, request: Request) -> str:
        """Sign in, given a request to the callback, and return the key's secret."""

    async def _sign_in(self) -> Spent:
        request = _request(CALLBACK_QUERY)
        await self._kucoin.save_authorize_data(request, redirect_uri=REDIRECT_URI, state=STATE)
        with Stopwatch() as watch:
            check(await self._sign_in_with(request))
        return watch.spent

    def authorize_redirect(self) -> Spent:
        """Send a browser to the login page."""

        async def authorize_redirect() -> Spent:
            with Stopwatch() as watch:
                await self._kucoin.authorize_redirect(_request(""), REDIRECT_URI)
            return watch.spent

        return self._runner.run(authorize_redirect())


class OursInStarlette(_InStarlette):
    """This package, in Starlette."""

    name = "ours, Starlette"

    def _register(self, oauth: OAuth) -> Any:
        return register_kucoin(oauth, site=self.url, client_id="broker")

    async def _sign_in_with(self, request: Request) -> str:
        token = await self._kucoin.authorize_access_token(request)
        secret: str = (await self._kucoin.create_api_key(token=token)).secret
        return secret

    async def _refresh(self) -> Spent:
        refresh_token = refresh_form()["refresh_token"]
        with Stopwatch() as watch:
            check((await self._kucoin.refresh_access_token(refresh_token))["access_token"])
        return watch.spent

    async def _close(self) -> None:
        await self._kucoin.close()


class StockInStarlette(_InStarlette):
    """Stock Authlib in Starlette, configured as far as possible."""

    name = "stock Authlib, Starlette"

    def _register(self, oauth: OAuth) -> Any:
        return register_stock(oauth, self.url)

    async def _sign_in_with(self, request: Request) -> str:
        token = await self._kucoin.authorize_access_token(request)
        secret: str = (await self._kucoin.post(KEY_PATH, token=token)).json()["data"]["secret"]
        return secret

    async def _refresh(self) -> Spent:
        refresh_token = refresh_form()["refresh_token"]
        with Stopwatch() as watch:
            async with AsyncOAuth2Client("broker") as client:
                token = await client.refresh_token(self.url + REFRESH_PATH, refresh_token)
            check(token["access_token"])
        return watch.spent


def _request(query: str) -> Request:
    return Request({"type": "http", "method": "GET", "query_string": query.encode(), "session": {}})

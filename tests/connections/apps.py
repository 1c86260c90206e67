"""Two app classes with the same methods, for two frameworks; a server's answers to them."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

from authlib.integrations.flask_client import OAuth as FlaskOAuth
from authlib.integrations.starlette_client import OAuth as StarletteOAuth
from flask import Flask

from authlib_kucoin import ApiKey, register_kucoin
from tests.support.wire import Seen, Wire

REDIRECT_URI = "https://broker.example.com/kucoin/callback"


def token_of(code: str) -> dict[str, Any]:
    """Return the server's answer with a token whose access and refresh token end in ``code``."""
    return {
        "access_token": f"access-{code}",
        "token_type": "bearer",
        "expires_in": 3600,
        "refresh_token": f"refresh-{code}",
        "scope": ["OAUTH_CREATE_API"],
    }


def key_of(access_token: str) -> dict[str, Any]:
    """Return the server's answer with a key, whose name is the access token."""
    data = {"apiName": access_token, "apiKey": "k", "secret": "s", "passphrase": "p"}
    return {"success": True, "code": "200", "data": data}


def answer(seen: Seen) -> tuple[int, str]:
    """Return a good answer: a key, a refreshed pair, or the token for the code in the query."""
    if "/api-key/add" in seen.target:
        return 200, json.dumps(key_of(seen.headers["authorization"].removeprefix("bearer ")))
    if "/refresh-token" in seen.target:
        used = parse_qs(seen.body.decode())["refresh_token"][0]
        return 200, json.dumps(token_of(f"after-{used}"))
    return 200, json.dumps(token_of(parse_qs(urlsplit(seen.target).query)["code"][0]))


def together(number: int, wire: Wire) -> None:
    """Make the server answer exchanges only when ``number`` of them wait for their answers."""
    gate = threading.Barrier(number, timeout=10)

    def wait(seen: Seen) -> tuple[int, str]:
        if "/access-token" in seen.target:
            gate.wait()
        return answer(seen)

    wire.answer = wait


class App:
    """Base of ``InFlask`` and ``InStarlette``: an app that is registered in one framework."""

    kucoin: Any

    def sign_in(self, code: str = "c") -> ApiKey:
        """Exchange a code and create a key."""
        raise NotImplementedError

    def sign_in_at_once(self, codes: list[str]) -> list[ApiKey]:
        """Sign in with each code, all at the same time."""
        raise NotImplementedError

    def call(self, name: str, *args: Any, **params: Any) -> Any:
        """Call a method of the app."""
        raise NotImplementedError

    def end(self) -> None:
        """Close the app's connections."""
        self.call("close")


class InFlask(App):
    """Flask, requests and threads."""

    def __init__(self, url: str, client_kwargs: dict[str, Any]) -> None:
        self._flask = Flask(__name__)
        self.kucoin = register_kucoin(
            FlaskOAuth(self._flask), site=url, client_id="broker", client_kwargs=client_kwargs
        )

    def sign_in(self, code: str = "c") -> ApiKey:
        token = self.kucoin.fetch_access_token(code=code, redirect_uri=REDIRECT_URI)
        key: ApiKey = self.kucoin.create_api_key(token=token)
        return key

    def sign_in_at_once(self, codes: list[str]) -> list[ApiKey]:
        with ThreadPoolExecutor(len(codes)) as threads:
            return list(threads.map(self.sign_in, codes))

    def call(self, name: str, *args: Any, **params: Any) -> Any:
        with self._flask.app_context():
            return getattr(self.kucoin, name)(*args, **params)


class InStarlette(App):
    """Starlette, httpx2 and tasks of one event loop."""

    def __init__(self, url: str, client_kwargs: dict[str, Any]) -> None:
        self.kucoin = register_kucoin(
            StarletteOAuth(), site=url, client_id="broker", client_kwargs=client_kwargs
        )
        self._runner = asyncio.Runner()

    async def _sign_in(self, code: str) -> ApiKey:
        token = await self.kucoin.fetch_access_token(code=code, redirect_uri=REDIRECT_URI)
        key: ApiKey = await self.kucoin.create_api_key(token=token)
        return key

    def sign_in(self, code: str = "c") -> ApiKey:
        return self._runner.run(self._sign_in(code))

    def sign_in_at_once(self, codes: list[str]) -> list[ApiKey]:
        async def all_of_them() -> list[ApiKey]:
            return await asyncio.gather(*map(self._sign_in, codes))

        return self._runner.run(all_of_them())

    def call(self, name: str, *args: Any, **params: Any) -> Any:
        async def call() -> Any:
            return await getattr(self.kucoin, name)(*args, **params)

        return self._runner.run(call())

    def end(self) -> None:
        super().end()
        self._runner.close()


APPS: dict[str, type[App]] = {"flask": InFlask, "starlette": InStarlette}

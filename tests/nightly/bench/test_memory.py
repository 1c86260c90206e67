"""The library's memory does not grow with its use."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
import requests
from authlib.integrations.starlette_client import OAuth
from requests.adapters import HTTPAdapter

from authlib_kucoin import register_kucoin
from authlib_kucoin._clients import refresh as _refresh
from tests.connections.apps import REDIRECT_URI, InFlask, answer
from tests.support.wire import Seen

TIMES = 500

pytestmark = pytest.mark.measured("pytest keeps what is logged, and that takes memory")


def _answered(method: str, url: str, headers: Any, body: bytes) -> tuple[int, bytes]:
    status, text = answer(Seen(f"{method} {url} HTTP/1.1", tuple(headers.items()), body, 0))
    return status, text.encode()


@pytest.fixture
def flask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that signs in and refreshes with requests, without a network."""

    def send(_self: Any, request: Any, **_: Any) -> requests.Response:
        response = requests.Response()
        body = (request.body or "").encode()
        response.status_code, response._content = _answered(
            request.method, request.url, request.headers, body
        )
        return response

    monkeypatch.setattr(HTTPAdapter, "send", send)
    app = InFlask("https://kucoin.example", {})

    def work(code: str) -> None:
        app.sign_in(code)
        app.call("refresh_access_token", code)

    yield work
    app.end()


@pytest.fixture
def starlette() -> Iterator[Callable[[str], None]]:
    """Return a function that signs in and refreshes with httpx2, without a network."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        status, body = _answered(request.method, str(request.url), request.headers, request.content)
        return httpx2.Response(status, content=body)

    kucoin = register_kucoin(
        OAuth(),
        site="https://kucoin.example",
        client_id="broker",
        client_kwargs={"transport": httpx2.MockTransport(handle)},
    )

    async def work(code: str) -> None:
        token = await kucoin.fetch_access_token(code=code, redirect_uri=REDIRECT_URI)
        await kucoin.create_api_key(token=token)
        await kucoin.refresh_access_token(code)

    with asyncio.Runner() as runner:
        yield lambda code: runner.run(work(code))


@pytest.mark.parametrize("framework", ["flask", "starlette"])
def test_memory_is_flat_over_sign_ins_and_refreshes(
    framework: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second 500 sign-ins and refreshes add fewer than 250 memory blocks to those in use."""
    monkeypatch.setattr(_refresh, "REMEMBER_AT_MOST", 100)
    work = request.getfixturevalue(framework)
    used = []
    for turn in range(2):
        for number in range(TIMES):
            work(f"{framework}-{turn}-{number:06}")
        gc.collect()
        used.append(sys.getallocatedblocks())
    kept_of_each = (used[1] - used[0]) / TIMES
    assert kept_of_each < 0.5  # in memory blocks; an object leaked by each sign-in would make it 1

"""The httpx2 clients build their requests themselves, because httpx2 would take more time."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from authlib_kucoin import AsyncKuCoinOAuth2Client, KuCoinOAuth2Client
from tests.support.wire import Wire

ANSWER = '{"access_token": "first-half", "refresh_token": "second-half"}'
CALLBACK = "https://broker.example.com/callback"

both = pytest.mark.parametrize("client_class", [KuCoinOAuth2Client, AsyncKuCoinOAuth2Client])


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that answers every request with a token."""
    with Wire() as wire:
        wire.answer = lambda _seen: (200, ANSWER)
        yield wire


def exchange_and_refresh(client: Any) -> None:
    """Fetch a token, refresh it, and close the client."""

    async def main() -> None:
        for act in (lambda: client.fetch_token(code="the-code"), client.refresh_token):
            done = act()
            if inspect.isawaitable(done):
                await done
        if isinstance(client, AsyncKuCoinOAuth2Client):
            await client.aclose()
        else:
            client.close()

    asyncio.run(main())


@both
def test_query_is_passed_to_httpx2_as_the_target(
    client_class: Any, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """httpx2 logs the exchange and the refresh without a query, although the exchange sends one."""
    caplog.set_level(logging.INFO, "httpx2")
    exchange_and_refresh(client_class("broker", site=wire.url, redirect_uri=CALLBACK))
    assert "code=the-code" in wire.seen[0].target
    records = [record.getMessage() for record in caplog.records if record.name == "httpx2"]
    assert [record.split(" ")[3] for record in records] == [
        f"{wire.url}/_oauth/access-token",
        f"{wire.url}/_oauth/refresh-token",
    ]


@both
@pytest.mark.parametrize("name", ["Host", "host"])
def test_given_host_header_is_sent_once(client_class: Any, name: str, wire: Wire) -> None:
    """A Host header that the application sets replaces the one of the site's address."""
    client = client_class("broker", site=wire.url, redirect_uri=CALLBACK)
    client.headers[name] = "www.example.com"
    exchange_and_refresh(client)
    assert [seen.header("host") for seen in wire.seen] == ["www.example.com"] * 2


@both
def test_custom_transport_gets_the_whole_request(client_class: Any) -> None:
    """A transport of the application gets the query, the body and the Content-Length header."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, text=ANSWER)

    exchange_and_refresh(
        client_class(
            "broker", site="eu", redirect_uri=CALLBACK, transport=httpx2.MockTransport(answer)
        )
    )
    assert seen[0].url.params["code"] == "the-code"
    assert b"refresh_token=second-half" in seen[1].content
    assert seen[1].headers["content-length"] == str(len(seen[1].content))

"""The requests that the clients of httpx2 build, with less work than httpx2 takes for it."""

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
    """A server that gives a token."""
    with Wire() as wire:
        wire.answer = lambda _seen: (200, ANSWER)
        yield wire


def exchange_and_refresh(client: Any) -> None:
    """Fetch a token and refresh it."""

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
def test_httpx2_never_knows_the_query(
    client_class: Any, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """It is handed over as the target, so no record has to be masked for the code in it."""
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
def test_a_host_of_the_applications_own_is_sent_once(
    client_class: Any, name: str, wire: Wire
) -> None:
    """An application may reach KuCoin by an address of another name."""
    client = client_class("broker", site=wire.url, redirect_uri=CALLBACK)
    client.headers[name] = "www.example.com"
    exchange_and_refresh(client)
    assert [seen.header("host") for seen in wire.seen] == ["www.example.com"] * 2


@both
def test_another_transport_is_given_the_whole_request(client_class: Any) -> None:
    """A test's transport chooses its answer by the address or the body."""
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

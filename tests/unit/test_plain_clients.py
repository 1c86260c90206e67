"""The three clients without a registered app: connections, closing, copies, tokens, settings."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from authlib_kucoin import (
    AsyncKuCoinOAuth2Client,
    ConfigurationError,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    KuCoinToken,
    TokenError,
)
from authlib_kucoin.sandbox import Sandbox

NOBODY = "http://127.0.0.1:9"
TOKEN = {"access_token": "mine", "refresh_token": "mine-too", "expires_at": 1}
SYNC = (KuCoinOAuth2Session, KuCoinOAuth2Client)
every_sync = pytest.mark.parametrize("client_class", SYNC)
every_client = pytest.mark.parametrize("client_class", [*SYNC, AsyncKuCoinOAuth2Client])


def connections(sandbox: Sandbox) -> list[int]:
    """Return the number of the connection that each request used."""
    return [request.connection for request in sandbox.requests]


@every_client
def test_call_returns_the_token_it_fetched_itself(
    client_class: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call returns the token it fetched, even if another thread then sets the client's token."""
    client = client_class("broker", site=NOBODY, redirect_uri="https://broker.example.com/cb")
    set_token = client.token_auth.set_token

    def and_another_thread(token: Any) -> None:
        set_token(token)
        set_token({**TOKEN, "access_token": "another user's"})

    def answer(_call: object) -> Any:
        token = KuCoinToken({**TOKEN, "refresh_token": "new"})
        return token if client_class in SYNC else asyncio.sleep(0, token)

    monkeypatch.setattr(client.token_auth, "set_token", and_another_thread)
    monkeypatch.setattr(client, "perform", answer)

    def ask(call: Callable[..., Any], **given: str) -> Any:
        result = call(**given)
        return result if client_class in SYNC else asyncio.run(_awaited(result))

    assert ask(client.fetch_token, code="c")["access_token"] == "mine"
    assert ask(client.refresh_token, refresh_token="mine-too")["access_token"] == "mine"


async def _awaited(coroutine: Any) -> Any:
    return await coroutine


@every_sync
def test_forked_child_opens_its_own_connection(kucoin_sandbox: Sandbox, client_class: Any) -> None:
    """The child opens a connection of its own; the parent goes on with the connection it had."""

    def is_refused(token: str) -> bool:
        return not client.validate_access_token(token)

    with client_class(kucoin_sandbox.client_id, site=kucoin_sandbox.url) as client:
        assert is_refused("the-parents")
        child = os.fork()
        if child == 0:  # pragma: no cover - in another process
            os._exit(0 if is_refused("the-childs") else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert is_refused("the-parents")
    first, childs, again = connections(kucoin_sandbox)
    assert first == again != childs


def test_an_async_client_works_in_one_event_loop_after_another(kucoin_sandbox: Sandbox) -> None:
    """One client serves two event loops in turn, with one connection for each loop."""
    client = AsyncKuCoinOAuth2Client(kucoin_sandbox.client_id, site=kucoin_sandbox.url)

    async def ask_twice() -> None:
        for _ in range(2):
            assert not await client.validate_access_token("dead")

    for _ in range(2):
        asyncio.run(ask_twice())
    assert connections(kucoin_sandbox) == [1, 1, 2, 2]


def test_connection_of_another_loop_or_process_is_not_used(kucoin_sandbox: Sandbox) -> None:
    """A kept connection is used only if its event loop and its process are the current ones."""

    async def main() -> None:
        client = AsyncKuCoinOAuth2Client(kucoin_sandbox.client_id, site=kucoin_sandbox.url)
        loop, kept = asyncio.get_running_loop(), client.pool._clients
        other = asyncio.new_event_loop()
        for changed in ({"process": -1}, {"loop": other}):
            assert not await client.validate_access_token("dead")
            mine = kept[id(loop)]
            await mine.closer.aclose()
            kept[id(loop)] = mine._replace(**changed)
        assert not await client.validate_access_token("dead")
        other.close()
        await client.aclose()

    asyncio.run(main())
    assert connections(kucoin_sandbox) == [1, 2, 3]


@every_client
def test_client_get_uses_the_same_token_and_connection(
    kucoin_sandbox: Sandbox, client_class: Any
) -> None:
    """``client.get`` sends the client's token, over the same connection as KuCoin's calls."""
    token = {"access_token": "mine", "token_type": "bearer", "expires_at": 2_000_000_000}

    async def main() -> int:
        client = client_class("broker", site=kucoin_sandbox.url, token=token)
        call: Any = client.validate_access_token(), client.get(f"{kucoin_sandbox.url}/nowhere")
        if client_class is not AsyncKuCoinOAuth2Client:
            client.close()
            return int(call[1].status_code)
        await call[0]
        response = await call[1]
        await client.aclose()
        return int(response.status_code)

    assert asyncio.run(main()) == 404
    assert connections(kucoin_sandbox) == [1, 1]
    assert kucoin_sandbox.requests[1].headers["authorization"] == "bearer ***"


@pytest.mark.parametrize("leave", ["close", "with"])
def test_closed_client_raises_and_sends_nothing(kucoin_sandbox: Sandbox, leave: str) -> None:
    """A closed client over httpx2 raises ``ConfigurationError`` and sends nothing."""
    sync_client = KuCoinOAuth2Client(kucoin_sandbox.client_id, site=kucoin_sandbox.url)
    async_client = AsyncKuCoinOAuth2Client(kucoin_sandbox.client_id, site=kucoin_sandbox.url)

    async def main() -> None:
        if leave == "close":
            assert not await async_client.validate_access_token("dead")
            await async_client.aclose()
        else:
            async with async_client:
                assert not await async_client.validate_access_token("dead")
        with pytest.raises(ConfigurationError, match="This client is closed"):
            await async_client.validate_access_token("dead")

    if leave == "close":
        assert not sync_client.validate_access_token("dead")
        sync_client.close()
    else:
        with sync_client:
            assert not sync_client.validate_access_token("dead")
    with pytest.raises(ConfigurationError, match="This client is closed"):
        sync_client.validate_access_token("dead")
    asyncio.run(main())
    assert kucoin_sandbox.totals["validate"] == 2


@every_client
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_client_cannot_be_copied(client_class: Any, copied: Callable[[Any], Any]) -> None:
    """Copying or pickling a client raises a ``TypeError`` that says what to do instead."""
    client = client_class("broker", site=NOBODY, token=TOKEN)
    with pytest.raises(TypeError, match="Store its token, and make another client with it"):
        copied(client)


@every_client
@pytest.mark.parametrize(
    "odd", [{"expires_in": "soon"}, {"expires_at": []}, {"expires_at": float("inf")}]
)
def test_token_with_invalid_expiry_is_refused(client_class: Any, odd: dict[str, Any]) -> None:
    """The constructor and ``client.token =`` refuse a token with any of these expiry fields."""
    token = {"access_token": "mine", **odd}
    with pytest.raises(TokenError, match=r"not a number of seconds.*authorize again"):
        client_class("broker", site=NOBODY, token=token)
    client = client_class("broker", site=NOBODY)
    with pytest.raises(TokenError, match="not a number of seconds") as raised:
        client.token = token
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("REQUESTS_CA_BUNDLE", "/nowhere/authorities.pem", "/nowhere/authorities.pem"),
        ("HTTPS_PROXY", "gopher://127.0.0.1:9", "InvalidURL"),
        ("HTTPS_PROXY", "http://user:canary#secret@127.0.0.1:9", "InvalidURL"),
    ],
)
def test_broken_environment_setting_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    """In the client over requests, an invalid proxy URL or a missing CA file raises an error.

    It is a ``ConfigurationError`` with ``retry`` false, and hides the proxy's password.
    """
    monkeypatch.setenv(name, value)
    with KuCoinOAuth2Session("broker", site="https://127.0.0.1:9") as session:
        for call in (session.create_api_key, session.validate_access_token):
            with pytest.raises(ConfigurationError, match=says) as raised:
                call("an-access-token")
            assert not raised.value.retry
            assert "canary" not in "".join(traceback.format_exception(raised.value))


def test_time_limit_error_of_the_host_is_raised_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a time limit interrupts a key request before it is sent, the limit's error is raised."""

    class SoftTimeLimitExceeded(Exception):
        """Stands for the error that a task queue raises when a job takes too long."""

    def exceed_time_limit(*_args: object, **_kwargs: object) -> None:
        raise SoftTimeLimitExceeded

    with KuCoinOAuth2Session("broker", site=NOBODY) as session:
        monkeypatch.setattr(session.get_adapter(NOBODY), "send", exceed_time_limit)
        with pytest.raises(SoftTimeLimitExceeded):
            session.create_api_key("an-access-token")


def test_closed_client_does_not_fail_another_clients_refresh(kucoin_sandbox: Sandbox) -> None:
    """A closed client's error is not raised for another client that holds the same token."""

    async def main() -> list[Any]:
        closed, is_open = (
            AsyncKuCoinOAuth2Client("broker", site=kucoin_sandbox.url, token=TOKEN)
            for _ in range(2)
        )
        await closed.aclose()
        outcomes = await asyncio.gather(
            closed.refresh_token(), is_open.refresh_token(), return_exceptions=True
        )
        await is_open.aclose()
        return outcomes

    of_closed, of_open = asyncio.run(main())
    assert isinstance(of_closed, ConfigurationError)
    assert isinstance(of_open, TokenError)  # from the sandbox, which did not issue this token
    assert kucoin_sandbox.totals == {"refresh": 1}


@every_client
def test_token_that_is_not_a_mapping_is_refused(client_class: Any) -> None:
    """A token that is not a mapping is refused, and the error names its type."""
    with pytest.raises(TokenError, match=r"Expected a token.*of type object"):
        client_class("broker", site=NOBODY, token=object())

"""The error for a failed request for a key tells whether the request may have been sent.

Settings with which the request could be sent twice are refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from authlib.integrations.starlette_client import OAuth
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from authlib_kucoin import (
    ApiKeyOutcomeUnknown,
    AsyncKuCoinOAuth2Client,
    ConfigurationError,
    KuCoinError,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    KuCoinUnavailable,
    register_kucoin,
)

NOBODY = "http://127.0.0.1:9"
CALLBACK = "https://broker.example.com/callback"
Ask = Callable[..., KuCoinError]


def ask(site: str, **options: Any) -> KuCoinError:
    """Ask for a key with the blocking httpx2 client, and return the error."""
    client = KuCoinOAuth2Client("broker", site=site, **options)
    with pytest.raises(KuCoinError) as raised:
        client.create_api_key("an-access-token")
    client.close()
    return raised.value


def ask_async(site: str, **options: Any) -> KuCoinError:
    """Ask for a key with the async httpx2 client, and return the error."""

    async def work() -> KuCoinError:
        client = AsyncKuCoinOAuth2Client("broker", site=site, **options)
        with pytest.raises(KuCoinError) as raised:
            await client.create_api_key("an-access-token")
        await client.aclose()
        return raised.value

    return asyncio.run(work())


either = pytest.mark.parametrize("ask", [ask, ask_async])


@contextlib.contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run a server that passes its only connection to ``handle``; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                handle(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def _never_answer(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


@either
def test_refused_connection_has_sent_no_key_request(ask: Ask) -> None:
    """If nothing listens at the address, a request for a key raises ``KuCoinUnavailable``."""
    assert type(ask(NOBODY)) is KuCoinUnavailable


@either
def test_proxy_without_tunnel_has_received_no_key_request(ask: Ask) -> None:
    """If the proxy does not answer CONNECT, a request for a key raises ``KuCoinUnavailable``."""
    with serving(_never_answer) as proxy:
        error = ask("https://127.0.0.1:9", proxy=proxy, timeout=0.2)
    assert type(error) is KuCoinUnavailable


@either
def test_http_2_is_refused(ask: Ask) -> None:
    """A client over httpx2 refuses HTTP/2."""
    with pytest.raises(ConfigurationError, match="http2"):
        ask(NOBODY, http2=True)


@pytest.mark.parametrize(
    ("retries", "raised"),
    [
        (Retry(3, allowed_methods=None), ConfigurationError),
        (Retry(3, allowed_methods=["POST"]), ConfigurationError),
        (Retry(3), ApiKeyOutcomeUnknown),
        (Retry(0, allowed_methods=None), ApiKeyOutcomeUnknown),
        (3, ConfigurationError),  # not of urllib3, so nothing is known about its methods
    ],
)
def test_adapter_that_repeats_posts_is_refused(retries: Any, raised: type[KuCoinError]) -> None:
    """If the session's adapter may repeat POSTs, asking for a key raises ``ConfigurationError``."""
    with KuCoinOAuth2Session("broker", site=NOBODY) as session:
        adapter = HTTPAdapter()
        adapter.max_retries = retries
        session.mount("http://", adapter)
        with pytest.raises(raised):
            session.create_api_key("an-access-token")


@either
@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx2.ConnectError, KuCoinUnavailable),
        (httpx2.PoolTimeout, KuCoinUnavailable),
        (httpx2.LocalProtocolError, ApiKeyOutcomeUnknown),
        (httpx2.ReadTimeout, ApiKeyOutcomeUnknown),
        (RuntimeError, ApiKeyOutcomeUnknown),
    ],
)
def test_error_of_a_custom_transport_tells_what_was_sent(
    ask: Ask, raised: type[Exception], kind: type[KuCoinError]
) -> None:
    """After a connect or pool error of the application's transport, nothing was sent.

    After each of the other errors here, the request may have been sent.
    """

    class Transport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
        def handle_request(self, _request: httpx2.Request) -> httpx2.Response:
            raise raised("made up")

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            return self.handle_request(request)

    for options in ({"transport": Transport()}, {"mounts": {"all://": Transport()}}):
        assert type(ask(NOBODY, **options)) is kind


@pytest.mark.filterwarnings("ignore:.verify=<str>. is deprecated")
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"proxy": "gopher://127.0.0.1:9"}, "ValueError"),
        ({"proxy": "http://user:canary#secret@127.0.0.1:9"}, "InvalidURL"),
        ({"verify": "/nowhere/authorities.pem"}, "FileNotFoundError"),
    ],
    ids=["scheme", "password", "authorities"],
)
def test_unusable_connection_settings_are_a_configuration_error(
    settings: dict[str, Any], says: str
) -> None:
    """The error names the cause and ``client_kwargs``, and shows no proxy password."""
    kucoin = register_kucoin(OAuth(), site=NOBODY, client_id="broker", client_kwargs=settings)
    with pytest.raises(ConfigurationError, match=f"{says}.*client_kwargs") as raised:
        asyncio.run(kucoin.create_api_key("an-access-token"))
    assert raised.value.operation == "create_api_key"
    assert "canary" not in "".join(traceback.format_exception(raised.value))


def test_new_pool_after_a_fork_notes_what_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a fork, other threads see the new pool only once its connections note what is sent."""
    session = KuCoinOAuth2Session("broker", site=NOBODY, timeout=5)
    adapter: Any = session.get_adapter(NOBODY)
    watch = adapter._watch
    unwatched = []

    def slow_watch(manager: Any) -> None:
        unwatched.append(adapter.poolmanager is manager)
        watch(manager)

    monkeypatch.setattr(adapter, "_watch", slow_watch)
    adapter._process = -1
    with pytest.raises(KuCoinUnavailable):
        session.create_api_key("an-access-token")
    session.close()
    assert unwatched == [False]


class SoftTimeLimitExceeded(Exception):
    """Stands for the error that a job queue raises when a job takes too long."""


class _Interrupted(httpx2.BaseTransport, httpx2.AsyncBaseTransport, HTTPAdapter):
    """Raises a time limit's error while it handles an error whose text holds the URL."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            raise OSError(f"no answer from {request.url}")
        except OSError:
            raise SoftTimeLimitExceeded  # noqa: B904 - as a signal handler does

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self.handle_request(request)

    def send(self, request: Any, **_: Any) -> Any:
        return self.handle_request(request)


def test_interruption_hides_the_request() -> None:
    """The caller gets the time limit's error alone, without the error that held the URL."""
    session = KuCoinOAuth2Session("broker", site=NOBODY, redirect_uri=CALLBACK)
    session.mount("http://", _Interrupted())
    client = KuCoinOAuth2Client(
        "broker", site=NOBODY, redirect_uri=CALLBACK, transport=_Interrupted()
    )
    awaited = AsyncKuCoinOAuth2Client(
        "broker", site=NOBODY, redirect_uri=CALLBACK, transport=_Interrupted()
    )
    for exchange in (
        lambda: session.fetch_token(code="canary"),
        lambda: client.fetch_token(code="canary"),
        lambda: asyncio.run(awaited.fetch_token(code="canary")),
    ):
        with pytest.raises(SoftTimeLimitExceeded) as raised:
            exchange()
        shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        assert "no answer from" not in "".join(shown.format())
        assert raised.value.__context__ is None


@pytest.mark.parametrize("transport", [httpx2.HTTPTransport, httpx2.AsyncHTTPTransport])
@pytest.mark.parametrize("where", ["transport", "mounts"])
def test_http_2_transport_is_refused(transport: Any, where: str) -> None:
    """Clients over httpx2, and ``register_kucoin``, refuse a transport made with ``http2=True``."""
    sender = transport(http2=True)
    options = {where: sender if where == "transport" else {"all://": sender}}
    is_async = transport is httpx2.AsyncHTTPTransport
    with pytest.raises(ConfigurationError, match="http2"):
        (AsyncKuCoinOAuth2Client if is_async else KuCoinOAuth2Client)("broker", **options)
    if is_async:
        with pytest.raises(ConfigurationError, match="http2"):
            register_kucoin(OAuth(), site=NOBODY, client_id="broker", client_kwargs=options)

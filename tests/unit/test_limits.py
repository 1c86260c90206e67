"""Limits and rare cases that need no server: test doubles, odd errors, TLS in memory."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from typing import Any

import httpx2
import pytest
from authlib.integrations.starlette_client import OAuth
from requests import Response
from requests.adapters import HTTPAdapter

from authlib_kucoin import (
    AsyncKuCoinOAuth2Client,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    KuCoinUnavailable,
    MalformedResponse,
    register_kucoin,
)
from authlib_kucoin._clients.failures import broken_for_good, host_of, name_of
from authlib_kucoin._clients.http_answer import _Limited, _RawReader, _Reader
from authlib_kucoin._clients.network import addresses, holds_bytes, is_readable

SITE = "http://127.0.0.1:9"
LARGE = b" " * (1024 * 1024 + 1)


class _Double(HTTPAdapter):
    """A test double of an adapter: returns a fixed body without a connection."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body

    def send(self, *_: Any, **__: Any) -> Response:
        response = Response()
        response.status_code = 200
        response._content = self.body
        return response


def validate(kind: str, body: bytes) -> bool:
    """Validate a token with a client; a test double answers, with the body read and decoded."""

    def answer(_request: httpx2.Request) -> httpx2.Response:
        packed = gzip.compress(body)
        return httpx2.Response(200, content=packed, headers={"Content-Encoding": "gzip"})

    transport = httpx2.MockTransport(answer)
    if kind == "requests":
        session = KuCoinOAuth2Session(site=SITE)
        session.mount("http://", _Double(body))
        return session.validate_access_token("access")
    if kind == "httpx":
        return KuCoinOAuth2Client(site=SITE, transport=transport).validate_access_token("access")
    client = AsyncKuCoinOAuth2Client(site=SITE, transport=transport)
    return asyncio.run(client.validate_access_token("access"))


@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx-async"])
def test_size_limit_applies_to_a_body_read_by_a_test_double(kind: str) -> None:
    """The largest size also applies to a body that a test double has read and decoded."""
    assert validate(kind, b'{"is_valid": true}') is True
    with pytest.raises(MalformedResponse, match="larger than"):
        validate(kind, LARGE)


def test_registered_app_accepts_the_answer_of_a_mock_transport() -> None:
    """A registered app accepts the answer of an ``httpx2.MockTransport``."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=b'{"is_valid": true}'))
    app = register_kucoin(
        OAuth(), site=SITE, client_id="broker", client_kwargs={"transport": transport}
    )
    assert asyncio.run(app.validate_access_token("access")) is True


@pytest.mark.parametrize(
    "client", [KuCoinOAuth2Session, KuCoinOAuth2Client, AsyncKuCoinOAuth2Client]
)
def test_unknown_host_name_is_kucoin_unavailable(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the host's name is unknown, a request for a key raises ``KuCoinUnavailable``."""

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror("made up")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(KuCoinUnavailable, match="gaierror"):
        # A blocking client raises before `run`.
        asyncio.run(client(site="http://localhost:9").create_api_key("access"))


def test_link_local_address_keeps_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link-local IPv6 address keeps its interface, without which it cannot be reached."""
    found = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 80, 0, 2))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [found])
    assert addresses("[fe80::1]", 80) == ["fe80::1%2"]


def test_host_of_omits_user_and_password() -> None:
    """``host_of`` leaves out user and password, and returns "" for a URL it cannot parse."""
    assert host_of("http://user:p@ss@proxy.example.com:3128/") == "proxy.example.com:3128"
    assert host_of("http://[") == ""


def test_name_of_follows_a_limited_number_of_causes() -> None:
    """``name_of`` follows few enough causes not to reach an OSError that is 1,000 causes deep."""
    error: Exception = OSError("the first")
    for _ in range(1000):
        error = ValueError(error)
    assert name_of(error) == "ValueError"


@pytest.mark.parametrize(("above", "is_found"), [(3, True), (99, False)])
def test_broken_for_good_follows_a_limited_number_of_causes(above: int, is_found: bool) -> None:
    """The cause is found below 3 errors; below 99 it is too deep to be looked at."""
    error: Exception = RecursionError()
    for number in range(above):
        outer = OSError(str(number))
        outer.__cause__ = error
        error = outer
    advice = broken_for_good(error, host="h", authorities="a", proxy="", operation=None)
    assert (advice is not None) is is_found


def test_holds_bytes_is_true_if_tls_receives_plain_http() -> None:
    """``holds_bytes`` is true if the input of a TLS connection is plain HTTP."""
    incoming = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="x")
    assert holds_bytes(tls) is False
    incoming.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert holds_bytes(tls) is True


def test_an_answer_can_be_closed_twice() -> None:
    """The first ``close`` ends the connection, since bytes are left; the second does nothing."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        theirs.sendall(b"answer, and more")
        reader = _Reader(_RawReader(ours))
        assert reader.read(6) == b"answer"
        reader.close()
        reader.close()
        assert theirs.recv(1) == b""  # end of file: close() has shut the connection down


@pytest.mark.parametrize("error", [OSError, ValueError])
def test_file_of_a_closed_socket_can_be_closed_twice(error: type[Exception]) -> None:
    """The file of a socket whose ``pending()`` raises can be closed, and closed again."""
    near, far = socket.socketpair()
    with near, far:

        class Gone(socket.socket):
            def pending(self) -> int:
                raise error("closed")

        with Gone(fileno=near.detach()) as gone:
            file = _Limited(gone).makefile("rb")
            file.close()
            file.close()
            assert file.closed


@pytest.mark.parametrize("has_poll", [True, False])
def test_socket_is_readable_with_input_or_closed(
    has_poll: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket is readable if it has input or is closed, also without ``poll`` (Windows)."""
    if not has_poll:
        monkeypatch.delattr("select.poll")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not is_readable(ours)
        theirs.send(b"x")
        assert is_readable(ours)
    assert is_readable(ours)

"""Rare cases: adapters and transports that answer themselves, broken TLS, long chains of causes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import httpx2
import pytest
from authlib.integrations.starlette_client import OAuth
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from authlib_kucoin import (
    ConfigurationError,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    KuCoinUnavailable,
    register_kucoin,
)
from authlib_kucoin._clients.failures import host_of, name_of
from authlib_kucoin._clients.http_answer import _RawReader, _Reader
from authlib_kucoin._clients.network import holds_bytes
from authlib_kucoin._protocol.redaction import redact

SITE = "https://kucoin.example.com"
VALID = b'{"access_token": "a", "is_valid": true}'


@pytest.mark.parametrize("client_class", [KuCoinOAuth2Session, KuCoinOAuth2Client])
def test_client_refuses_request_argument(client_class: Any) -> None:
    """A client refuses ``request=``, because it has no ``fetch_token`` to find a token with."""
    with pytest.raises(ConfigurationError, match="pass token= instead"):
        client_class("broker", site=SITE).create_api_key(request=object())


class _Canned(BaseAdapter):
    """An adapter that returns a fixed answer without a connection."""

    def send(self, _request: PreparedRequest, **_: Any) -> Response:  # type: ignore[override]
        response = Response()
        response.status_code, response._content = 200, VALID
        return response

    def close(self) -> None:
        """Do nothing: no connection is open."""


def test_answer_of_a_custom_requests_adapter_is_accepted() -> None:
    """A session accepts an answer that another adapter has read and decoded already."""
    with KuCoinOAuth2Session("broker", site=SITE) as session:
        session.mount(SITE, _Canned())
        assert session.validate_access_token("a") is True


def test_answer_of_an_httpx2_mock_transport_is_accepted() -> None:
    """A client and a registered app accept the answer of an ``httpx2.MockTransport``."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=VALID))
    with KuCoinOAuth2Client("broker", site=SITE, transport=transport) as client:
        assert client.validate_access_token("a") is True
    app = register_kucoin(
        OAuth(), site=SITE, client_id="broker", client_kwargs={"transport": transport}
    )
    assert asyncio.run(app.validate_access_token("a")) is True


def test_unknown_host_name_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the host's name is unknown, a request for a key raises ``KuCoinUnavailable``."""

    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for client_class in (KuCoinOAuth2Session, KuCoinOAuth2Client):
        with pytest.raises(KuCoinUnavailable, match="gaierror"):
            client_class("broker", site=SITE).create_api_key("a")  # type: ignore[operator]


def test_host_of_is_empty_for_an_unparsable_url() -> None:
    """``host_of`` leaves out user and password, and returns "" for a URL it cannot parse."""
    assert host_of("http://user:password@[proxy") == ""
    assert host_of("http://user:password@proxy.example.com:3128") == "proxy.example.com:3128"


def test_name_of_follows_a_limited_number_of_causes() -> None:
    """``name_of`` follows few enough causes not to reach an OSError that is 1,000 causes deep."""
    error: Exception = OSError("the first")
    for _ in range(1000):
        error = ValueError(error)
    assert name_of(error) == "ValueError"


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


class _Closed(socket.socket):
    def pending(self) -> int:
        raise ValueError("the connection is closed")


def test_a_closed_connection_holds_no_bytes() -> None:
    """If ``pending()`` of a closed socket raises, ``holds_bytes`` of its reader is false."""
    with _Closed() as closed:
        assert not _RawReader(closed).holds_bytes


def test_a_broken_tls_connection_is_not_used_again() -> None:
    """``holds_bytes`` is false for a TLS connection without input, and true for broken input."""
    incoming = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="a")
    assert not holds_bytes(tls)
    incoming.write(b"this is not TLS" * 10)
    assert holds_bytes(tls)


def test_a_secret_inside_another_is_masked_once() -> None:
    """A secret that looks escaped and ends with another secret is replaced by one mask."""
    assert redact("<%41bc>", ("%41bc", "bc")) == "<***>"

"""The errors for a broken setup: certificates, proxies, a site without TLS, and gevent."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from authlib_kucoin import ConfigurationError, KuCoinError, KuCoinUnavailable
from tests.contract.stacks import CLIENTS, NewStack, everywhere, outcome_of
from tests.support.canaries import canaries
from tests.support.certificates import self_signed
from tests.support.wire import Wire, whole

TOKEN = {"access_token": "access", "refresh_token": "refresh"}
IN_A_URL = quote(canaries.new("a proxy's password"), safe="")


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that plays the proxy."""
    with Wire() as wire:
        yield wire


@everywhere
def test_untrusted_certificate_error_says_how_to_trust_it(
    row: str, new_stack: NewStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names an environment variable; if it is set to the certificate, a refresh works."""
    certificate, key = self_signed(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    monkeypatch.setattr("tests.contract.stacks._clients._TLS", True)
    with Wire(server) as wire:
        wire.answer = lambda _seen: (200, '{"access_token": "new"}')
        stack = new_stack(site=wire.url)
        for call in (stack.create_api_key, stack.refresh):
            error = outcome_of(lambda call=call: call(TOKEN))  # type: ignore[misc]  # a default
            assert (type(error), error.retry) == (ConfigurationError, False)
            assert "self-signed certificate" in str(error)
        (variable,) = re.findall("REQUESTS_CA_BUNDLE|SSL_CERT_FILE", str(error))
        monkeypatch.setenv(variable, certificate)
        assert new_stack(site=wire.url).refresh(TOKEN)["access_token"] == "new"


@everywhere
def test_proxy_authentication_error_hides_the_password(
    new_stack: NewStack, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the proxy's host and port, and does not show the password."""
    proxy = wire.url.removeprefix("http://")
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{IN_A_URL}@{proxy}")
    wire.answer = lambda _seen: whole(407, "", {"Proxy-Authenticate": "Basic"})
    stack = new_stack(site="eu")
    for call in (stack.create_api_key, stack.refresh):
        error = outcome_of(lambda call=call: call(TOKEN))  # type: ignore[misc]  # a default
        assert (type(error), error.retry) == (ConfigurationError, False)
        assert f"The proxy {proxy} asks for a user name and a password" in str(error)
        assert IN_A_URL not in str(error)


@pytest.mark.parametrize("row", CLIENTS)
def test_http_407_of_a_forwarding_proxy_is_the_proxys_answer(
    new_stack: NewStack, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP 407 to a validation counts as the proxy's answer, even for a site without TLS."""
    monkeypatch.setenv("HTTP_PROXY", wire.url)
    wire.answer = lambda _seen: (407, "")
    error = outcome_of(lambda: new_stack(site="http://127.0.0.2:9").validate(TOKEN))
    assert type(error) is ConfigurationError
    assert f"The proxy {wire.url.removeprefix('http://')} asks for" in str(error)


@pytest.mark.parametrize("row", CLIENTS)
def test_http_407_without_a_proxy_is_the_servers_answer(new_stack: NewStack, wire: Wire) -> None:
    """HTTP 407 from the site itself is an error that speaks of no proxy."""
    wire.answer = lambda _seen: (407, "")
    error = outcome_of(lambda: new_stack(site=wire.url).validate(TOKEN))
    assert isinstance(error, KuCoinError)
    assert not isinstance(error, ConfigurationError)
    assert "407" in str(error)
    assert "proxy" not in str(error)


@everywhere
def test_unreachable_proxy_error_names_the_proxy(
    new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the proxy. The error's ``retry`` is true, as the proxy may come back."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{IN_A_URL}@127.0.0.1:9")
    error = outcome_of(lambda: new_stack(site="eu").refresh(TOKEN))
    assert (type(error), error.retry) == (KuCoinUnavailable, True)
    assert "through the proxy 127.0.0.1:9)" in str(error)


@everywhere
def test_site_without_tls_error_names_the_server(new_stack: NewStack) -> None:
    """The error names the server that does not speak TLS. The error's ``retry`` is false."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=_answer_in_clear_text, args=(listener,))
        thread.start()
        error = outcome_of(lambda: new_stack(site=f"https://{host}").create_api_key(TOKEN))
        thread.join()
    assert (type(error), error.retry) == (ConfigurationError, False)
    assert f"The server at {host} does not speak TLS" in str(error)


def _answer_in_clear_text(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_late_gevent_patching_error_says_to_patch_first() -> None:
    """If gevent patches ssl after the import of this package, the error says to patch first."""
    script = """
from authlib_kucoin import KuCoinOAuth2Session, ConfigurationError
import gevent.monkey
gevent.monkey.patch_all()
try:
    KuCoinOAuth2Session("broker", site="https://127.0.0.1:9").create_api_key("access")
except ConfigurationError as error:
    print(error)
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "gevent.monkey.patch_all() before anything else is imported" in done.stdout

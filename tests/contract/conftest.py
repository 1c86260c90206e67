"""Fixtures of the contract.

A row of the contract is one framework or client, or python-social-auth. A stack is a row in use.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from authlib_kucoin._clients import refresh as _refresh
from authlib_kucoin.sandbox import Sandbox
from tests.contract.hosts import HOSTS, Host
from tests.contract.recorder import Recorder
from tests.contract.stacks import EVERYWHERE, ROWS, NewStack, Settings, Stack
from tests.support.certificates import self_signed


@pytest.fixture(autouse=True)
def _silent_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove some environment variables that the HTTP libraries read."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    for name in (*names, *map(str.lower, names), "NETRC", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_refresh_remembered() -> None:
    """Forget the refreshes of earlier tests, whose servers may have had the same port."""
    if sweeper := _refresh.refreshes._sweeper:
        sweeper.cancel()
    _refresh.refreshes.__init__()  # type: ignore[misc]  # also done after a fork


@pytest.fixture(params=ROWS)
def row(request: pytest.FixtureRequest) -> str:
    """The name of a row of the contract, which is a framework or a client; each in turn."""
    return request.param


@pytest.fixture
def new_stack(row: str) -> Iterator[NewStack]:
    """Return a function that makes a stack of the row from the fields of `Settings`, by keyword."""
    with ExitStack() as stacks:

        def make(**settings: Any) -> Stack:
            return stacks.enter_context(EVERYWHERE[row](Settings(**settings)))

        yield make


@pytest.fixture
def stack(kucoin_sandbox: Sandbox, new_stack: NewStack) -> Stack:
    """A stack of the row, with the sandbox as its site."""
    return new_stack(site=kucoin_sandbox.url)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A server that gives KuCoin's usual answers and records each request."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """An application of Flask, Django and Starlette, each in turn."""
    host = HOSTS[request.param]()
    yield host
    host.close()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The TLS context of a test server. The stacks of the three clients trust its certificate."""
    certificate, key = self_signed(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr("tests.contract.stacks._clients._TLS", client)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    return server

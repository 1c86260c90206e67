"""Keys from the sandbox work in the Python clients that brokers use."""

from __future__ import annotations

import time
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from authlib_kucoin import KuCoinOAuth2Session
from authlib_kucoin.sandbox import run_sandbox

if TYPE_CHECKING:
    from tests.sandbox.real_clients import Ask

Errors = tuple[type[Exception], ...]

# The SDK causes this warning by its use of pydantic.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_fields':DeprecationWarning")


@pytest.fixture
def clients() -> ModuleType:
    """The module that imports the clients."""
    from tests.sandbox import real_clients

    return real_clients


@pytest.fixture(params=["by_sdk", "by_ccxt"])
def ask(request: pytest.FixtureRequest, clients: ModuleType) -> Ask:
    """A function that makes the first calls with a client; the test runs with each client."""
    return getattr(clients, request.param)


@pytest.fixture
def errors(clients: ModuleType) -> Errors:
    """The errors that the clients raise for a refused call."""
    return clients.ERRORS


def test_first_calls(ask: Ask) -> None:
    """Each client reads key info, a balance and the server's time, with and without a partner."""
    with run_sandbox() as sandbox:
        key = sandbox.connect()
        partner = {"partner": "sandbox-partner", "partner_key": "sandbox-partner-key"}

        for settings in ({}, partner):
            found = ask(sandbox, key, settings)
            assert (found["key"], found["balance"]) == (key.api_key, "250")
            assert abs(found["time"] / 1000 - time.time()) < 60


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"secret": "wrong"}, "400004"),  # the passphrase is signed with the secret
        ({"passphrase": "wrong"}, "400004"),
        ({"partner": "unknown", "partner_key": "x"}, "400200"),
        ({"partner": "sandbox-partner", "partner_key": "wrong"}, "400201"),
    ],
)
def test_wrong_credentials(ask: Ask, errors: Errors, settings: dict[str, str], code: str) -> None:
    """If a credential is wrong, the client's error holds the gateway's code."""
    with run_sandbox() as sandbox, pytest.raises(errors) as caught:
        ask(sandbox, sandbox.connect(), settings)
    assert code in f"{caught.value} {vars(caught.value)}"


def test_wrong_address(ask: Ask, errors: Errors) -> None:
    """If the key is bound to other addresses, the client's error holds the gateway's 400006."""
    with run_sandbox(ip_whitelist=["203.0.113.7"]) as sandbox, pytest.raises(errors) as caught:
        ask(sandbox, sandbox.connect(), {})
    assert "400006" in f"{caught.value} {vars(caught.value)}"


def test_key_of_fast_api_2(ask: Ask) -> None:
    """A key that `KuCoinOAuth2Session` gets by Fast API 2.0 works in KuCoin's SDK and in ccxt."""
    with run_sandbox() as sandbox, KuCoinOAuth2Session(site=sandbox.url, fast_api=2) as session:
        key = session.create_api_key(sandbox.token())
        paths = [request.path for request in sandbox.requests]
        assert paths[-1] == "/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add"
        assert ask(sandbox, key, {})["key"] == key.api_key

"""Keys from the sandbox work in the Node clients that brokers use."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from tests.clients.conftest import run

CLIENTS = ("universal_sdk", "old_sdk", "ccxt")


def outcome(folder: Path, client: str, sandbox: Sandbox, **changed: str) -> dict[str, Any]:
    """Run a client with a new key and changed settings; return the result that it prints."""
    key = sandbox.connect()
    settings = {
        "url": sandbox.url,
        "apiKey": key.api_key,
        "secret": key.secret,
        "passphrase": key.passphrase,
    } | changed
    said = run("node", "run.mjs", client, json.dumps(settings), cwd=folder)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


@pytest.mark.parametrize("client", CLIENTS)
def test_first_calls(node_clients: Path, client: str) -> None:
    """Each client reads about its key (key info or account summary), the time and a balance."""
    with run_sandbox() as sandbox:
        partner = {
            "partner": sandbox.options.partner,
            "partnerKey": sandbox.options.partner_key,
        }
        said = outcome(node_clients, client, sandbox, **(partner if client == "ccxt" else {}))
        assert "error" not in said, said
        assert said["key"] == sandbox.keys[0].api_key
        assert abs(said["time"] / 1000 - time.time()) < 60
        assert said["balance"] == "250"


@pytest.mark.parametrize("client", CLIENTS)
def test_wrong_passphrase(node_clients: Path, client: str) -> None:
    """If the passphrase is wrong, the client's error holds the gateway's 400004."""
    with run_sandbox() as sandbox:
        assert "400004" in outcome(node_clients, client, sandbox, passphrase="wrong")["error"]


@pytest.mark.parametrize("client", CLIENTS)
def test_wrong_address(node_clients: Path, client: str) -> None:
    """If the key is bound to other addresses, the client's error holds the gateway's 400006."""
    with run_sandbox(ip_whitelist=["203.0.113.7"]) as sandbox:
        assert "400006" in outcome(node_clients, client, sandbox)["error"]


@pytest.mark.parametrize("client", ["universal_sdk", "ccxt"])
@pytest.mark.parametrize(
    ("partner", "code"), [("unknown", "400200"), ("sandbox-partner", "400201")]
)
def test_wrong_partner(node_clients: Path, client: str, partner: str, code: str) -> None:
    """The error holds 400200 for an unknown partner, 400201 for a wrong partner signature."""
    with run_sandbox() as sandbox:
        said = outcome(node_clients, client, sandbox, partner=partner, partnerKey="wrong")
        assert code in said["error"]

"""The OpenAPI file and the documentation describe the sandbox's calls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from authlib_kucoin.sandbox import OPERATIONS, SCENARIOS
from authlib_kucoin.sandbox._control import CALLS
from authlib_kucoin.sandbox._permissions import GROUPS, PERMISSIONS
from authlib_kucoin.sandbox._router import ROUTES
from tests.sandbox.broker import Broker


@pytest.fixture
def described(broker: Broker) -> dict[str, Any]:
    """The OpenAPI file, as a client gets it."""
    content: dict[str, Any] = broker.wire.ask("GET", "/sandbox/openapi.json").json
    return content


def test_every_call_is_described(described: dict[str, Any]) -> None:
    """The file has the calls in `ROUTES` and `CALLS`, by path and method, and no others."""
    there = {(path, route.method) for path, route in ROUTES.items()}
    there |= {(path, method) for path, methods in CALLS.items() for method in methods}

    paths = described["paths"].items()
    assert {(path, method.upper()) for path, methods in paths for method in methods} == there


def test_members_are_described(described: dict[str, Any]) -> None:
    """The file lists for each control call what members or parameters it takes and requires."""
    for path, methods in CALLS.items():
        for method, call in methods.items():
            operation = described["paths"][path][method.lower()]
            names = {each["name"] for each in operation.get("parameters", [])}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            names |= set(body.get("schema", {}).get("properties", {}))
            needed = {name for name, member in call.members.items() if member.is_needed}

            assert names == set(call.members), path
            assert set(body.get("schema", {}).get("required", [])) == needed, path


def test_words_are_described(described: dict[str, Any]) -> None:
    """The file's operations, scenarios, permissions and groups are those of the sandbox."""
    schemas = described["components"]["schemas"]
    add = "/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add"
    body = described["paths"][add]["post"]["requestBody"]["content"]["application/json"]

    assert schemas["Operation"]["enum"] == list(OPERATIONS)
    assert schemas["ScenarioName"]["enum"] == list(SCENARIOS)
    assert schemas["Permission"]["enum"] == [name for name in GROUPS if name in PERMISSIONS]
    assert body["schema"]["properties"]["authGroupMap"]["required"] == list(GROUPS)


def test_references_lead_somewhere(described: dict[str, Any]) -> None:
    """Each reference to ``#/components`` names a component that exists."""
    text = json.dumps(described)
    for part, names in described["components"].items():
        for name in names:
            text = text.replace(f'"#/components/{part}/{name}"', "")
    assert "#/components" not in text


def test_version_is_the_packages(described: dict[str, Any], broker: Broker) -> None:
    """The file names the version that runs."""
    health = broker.wire.ask("GET", "/sandbox/health").json
    assert described["info"]["version"] == health["version"] != "0"


def test_documentation_lists_calls_and_scenarios() -> None:
    """The tables in ``docs/sandbox.md`` list every scenario, and every control call's members.

    Only ``openapi.json`` is not in the table of calls.
    """
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    table = page.partition("| call | body, or parameters | answer |")[2].partition("\n\n")[0]
    calls = {
        (f"/sandbox/{name}", method): set(re.findall(r"`(\w+)`", members))
        for names, members in re.findall(r"^\| (`.+?`) \| (.*?) \|", table, re.MULTILINE)
        for method, name in re.findall(r"(GET|POST) ([\w/]+)", names)
    }
    scenarios = page.partition("| scenario | what KuCoin does |")[2].partition("\n\n")[0]

    assert calls == {
        (path, method): set(call.members)
        for path, methods in CALLS.items()
        for method, call in methods.items()
        if path != "/sandbox/openapi.json"
    }
    assert re.findall(r"^\| `([\w-]+)`", scenarios, re.MULTILINE) == list(SCENARIOS)


@pytest.mark.parametrize("fast_api", [1, 2])
def test_description_is_the_same_for_all_options(
    new_broker: Callable[..., Broker], described: dict[str, Any], fast_api: Any
) -> None:
    """The file does not depend on the option `fast_api`."""
    broker = new_broker(fast_api=fast_api)
    assert broker.wire.ask("GET", "/sandbox/openapi.json").json == described

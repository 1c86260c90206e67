"""Which permissions a request for a key can ask for (with Fast API 2 only), and how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from authlib_kucoin import ConfigurationError
from authlib_kucoin._protocol.permissions import api_key_body
from authlib_kucoin._protocol.sites import SITES

GROUPS = [
    "API_COMMON",
    "API_SPOT",
    "API_FUTURES",
    "API_MARGIN",
    "API_EARN",
    "API_TRANSFER",
    "API_WITHDRAW_OAUTH",
]


@pytest.mark.parametrize(
    ("permissions", "true"),
    [
        (None, {"API_COMMON", "API_SPOT"}),
        (["API_COMMON"], {"API_COMMON"}),
        (("API_FUTURES", "API_COMMON", "API_FUTURES"), {"API_COMMON", "API_FUTURES"}),
        (iter(["API_EARN"]), {"API_EARN"}),
    ],
)
def test_body_has_every_permission_group_in_order(permissions: Any, true: set[str]) -> None:
    """The body names all seven groups: true for those asked for (by default two), else false."""
    body = json.loads(api_key_body(SITES["global"], permissions))
    assert list(body) == ["authGroupMap", "isAddressbookOnly"]
    assert list(body["authGroupMap"]) == GROUPS
    assert body["authGroupMap"] == {name: name in true for name in GROUPS}
    assert body["isAddressbookOnly"] is False


def test_fast_api_1_has_no_body_and_no_permissions() -> None:
    """With Fast API 1 the body is empty, and ``permissions`` is refused, even an empty list."""
    assert api_key_body(SITES["eu"], None) == ""
    for permissions in ([], ["API_SPOT"]):
        with pytest.raises(ConfigurationError, match="fast_api=2"):
            api_key_body(SITES["eu"], permissions)


@pytest.mark.parametrize(
    ("permissions", "text"),
    [
        (["SPOT"], "'SPOT': choose from API_COMMON, API_SPOT, API_FUTURES"),
        (["api_spot"], "'api_spot'"),
        (["API_SPOT", 5], "'5'"),
        ([], "names none"),
        (5, "names none"),
        ("API_SPOT", r"\['API_SPOT'\]"),
        (["API_WITHDRAW_OAUTH"], "API_WITHDRAW_OAUTH is never asked for"),
    ],
)
def test_invalid_permissions_are_refused(permissions: Any, text: str) -> None:
    """The error names the wrong permission, or says why the whole argument is refused."""
    with pytest.raises(ConfigurationError, match=text) as caught:
        api_key_body(SITES["global"], permissions)
    assert caught.value.operation == "create_api_key"

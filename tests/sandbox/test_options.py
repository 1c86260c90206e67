"""Options: the same from Python, from the constructor and from the command line."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any, get_type_hints

import pytest

from authlib_kucoin.sandbox import Sandbox, SandboxKeywords, SandboxOptions, run_sandbox
from authlib_kucoin.sandbox.__main__ import parser

NAMES = [option.name for option in fields(SandboxOptions)]
DEFAULTS = {option.name: option.default for option in fields(SandboxOptions)}


def test_keywords_are_the_options() -> None:
    """A type checker accepts the fields of `SandboxOptions`, and the port."""
    assert list(SandboxKeywords.__annotations__) == [*NAMES, "port"]


def test_annotations_can_be_read_at_run_time() -> None:
    """Tools that read type hints, such as Sphinx, find every name in them."""
    assert get_type_hints(run_sandbox)["port"] is int
    for method in (Sandbox.__init__, Sandbox.fail_next, Sandbox.approve):
        assert get_type_hints(method)


def test_flags_are_the_options() -> None:
    """Each option is a flag with the same default, and no flag is anything else."""
    chosen = vars(parser().parse_args([]))

    assert chosen == {"port": 9400, "quiet": False, **DEFAULTS}


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["--client-id", "me"], {"client_id": "me"}),
        (["--permission-mismatch", "--repeat-names"], {"permission_mismatch": True}),
        (["--max-keys", "3", "--uid", "7"], {"max_keys": 3, "uid": 7}),
        (["--redirect-uris", "https://a/", "https://b/,c"], {"redirect_uris": ("https://a/",)}),
        (["--callback", "form_post", "--lists", "list"], {"callback": "form_post"}),
        (["--tls", "a", "b"], {"tls": ["a", "b"]}),
        (["--allowed-ips", "10.0.0.1"], {"allowed_ips": ("10.0.0.1",)}),
    ],
)
def test_flags_set_options(flags: list[str], options: dict[str, Any]) -> None:
    """What a flag says arrives in the option of its name."""
    chosen = vars(parser().parse_args(flags))
    del chosen["port"], chosen["quiet"]
    result = SandboxOptions(**chosen)

    for name, value in options.items():
        given = getattr(result, name)
        assert given[: len(value)] == value if isinstance(value, tuple) else given == value


def test_help_explains_every_option() -> None:
    """``--help`` names each flag, and how to steer a running sandbox."""
    text = parser().format_help()

    assert all(f"--{name.replace('_', '-')}" in text for name in NAMES)
    assert "POST /sandbox/faults" in text


def test_options_are_frozen_and_lists_are_copied() -> None:
    """Options cannot change under a running sandbox, not by way of a caller's list either."""
    ips = ["10.0.0.1"]
    options = SandboxOptions(allowed_ips=ips)
    ips.append("10.0.0.2")

    assert options.allowed_ips == ("10.0.0.1",)
    with pytest.raises(FrozenInstanceError):
        options.uid = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"client_id": ""}, "client_id must not be empty"),
        ({"redirect_uris": "https://shop.example"}, "redirect_uris is a list of strings"),
        ({"callback": "fragment"}, "callback is one of plain, envelope, form_post"),
        ({"lists": "tuple"}, "lists is one of string, list"),
        ({"permissions": ["API_WITHDRAW"]}, r"unknown permissions \['API_WITHDRAW'\]"),
        ({"max_keys": -1}, "max_keys must not be negative"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any], message: str) -> None:
    """A mistaken option is an error at the start, not a puzzle later."""
    with pytest.raises(ValueError, match=message), run_sandbox(**options):
        pass  # pragma: no cover - it cannot start


def test_unknown_option_is_an_error() -> None:
    """A misspelt option is no option."""
    unknown: Any = {"clientid": "x"}
    with pytest.raises(TypeError, match="clientid"), run_sandbox(**unknown):
        pass  # pragma: no cover - it cannot start

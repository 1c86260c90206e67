"""Options: the same from Python, the command line and the environment."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields
from typing import Any, get_type_hints

import pytest

from authlib_kucoin.sandbox import Sandbox, SandboxKeywords, SandboxOptions, run_sandbox
from authlib_kucoin.sandbox._arguments import parse, parser

NAMES = [option.name for option in fields(SandboxOptions)]


def test_keywords_are_the_options() -> None:
    """The keywords for type checkers are the fields of `SandboxOptions`, and the port."""
    assert list(SandboxKeywords.__annotations__) == [*NAMES, "port"]


def test_annotations_can_be_read_at_run_time() -> None:
    """Tools that read type hints, such as Sphinx, find every name in them."""
    assert get_type_hints(run_sandbox)["port"] is int
    for method in (Sandbox.__init__, Sandbox.fail_next, Sandbox.approve):
        assert get_type_hints(method)


def test_flags_are_the_options() -> None:
    """Each option is a flag, and without flags the defaults hold."""
    flags = {action.dest for action in parser()._actions}
    command = parse([], {})

    assert flags == {"help", "version", "port", "json", "log", "quiet", *NAMES}
    assert (command.port, command.as_json, command.log) == (9400, False, "text")
    assert command.options == SandboxOptions()


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["--client-id", "me"], {"client_id": "me"}),
        (["--permission-mismatch"], {"permission_mismatch": True}),
        (["--max-keys", "3", "--uid", "7"], {"max_keys": 3, "uid": 7}),
        (["--redirect-uris", "https://a/", "b,c"], {"redirect_uris": ("https://a/", "b,c")}),
        (["--callback", "form_post"], {"callback": "form_post"}),
        (["--tls", "a", "b"], {"tls": ("a", "b")}),
        (["--tls", "self-signed"], {"tls": "self-signed"}),
        (["--account", "a:7", "--account", "b"], {"account": ("a:7", "b")}),
        (["--no-futures-opened", "--fast-api", "2"], {"futures_opened": False, "fast_api": 2}),
        (["--key-info", '{"siteType": "australia"}'], {"key_info": {"siteType": "australia"}}),
        (["--key-days", "3"], {"key_days": 3}),
        (["--allowed-ips", "10.0.0.1"], {"allowed_ips": ("10.0.0.1",)}),
    ],
)
def test_flags_set_options(flags: list[str], options: dict[str, Any]) -> None:
    """A flag sets the option of its name; a switch with "no-" turns its option off."""
    result = parse(flags, {}).options

    assert {name: getattr(result, name) for name in options} == options


@pytest.mark.parametrize(
    ("variable", "value", "option"),
    [
        ("CLIENT_ID", "me", ("client_id", "me")),
        ("CLIENT_ID", "-me", ("client_id", "-me")),
        ("REPEAT_NAMES", "1", ("repeat_names", True)),
        ("FUTURES_OPENED", "no", ("futures_opened", False)),
        ("ALLOWED_IPS", "10.0.0.1 10.1.0.0/16", ("allowed_ips", ("10.0.0.1", "10.1.0.0/16"))),
        ("ACCOUNT", "a:1 b:2", ("account", ("a:1", "b:2"))),
        ("KEY_INFO", '{"region": "AU"}', ("key_info", {"region": "AU"})),
        ("TLS", "a b", ("tls", ("a", "b"))),
    ],
)
def test_environment_sets_options(variable: str, value: str, option: tuple[str, object]) -> None:
    """Environment variables set texts, switches, lists, JSON and the two files of `tls`."""
    options = parse([], {f"KUCOIN_SANDBOX_{variable}": value}).options

    assert getattr(options, option[0]) == option[1]


def test_command_line_wins_over_the_environment() -> None:
    """A flag overrides its variable; the other variables still apply."""
    environment = {
        "KUCOIN_SANDBOX_PORT": "1",
        "KUCOIN_SANDBOX_JSON": "true",
        "KUCOIN_SANDBOX_QUIET": "0",
        "HOME": "/root",
    }
    command = parse(["--port", "2", "--log", "json"], environment)

    assert (command.port, command.as_json, command.log) == (2, True, "json")


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("KUCOIN_SANDBOX_CLIENTID", "x", "unknown; known"),
        ("KUCOIN_SANDBOX_PORT", "x", "argument --port"),
        ("KUCOIN_SANDBOX_KEY_INFO", "[1]", "argument --key-info: must be a JSON object"),
        ("KUCOIN_SANDBOX_JSON", "maybe", "must be one of 1, true"),
    ],
)
def test_mistakes_in_the_environment(
    variable: str, value: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt variable, or a malformed value, is an error that names the variable."""
    with pytest.raises(SystemExit):
        parse([], {variable: value})
    assert f"environment variable {variable}: error: {error}" in capsys.readouterr().err


def test_variables_of_a_container_service_are_ignored() -> None:
    """Variables that Kubernetes sets for a service called kucoin-sandbox are ignored."""
    environment = {
        "KUCOIN_SANDBOX_PORT": "tcp://10.0.0.1:9400",
        "KUCOIN_SANDBOX_PORT_9400_TCP": "tcp://10.0.0.1:9400",
        "KUCOIN_SANDBOX_SERVICE_HOST": "10.0.0.1",
    }
    assert parse([], environment) == parse([], {})


def test_help_explains_every_option() -> None:
    """``--help`` names every option's flag, some control calls, and a variable as an example."""
    text = parser().format_help()

    assert {name.replace("_", "-") for name in NAMES} <= set(re.findall(r"--([a-z-]+)", text))
    assert "POST /sandbox/faults" in text
    assert "KUCOIN_SANDBOX_CLIENT_ID" in text


def test_options_are_frozen_and_lists_are_copied() -> None:
    """Options are frozen, and lists are copied."""
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
        ({"key_days": -1}, "key_days must not be negative"),
        ({"fast_api": 3}, "fast_api is one of both, 1, 2"),
        ({"allowed_ips": ["here"]}, "'here' does not appear to be an IPv4 or IPv6 network"),
        ({"ip_whitelist": ["here"]}, "ip_whitelist: 'here' does not appear to be an IPv4 or IPv6"),
        ({"allowed_hosts": ["box:9400"]}, "allowed_hosts: 'box:9400' must be a host name or an"),
        ({"allowed_hosts": ["http://box"]}, "'http://box' must be a host name or an address"),
        ({"account": []}, "account must not be empty"),
        ({"account": ["a:1", "a:2"]}, "two accounts have the same name"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any], message: str) -> None:
    """An invalid option is an error before the sandbox starts."""
    with pytest.raises(ValueError, match=message), run_sandbox(**options):
        pass  # pragma: no cover - it cannot start


def test_allowed_hosts_can_be_addresses() -> None:
    """`allowed_hosts` accepts names and addresses: the sandbox can make a certificate for them."""
    hosts = ("box", "10.0.0.5", "fd00::7")
    assert SandboxOptions(allowed_hosts=hosts).allowed_hosts == hosts


def test_scenario_from_python() -> None:
    """A scenario changes what the sandbox does, until a reset; a misspelt name is an error."""
    with run_sandbox(key_days=3) as sandbox:
        assert sandbox.scenario == "as-started"
        sandbox.set_scenario("full")
        assert sandbox.scenario == "full"
        with pytest.raises(ValueError, match="reaches to the maximum level"):
            sandbox.connect()
        with pytest.raises(ValueError, match="unknown scenario 'Full'; known are as-started, no-"):
            sandbox.set_scenario("Full")
        assert sandbox.scenario == "full"
        sandbox.reset()
        assert sandbox.connect().expires_at


def test_unknown_option_is_an_error() -> None:
    """A misspelt option is an error that names it."""
    unknown: Any = {"clientid": "x"}
    with pytest.raises(TypeError, match="clientid"), run_sandbox(**unknown):
        pass  # pragma: no cover - it cannot start

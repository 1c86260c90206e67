"""The command line of ``kucoin-sandbox``, and the same settings from environment variables."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final

from ._options import CHOICES, LIST_OPTIONS, SELF_SIGNED, SandboxOptions

#: The port to listen on, unless the user gives another one.
PORT: Final = 9400
#: What each option's environment variable begins with.
PREFIX: Final = "KUCOIN_SANDBOX_"

_YES: Final = ("1", "true", "yes", "on")
_NO: Final = ("0", "false", "no", "off", "")
#: Matches variables (without `PREFIX`) that are no options: Kubernetes and Docker set them for a
#: service that is called kucoin-sandbox.
_SERVICE_LINK: Final = re.compile(r"SERVICE_|PORT_\d+_|PORT=tcp://")
_EPILOG: Final = f"""\
Each option can be an environment variable as well: {PREFIX}CLIENT_ID for --client-id. Separate the
items of a list by spaces. A flag of the command line overrides the variable.

Control the running sandbox over HTTP, with Content-Type: application/json:
  POST /sandbox/approve   {{"url": LOGIN_URL}}                      play a user who approves
  POST /sandbox/faults    {{"operation": "token", "fault": "429"}}  spoil the next exchange
  POST /sandbox/advance   {{"seconds": 3600}}                       wind its clock forward
  POST /sandbox/scenario  {{"name": "withdrawals"}}                 change what KuCoin does
  POST /sandbox/reset     {{}}                                      forget everything
  GET  /sandbox/requests                                          the requests, masked
  GET  /sandbox/openapi.json                                      these calls and KuCoin's
"""


@dataclass(frozen=True, slots=True)
class Command:
    """What the command line and the environment ask for.

    Attributes:
        port: The port to listen on.
        options: How the sandbox behaves.
        as_json: Whether to print one line of JSON instead of a greeting.
        log: How to log requests: "text", "json" or "none".
    """

    port: int
    options: SandboxOptions = field(repr=False)
    as_json: bool
    log: str


def parser(prog: str = "kucoin-sandbox") -> argparse.ArgumentParser:
    """Return the parser: it has a flag for each field of `SandboxOptions`, and a few more.

    The namespace that `parse_args` returns has no attribute for a flag that was not given.
    """
    result = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s [OPTION ...]",
        description="A strict stand-in for KuCoin's Broker Fast API, for development and tests.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    result.add_argument("--version", action="store_true", help="print the version and stop")
    result.add_argument("--port", type=int, help=f"port; 0: any free one (default: {PORT})")
    result.add_argument(
        "--json",
        action="store_true",
        help="print one line of JSON (url, client_id, port, version) instead of a greeting",
    )
    result.add_argument(
        "--log",
        choices=("text", "json", "none"),
        help="how to log requests to standard error (default: text)",
    )
    result.add_argument("--quiet", action="store_true", help="the same as --log none")
    for option in fields(SandboxOptions):
        result.add_argument(f"--{option.name.replace('_', '-')}", **_kind(option))
    return result


def _kind(option: Any) -> dict[str, Any]:
    default, text = option.default, option.metadata["help"]
    if default not in (MISSING, None, ()):
        text = f"{text} (default: {_words(default)})"
    if isinstance(default, bool):
        return {"action": argparse.BooleanOptionalAction, "help": option.metadata["help"]}
    if option.name == "tls":
        return {"nargs": "+", "metavar": "FILE", "help": text}
    if option.name == "key_info":
        return {"type": _json_object, "metavar": "JSON", "help": text}
    if option.name in (*LIST_OPTIONS, "account"):
        return {"action": "extend", "nargs": "+", "metavar": "VALUE", "help": text}
    if option.name in CHOICES:
        return {"choices": CHOICES[option.name], "help": text}
    is_number = isinstance(default, int) or option.name == "key_days"
    return {"type": int if is_number else str, "metavar": "VALUE", "help": text}


def _words(default: object) -> str:
    return " ".join(default) if isinstance(default, tuple) else str(default)


def _json_object(text: str) -> dict[str, Any]:
    content = json.loads(text)
    if isinstance(content, dict):
        return content
    raise argparse.ArgumentTypeError("must be a JSON object")


def parse(arguments: Sequence[str] | None, environment: Mapping[str, str]) -> Command:
    """Return what a command line (``sys.argv`` if None) and an environment ask for.

    Raises:
        SystemExit: A flag or an environment variable is unknown or malformed, or ``--help`` was
            given.
        ValueError: An option is invalid; the text says how.
    """
    chosen = _from_environment(environment)
    chosen |= vars(parser().parse_args(arguments))
    chosen.pop("version", None)
    port, as_json = chosen.pop("port", PORT), chosen.pop("json", False)
    log = chosen.pop("log", "text")
    if chosen.pop("quiet", False):
        log = "none"
    tls = chosen.get("tls")
    if tls is not None:
        if tls == [SELF_SIGNED]:
            chosen["tls"] = SELF_SIGNED
        elif len(tls) == 2:
            chosen["tls"] = tuple(tls)
        else:
            raise ValueError(f"--tls takes CERTIFICATE and KEY, or {SELF_SIGNED}")
    return Command(port, SandboxOptions(**chosen), as_json, log)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    variables = {
        name: value
        for name, value in environment.items()
        if name.startswith(PREFIX)
        and not _SERVICE_LINK.match(f"{name.removeprefix(PREFIX)}={value}")
    }
    chosen: dict[str, Any] = {}
    for variable, value in variables.items():
        name = variable.removeprefix(PREFIX)
        reader = parser(f"kucoin-sandbox: environment variable {variable}")
        flags = {
            action.dest: action
            for action in reader._actions
            if action.dest not in {"help", "version"}
        }
        action = flags.get(name.lower())
        if action is None:
            reader.error(f"unknown; known are {', '.join(PREFIX + each.upper() for each in flags)}")
        chosen |= vars(reader.parse_args(_as_arguments(action, value, reader)))
    return chosen


def _as_arguments(
    action: argparse.Action, value: str, reader: argparse.ArgumentParser
) -> list[str]:
    flag = action.option_strings[0]
    if action.nargs == 0:
        if value.lower() in _YES:
            return [flag]
        if value.lower() not in _NO:
            reader.error(f"must be one of {', '.join(each for each in (*_YES, *_NO) if each)}")
        return [f"--no-{flag[2:]}"] if len(action.option_strings) > 1 else []
    if action.nargs == "+":
        return [flag, *value.split()]
    return [f"{flag}={value}"]

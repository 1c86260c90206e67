"""``python -m authlib_kucoin``: tools for going live."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from ._tools import doctor, rehearse


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(
        prog="python -m authlib_kucoin",
        description="Tools for going live with KuCoin's Broker Fast API.",
    )
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    text = "check the settings, the site and the application before going live"
    command = commands.add_parser("doctor", help=text, description=_DOCTOR, epilog=_EXIT)
    doctor.add_arguments(command)
    command.set_defaults(run=doctor.run)
    text = "lead the first live sign-in, and report what KuCoin really answers"
    command = commands.add_parser("rehearse", help=text, description=_REHEARSE, epilog=_EXIT_2)
    rehearse.add_arguments(command)
    command.set_defaults(run=rehearse.run)
    return result


def main(arguments: Sequence[str] | None = None, *, app: Any = None) -> int:
    """Run a command.

    Args:
        arguments: The command line; ``sys.argv`` unless given.
        app: A Flask application that is loaded already, for its settings.

    Returns:
        0 if all is well, 1 if something is wrong, 2 if the command cannot be run.
    """
    options = parser().parse_args(arguments)
    status: int = options.run(options, app)
    return status


_DOCTOR = (
    "Checks before going live what can be checked from here. Settings come from flags, then from "
    "the application (--app), then from the environment; the client secret from the last two only. "
    "It sends one HEAD request for the login page, without parameters; with --offline nothing."
)
_REHEARSE = (
    "Leads one sign-in, step by step: login, exchange, validation, refresh, and, if you say so, an "
    "API key. Writes a report of each answer's form, against the document, without secrets. Run it "
    "from a machine whose address KuCoin has registered, with an account of yours."
)
_EXIT_2 = "Exit code: 0 if all is as the document says, 1 if not, 2 if it cannot begin."
_EXIT = "Exit code: 0 if nothing is wrong, 1 if something is."

if __name__ == "__main__":
    sys.exit(main())

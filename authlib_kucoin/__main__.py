"""``python -m authlib_kucoin``: tools for going live."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from ._tools import doctor, rehearse


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="python -m authlib_kucoin",
        description="Tools for going live with KuCoin's Broker Fast API.",
    )
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    text = "check the settings, the site and the application before going live"
    command = commands.add_parser("doctor", help=text, description=_DOCTOR, epilog=_EXIT)
    doctor.add_arguments(command)
    command.set_defaults(run=doctor.run)
    text = "lead through the first live sign-in, and report what KuCoin answers"
    command = commands.add_parser("rehearse", help=text, description=_REHEARSE, epilog=_EXIT_2)
    rehearse.add_arguments(command)
    command.set_defaults(run=rehearse.run)
    return result


def main(arguments: Sequence[str] | None = None, *, app: Any = None) -> int:
    """Run a command.

    Args:
        arguments: The arguments of the command line; ``sys.argv[1:]`` unless given.
        app: An application that is already loaded. Flags take precedence over its settings.

    Returns:
        0 if nothing is wrong, 2 if a rehearsal cannot begin, otherwise 1: something is wrong, an
        answer differs from the document, or a rehearsal ended early.
    """
    options = parser().parse_args(arguments)
    status: int = options.run(options, app)
    return status


_DOCTOR = (
    "Checks the settings, the site and the application from this machine, before going live. "
    "Settings come from flags, then from the application (--app), then from the environment; there "
    "is no flag for the client secret. doctor opens a TLS connection to each host of the site, "
    "sends one HEAD request for the login page, without parameters, and connects to the "
    "application's database. With --offline it does none of these."
)
_REHEARSE = (
    "Leads through one sign-in, step by step: login, exchange, validation, refresh, and, if you "
    "say yes, an API key. Writes a report, without secrets, that compares the form of each answer "
    "with KuCoin's document. Run it on a machine whose address KuCoin has registered, with an "
    "account of your own."
)
_EXIT_2 = (
    "Exit code: 0 if every answer is as the document says, 1 if something differs or the rehearsal "
    "ended early, 2 if it cannot begin."
)
_EXIT = "Exit code: 0 if nothing is wrong, 1 if something is wrong."

if __name__ == "__main__":
    sys.exit(main())

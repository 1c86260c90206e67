"""Shared by the drill and the rush: setting up the site, and exit codes."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable

from . import site


def run(
    parser: argparse.ArgumentParser, act: Callable[[site.Site, argparse.Namespace], int]
) -> int:
    """Set up a site and run a program on it.

    Args:
        parser: Its options; those of the site are added here.
        act: The program. It is given the running site and returns the exit status.

    Returns:
        The exit status: 2 if the site could not start, 130 if it was stopped.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    parser.add_argument("--workers", type=int, default=2, help="how many gunicorn workers (2)")
    parser.add_argument("--database", help="a PostgreSQL server, if none is to be started")
    options = parser.parse_args()
    try:
        with (
            site.database(options.database) as database,
            site.running(database, workers=options.workers) as running,
        ):
            return act(running, options)
    except site.CannotStart as error:
        say(f"It cannot start. {error}")
        return 2
    except KeyboardInterrupt:
        say("It was stopped.")
        return 130


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)

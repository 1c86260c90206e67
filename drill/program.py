"""Shared by ``drill``, ``drill.rush`` and ``drill.fleet``: options, set-up, and exit statuses."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from . import site

T = TypeVar("T")


def run(
    parser: argparse.ArgumentParser,
    set_up: Callable[[str, int], AbstractContextManager[T]],
    act: Callable[[T, argparse.Namespace], int],
) -> int:
    """Set up what a program runs on, and run the program.

    Args:
        parser: The options of the program. The options ``--workers`` and ``--database`` are added.
        set_up: Starts the demo. It is called with the URL of an empty database and the number of
            workers.
        act: The program. It is called with what ``set_up`` yields and with the options, and
            returns the exit status.

    Returns:
        The exit status: that of ``act``, 2 after a :class:`drill.site.CannotStart`, or 130
        after Ctrl-C or SIGTERM.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    parser.add_argument("--workers", type=int, default=2, help="workers of each gunicorn (2)")
    parser.add_argument("--database", help="URL of a PostgreSQL server; otherwise one is started")
    options = parser.parse_args()
    try:
        with (
            site.database(options.database) as database,
            set_up(database, options.workers) as running,
        ):
            return act(running, options)
    except site.CannotStart as error:
        say(f"It cannot start. {error}")
        return 2
    except KeyboardInterrupt:
        say("It was stopped.")
        return 130


def say(line: str) -> None:
    """Print a line, and flush it."""
    print(line, flush=True)


def verdict(line: str, problems: list[str]) -> int:
    """Print the problems and the last line; return the exit status: 1 if there are problems."""
    for problem in problems:
        say(f"  ! {problem}")
    say(line)
    return int(bool(problems))

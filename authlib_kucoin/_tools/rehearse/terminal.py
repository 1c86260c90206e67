"""The terminal that a rehearsal is led in."""

from __future__ import annotations

import getpass
import sys
import textwrap
from typing import Final

_WIDTH: Final = 98


class Terminal:
    """Prints texts and asks for input."""

    def say(self, text: str = "", *, indent: str = "") -> None:
        """Print a paragraph."""
        print(textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent))

    def show(self, text: str) -> None:
        """Print a line unchanged, so that the person can copy it: a URL or a key."""
        print(f"\n  {text}\n", flush=True)

    def ask(self, question: str) -> str:
        """Ask for a line, and return it; empty if the input has ended."""
        print(f"{question} ", end="", flush=True)
        return sys.stdin.readline().strip()

    def ask_hidden(self, question: str) -> str:
        """Ask for a line without echo, so that no log of the terminal holds it."""
        if sys.stdin.isatty():
            return getpass.getpass(f"{question} ").strip()
        return self.ask(question)

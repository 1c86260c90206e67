"""The terminal that a rehearsal is led in."""

from __future__ import annotations

import getpass
import sys
import textwrap
from typing import Final

_WIDTH: Final = 98


class Terminal:
    """Says something, and asks for something."""

    def say(self, text: str = "", *, indent: str = "") -> None:
        """Print a paragraph."""
        print(textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent))

    def show(self, text: str) -> None:
        """Print a line as it is: an address or a key that is to be copied."""
        print(f"\n  {text}\n", flush=True)

    def ask(self, question: str) -> str:
        """Ask for a line; empty if there is no more input."""
        print(f"{question} ", end="", flush=True)
        return sys.stdin.readline().strip()

    def ask_hidden(self, question: str) -> str:
        """Ask for a line that is not shown, so that no log of the terminal holds it."""
        if sys.stdin.isatty():
            return getpass.getpass(f"{question} ").strip()
        return self.ask(question)

"""The terminal on which a rehearsal talks to a person."""

from __future__ import annotations

import contextlib
import getpass
import sys
import textwrap
from typing import Final

_WIDTH: Final = 98


class Terminal:
    """Prints texts and asks for input."""

    def say(self, text: str = "", *, indent: str = "") -> None:
        """Print a text as one paragraph, wrapped at 98 columns."""
        print(textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent))

    def show(self, text: str) -> None:
        """Print a URL or a key, indented and not wrapped, so that the person can copy it."""
        print(f"\n  {text}\n", flush=True)

    def ask(self, question: str) -> str:
        """Ask for a line, and return it; empty if the input has ended."""
        print(f"{question} ", end="", flush=True)
        return sys.stdin.readline().strip()

    def ask_hidden(self, question: str) -> str:
        """Ask for a line as :meth:`ask` does, but without an echo on a terminal."""
        if sys.stdin.isatty():
            with contextlib.suppress(EOFError):
                return getpass.getpass(f"{question} ").strip()
            return ""
        return self.ask(question)

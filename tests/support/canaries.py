"""Issued secrets, recognised by their random hexadecimal digits, and where they were seen.

Hexadecimal digits are not escaped in URLs, JSON and HTML, so secrets are found there, too.
"""

from __future__ import annotations

import re
import secrets
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import MetaData, create_engine, select
from sqlalchemy.pool import NullPool

#: How many characters identify a secret: the first ones of its longest match of _RUNS.
_CORE: Final = 16
#: Runs of hexadecimal digits, and hyphens because a UUID has them, that may contain a secret.
_RUNS: Final = re.compile(rf"[0-9a-f][0-9a-f-]{{{_CORE - 1},}}", re.IGNORECASE)
#: The beginnings of a sandbox's codes and tokens, to find what other processes' sandboxes issue.
_SHAPES: Final = re.compile(
    r"sandbox-(code|access|refresh)(?:/|%2f|%252f|\\/)[0-9a-f]{8}", re.IGNORECASE
)
_BEFORE: Final = 60
_LARGEST_FILE: Final = 20_000_000


class Canaries:
    """The issued secrets, and where they have been seen.

    Attributes:
        looked: How many texts of each kind were searched.
        released: How many secrets were registered.
    """

    def __init__(self) -> None:
        self.looked: Counter[str] = Counter()
        self.released = 0
        self._cores: dict[str, str] = {}
        self._found: list[str] = []

    def release(self, name: str, secret: str) -> None:
        """Register a secret, to be searched for. It must have 16 random hex digits in a row.

        Hyphens count as digits.
        """
        self.released += 1
        digits = max(_RUNS.findall(secret), key=len)
        self._cores[digits[:_CORE].lower()] = name

    def new(self, name: str) -> str:
        """Register and return a new secret, which contains characters that URLs escape."""
        secret = f"{name.replace(' ', '-')}/+={secrets.token_hex(_CORE)}"
        self.release(name, secret)
        return secret

    def take_found(self) -> list[str]:
        """Return where secrets were seen since this was last called, each place once."""
        found, self._found = self._found, []
        return list(dict.fromkeys(found))

    def look(self, kind: str, place: str, text: str | bytes) -> None:
        """Search a text, and note each secret in it."""
        self.looked[kind] += 1
        for name, before in self._seen_in(
            text if isinstance(text, str) else text.decode("latin-1")
        ):
            self._found.append(f"{name} in {kind} {place}, after {before!r}")

    def look_at_error(self, error: BaseException) -> None:
        """Search an error's text, attributes and traceback, with its cause and context."""
        texts = [str(error), repr(error), repr(error.args), repr(vars(error))]
        texts += traceback.format_exception(error)  # without a suppressed context
        if error.__suppress_context__ and error.__context__ is not error.__cause__:
            texts += traceback.format_exception(error.__context__)
        self.look("error", type(error).__name__, "\n".join(texts))

    def look_at_files(self, folder: Path) -> None:
        """Search each file in a folder, except symbolic links and files of 20 MB or more."""
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < _LARGEST_FILE:
                self.look("file", path.name, path.read_bytes())

    def look_at_database(self, url: str) -> None:
        """Search each row of each table."""
        tables = MetaData()
        with create_engine(url, poolclass=NullPool).connect() as connection:
            tables.reflect(connection)
            for table in tables.sorted_tables:
                for row in connection.execute(select(table)):
                    self.look("row", f"of {table.name}", _text(row))

    def _seen_in(self, text: str) -> Iterator[tuple[str, str]]:
        for run in _RUNS.finditer(text):
            digits = run[0].lower()
            for start in range(len(digits) - _CORE + 1):
                if name := self._cores.get(digits[start : start + _CORE]):
                    yield name, text[: run.start()][-_BEFORE:]
        for shape in _SHAPES.finditer(text):
            yield f"a sandbox's {shape[1]}", text[: shape.start()][-_BEFORE:]


def _text(row: Iterable[Any]) -> str:
    return " ".join(
        value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row
    )


#: The secrets of this run.
canaries: Final = Canaries()

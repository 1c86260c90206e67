"""What a check reports."""

from __future__ import annotations

import dataclasses
from enum import StrEnum


class Level(StrEnum):
    """How a finding is to be taken."""

    RIGHT = "right"
    WRONG = "wrong"
    NOTE = "note"
    SKIPPED = "skipped"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check has found.

    Attributes:
        level: How it is to be taken.
        text: What is there.
        advice: How to mend it, or what to look at; empty if there is nothing to do.
    """

    level: Level
    text: str
    advice: str = ""


def right(text: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(Level.RIGHT, text)


def wrong(text: str, advice: str) -> Finding:
    """Return a finding that has to be mended before going live."""
    return Finding(Level.WRONG, text, advice)


def note(text: str, advice: str = "") -> Finding:
    """Return a finding that may be intended."""
    return Finding(Level.NOTE, text, advice)


def skipped(why: str) -> Finding:
    """Return the finding of a check that could not be made."""
    return Finding(Level.SKIPPED, why)

"""Findings: the results of the checks."""

from __future__ import annotations

import dataclasses
from enum import StrEnum


class Level(StrEnum):
    """What a finding means for going live."""

    RIGHT = "right"
    WRONG = "wrong"
    NOTE = "note"
    SKIPPED = "skipped"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    Attributes:
        level: What the finding means for going live.
        text: What the check has found, or why something was not checked.
        advice: How to fix the mistake, or what to look at; empty if there is no advice.
    """

    level: Level
    text: str
    advice: str = ""


def right(text: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(Level.RIGHT, text)


def wrong(text: str, advice: str) -> Finding:
    """Return a finding about a mistake, which has to be fixed before going live."""
    return Finding(Level.WRONG, text, advice)


def note(text: str, advice: str = "") -> Finding:
    """Return a finding that the command cannot judge: a person has to look at it."""
    return Finding(Level.NOTE, text, advice)


def skipped(why: str) -> Finding:
    """Return the finding for something that was not checked, with the reason."""
    return Finding(Level.SKIPPED, why)

"""Checks the members of a JSON body, or the parameters of a query: their names and types."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Member:
    """What one member must be.

    Attributes:
        is_right: Tells whether a value is allowed.
        wanted: What is allowed, in words, for the error.
        is_needed: Whether the member is required.
    """

    is_right: Callable[[Any], bool]
    wanted: str
    is_needed: bool = False

    def needed(self) -> Member:
        """Return a copy of this member that is required."""
        return replace(self, is_needed=True)


TEXT: Final = Member(lambda value: isinstance(value, str), "a string")
TEXTS: Final = Member(
    lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    "a list of strings",
)
WHOLE: Final = Member(
    lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"
)
NUMBER: Final = Member(
    lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    ),
    "a number",
)


def checked(given: Mapping[str, Any], members: Mapping[str, Member]) -> dict[str, Any]:
    """Return the given members, if each is known and right, and no required one is missing.

    Raises:
        ValueError: A member is unknown, has a wrong value, or is required and missing; the text
            says which.
    """
    for name in given:
        if name not in members:
            known = f"known are {', '.join(members)}" if members else "this call takes none"
            raise ValueError(f"unknown member {name[:100]!r}; {known}")
    for name, member in members.items():
        if name not in given and not member.is_needed:
            continue
        if not member.is_right(given.get(name)):
            raise ValueError(f"{name} must be {member.wanted}")
    return dict(given)

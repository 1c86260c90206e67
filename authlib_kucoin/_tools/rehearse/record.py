"""What happened in a rehearsal."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .answer import Answer


@dataclasses.dataclass(frozen=True, slots=True)
class Exchange:
    """One call of a rehearsal.

    Attributes:
        name: Its name in the rehearsal.
        answer: The raw answer; None if nothing was sent.
        result: What the library made of it; None if it raised.
        error: The error that the library raised; None if it did not.
    """

    name: str
    answer: Answer | None
    result: Any = dataclasses.field(repr=False)
    error: Exception | None

    @property
    def verdict(self) -> str:
        """What the library made of it, in words."""
        if self.error is None:
            return "The library reads it."
        return f"The library raises {type(self.error).__name__}: {self.error}"


@dataclasses.dataclass(frozen=True, slots=True)
class Landing:
    """How the browser came back.

    Attributes:
        names: The names of the parameters, in their order; doubled ones stand twice.
        in_fragment: Whether they came in the fragment, which no server sees.
        same_state: Whether the state is the one that was sent.
        success: The value of ``success``; None if there was none.
        code: The length of the code and what it consists of.
    """

    names: tuple[str, ...]
    in_fragment: bool
    same_state: bool
    success: str | None
    code: str


@dataclasses.dataclass
class Record:
    """A rehearsal, step by step.

    Attributes:
        facts: Where, when and with what it was done.
        sent_secret: Whether a client secret was sent with the code.
        fast_api: The version of the Fast API that was asked.
        landing: How the browser came back; None if it did not.
        exchanges: The calls, in their order.
        stopped: Why it ended early; empty if it did not.
    """

    facts: Mapping[str, str]
    sent_secret: bool = False
    fast_api: int = 1
    landing: Landing | None = None
    exchanges: list[Exchange] = dataclasses.field(default_factory=list)
    stopped: str = ""

    def of(self, name: str) -> Exchange | None:
        """Return the call of that name, if it was made."""
        return next((each for each in self.exchanges if each.name == name), None)

    def fields(self, name: str) -> Mapping[str, Any]:
        """Return the members of an answer that was no refusal; empty if there is none."""
        found = self.of(name)
        if found is None or found.answer is None or found.answer.refusal_form:
            return {}
        return found.answer.fields

    def result(self, name: str) -> Any:
        """Return the result of a call; None if there is none."""
        found = self.of(name)
        return found.result if found else None

"""The record of a rehearsal: its calls and their results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .answer import Answer


@dataclasses.dataclass(frozen=True, slots=True)
class Exchange:
    """One call of a rehearsal.

    Attributes:
        name: The name of the call in the report.
        answer: The raw answer, or the failure if none came. None if the library refused to send
            the call, or blamed something that lasts, such as a proxy's missing password or an
            untrusted certificate.
        result: The value that the library returned; None if it raised an error.
        error: The error that the library raised; None if it returned a value.
    """

    name: str
    answer: Answer | None
    result: Any = dataclasses.field(repr=False)
    error: Exception | None

    @property
    def verdict(self) -> str:
        """Whether the library read the answer or raised an error, in words."""
        if self.error is None:
            return "The library can read this answer."
        return f"The library raises {type(self.error).__name__}: {self.error}"


@dataclasses.dataclass(frozen=True, slots=True)
class Landing:
    """The callback that the browser was sent to.

    Attributes:
        names: The names of the parameters, in their order; a doubled name appears twice.
        place: Where the parameters were: "query", "fragment" (which a server never sees) or "form".
        same_state: Whether the state is the same as the one that was sent.
        success: The value of ``success``; None if there was none.
        code: The length of the code and its kind of characters; "empty" if there is none.
    """

    names: tuple[str, ...]
    place: str
    same_state: bool
    success: str | None
    code: str


@dataclasses.dataclass
class Record:
    """A rehearsal, step by step.

    Attributes:
        facts: The date, the site, whether a client secret is sent, and the versions.
        sent_secret: Whether a client secret is sent with the code.
        fast_api: The version of the Fast API that was used.
        landing: The callback; None if none was pasted.
        exchanges: The calls, in their order.
        stopped: Why the rehearsal ended early; empty if it did not.
    """

    facts: Mapping[str, str]
    sent_secret: bool = False
    fast_api: int = 1
    landing: Landing | None = None
    exchanges: list[Exchange] = dataclasses.field(default_factory=list)
    stopped: str = ""

    def of(self, name: str) -> Exchange | None:
        """Return the call with this name; None if the record has none."""
        return next((each for each in self.exchanges if each.name == name), None)

    def fields(self, name: str) -> Mapping[str, Any]:
        """Return the members of the answer to a call.

        The result is empty if there is no answer, or if it is a refusal or no JSON object.
        """
        found = self.of(name)
        if found is None or found.answer is None or found.answer.refusal_form:
            return {}
        return found.answer.fields

    def result(self, name: str) -> Any:
        """Return the result of a call; None if it has none, or the record has no such call."""
        found = self.of(name)
        return found.result if found else None

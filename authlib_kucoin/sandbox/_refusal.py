"""A refusal: what was wrong, which section of KuCoin's document says so, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass

from ._advice import ADVICE, KUCOIN_ADVICE


def cited(section: str) -> str:
    """Return a section of the document, or the name of another page, as texts cite it."""
    return f"document section {section}" if section[0].isdigit() else section


def place(section: str) -> str:
    """Return a section of the document, or the name of another page, as the start page shows it."""
    return f"KuCoin's document, section {section}" if section[0].isdigit() else section


class Refusal(Exception):
    """The sandbox refuses a request.

    KuCoin publishes no error codes for these calls. The codes here begin with "sandbox.", so that
    nobody takes them for KuCoin's. The text repeats nothing of the request but parameter names.
    """

    def __init__(self, code: str, text: str, section: str | None) -> None:
        """Keep the code and what was wrong.

        Args:
            code: The name of the mistake, without "sandbox.".
            text: What was wrong.
            section: Which section of the document says so, or which other page of KuCoin. None if
                `text` itself is the document's: clients compare it, so nothing is added to it.
        """
        self.code = f"sandbox.{code}"
        self.text = text if section is None else f"{text} ({cited(section)})"
        self.section = section
        self.advice = ADVICE[code]
        super().__init__(self.text)


@dataclass(frozen=True, slots=True)
class RecordedRefusal:
    """Why a request was refused.

    Attributes:
        code: The sandbox's name for the mistake.
        text: What was wrong.
        section: Which section of KuCoin's document says so; None if `text` is the document's own.
        advice: How to mend the request.
    """

    code: str
    text: str
    section: str | None
    advice: str


def by_kucoin(code: str, text: str, section: str) -> RecordedRefusal:
    """Return a refusal that has one of KuCoin's own codes."""
    return RecordedRefusal(code, text.rstrip("."), section, KUCOIN_ADVICE[code])


def recorded(result: object) -> RecordedRefusal | None:
    """Return the refusal that a response's `result` is; None if it is something else."""
    if isinstance(result, Refusal):
        return RecordedRefusal(result.code, result.text, result.section, result.advice)
    return result if isinstance(result, RecordedRefusal) else None

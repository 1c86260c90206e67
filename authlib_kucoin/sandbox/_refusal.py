"""A refusal: what was wrong, which source says so, and how to mend the request."""

from __future__ import annotations

from dataclasses import dataclass

from ._advice import ADVICE, KUCOIN_ADVICE


def cited(section: str) -> str:
    """Return the words with which a refusal's text names its source.

    A number is a section of KuCoin's document. Anything else is returned as it is.
    """
    return f"document section {section}" if section[0].isdigit() else section


def place(section: str) -> str:
    """Return the words with which the sandbox's own pages name a source; see `cited`."""
    return f"KuCoin's document, section {section}" if section[0].isdigit() else section


class Refusal(Exception):
    """The sandbox refuses a request.

    KuCoin publishes no error codes for the mistakes refused in this way. So each code begins with
    "sandbox.", and nobody takes it for KuCoin's. The text repeats nothing of the request that can
    be a secret: only the caller's address, an unknown account's name, and names of parameters.
    """

    def __init__(self, code: str, text: str, section: str | None) -> None:
        """Keep the code and what was wrong.

        Args:
            code: The name of the mistake, without "sandbox.".
            text: What was wrong.
            section: Which section of the document says so, or which other source; the text cites
                it. None if `text` is the document's own error text, which clients compare:
                nothing is added to it.
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
        code: KuCoin's code for the mistake, or the sandbox's, which begins with "sandbox.".
        text: What was wrong.
        section: Which section of KuCoin's document says so, or which other source. None if `text`
            is the document's own error text.
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
    """Return a response's `result` as the journal records it; None if it is not a refusal."""
    if isinstance(result, Refusal):
        return RecordedRefusal(result.code, result.text, result.section, result.advice)
    return result if isinstance(result, RecordedRefusal) else None

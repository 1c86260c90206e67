"""A refusal: what was wrong, and which section of KuCoin's document says so."""

from __future__ import annotations


class Refusal(Exception):
    """The stand-in will not do what was asked.

    KuCoin has published no error codes for these calls, so ours begin with "sandbox." and cannot
    be taken for KuCoin's. The text repeats nothing that was sent but the names of parameters.
    """

    def __init__(self, code: str, text: str, section: str, *, status: int = 200) -> None:
        """Name the refusal, say what was wrong and where the document says so."""
        self.code = f"sandbox.{code}"
        self.text = f"{text} (document section {section})"
        self.status = status
        super().__init__(self.text)

    @classmethod
    def documented(cls, code: str, text: str) -> Refusal:
        """Refuse in the document's own words, which a client may match on (section 4)."""
        refusal = cls(code, text, "4")
        refusal.text = text
        return refusal

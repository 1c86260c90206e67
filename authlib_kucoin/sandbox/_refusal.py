"""A refusal: what was wrong, and which section of KuCoin's document says so."""

from __future__ import annotations


class Refusal(Exception):
    """The stand-in will not do what was asked.

    KuCoin has published no error codes for these calls, so ours begin with "sandbox." and cannot
    be taken for KuCoin's. The text repeats nothing that was sent but the names of parameters.
    """

    def __init__(self, code: str, text: str, section: str | None) -> None:
        """Name the refusal, say what was wrong and where the document says so.

        Without a section the text is the document's own, which a client may match on.
        """
        self.code = f"sandbox.{code}"
        self.text = text if section is None else f"{text} (document section {section})"
        super().__init__(self.text)

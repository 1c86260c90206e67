"""A refusal: what was wrong, and which section of KuCoin's document says so."""

from __future__ import annotations


class Refusal(Exception):
    """The sandbox refuses a request.

    KuCoin publishes no error codes for these calls. The codes here begin with "sandbox.", so that
    nobody takes them for KuCoin's. Of what was sent, the text repeats parameter names only.
    """

    def __init__(self, code: str, text: str, section: str | None) -> None:
        """Keep the code and what was wrong.

        Args:
            code: The name of the mistake, without "sandbox.".
            text: What was wrong.
            section: Where the document says so; None if `text` is quoted from the document, so
                that clients may match on it.
        """
        self.code = f"sandbox.{code}"
        self.text = text if section is None else f"{text} (document section {section})"
        super().__init__(self.text)

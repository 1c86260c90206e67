"""Masking secrets in text: error messages, log records, and what KuCoin repeats.

KuCoin's own messages may repeat what they were sent, and the HTTP libraries log whole URLs.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
_LONGEST_MESSAGE: Final = 300


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret masked, plain or in any usual encoding."""
    spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
    if not spellings:
        return text
    longest_first = sorted(spellings, key=len, reverse=True)
    # Percent-encoding is written in capitals and in small letters.
    return re.sub("|".join(map(re.escape, longest_first)), MASK, text, flags=re.IGNORECASE)


def presentable(text: str | None, secrets: Iterable[str] = ()) -> str | None:
    """Return foreign text in a form that can be shown and logged.

    It is masked and shortened; control characters, which could forge a log line, are removed.
    """
    if not text:
        return None
    clean = "".join(c if c.isprintable() else " " for c in redact(text, secrets))
    return clean.strip()[:_LONGEST_MESSAGE] or None


def _spellings(secret: str) -> Iterable[str]:
    encoded = quote(secret, safe="", errors="replace")
    return (
        secret,
        encoded,
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
        quote(encoded, safe=""),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        html.escape(secret),
    )

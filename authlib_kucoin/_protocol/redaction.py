"""Secrets stay out of errors and out of every log record written while a call is under way.

The HTTP libraries log whole URLs, with the code in it, and KuCoin's own messages may repeat what
they were sent. A filter on the libraries' loggers works however the host application sets up
logging, since a logger's own filters come before any handler and survive ``dictConfig``. It acts
only inside :func:`under_way`, so the records of other hosts and of other code stay whole.
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
    """Return the text with every secret in it masked, plain or in any usual encoding."""
    spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
    if not spellings:
        return text
    longest_first = sorted(spellings, key=len, reverse=True)
    # Percent-encoding comes in capitals and in small letters.
    return re.sub("|".join(map(re.escape, longest_first)), MASK, text, flags=re.IGNORECASE)


def presentable(text: str | None, secrets: Iterable[str] = ()) -> str | None:
    """Return what somebody else said in a form that can be shown and logged.

    It is redacted and shortened, and control characters, which could forge a log line, are gone.
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

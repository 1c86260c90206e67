"""Search for secrets in errors and in the log."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from urllib.parse import quote, quote_plus


def spellings(secrets: Iterable[str]) -> set[str]:
    """Return the secrets, plain and percent-encoded."""
    return {
        spelling
        for secret in secrets
        for spelling in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    }


def assert_none_in_error(error: BaseException, secrets: Iterable[str]) -> None:
    """Fail if an error shows a secret, or if another error is chained to it."""
    shown = [str(error), repr(error), str(error.args), str(vars(error))]
    shown += traceback.format_exception(error)
    assert _found(shown, secrets) == set()
    # A chained error of the HTTP library can hold the URL, even if no traceback shows it.
    assert error.__cause__ is None
    assert error.__context__ is None


def assert_none_in_log(records: Iterable[logging.LogRecord], secrets: Iterable[str]) -> None:
    """Fail if the message, the arguments or the traceback of a record shows a secret.

    Records in which httpx2 logs a GET request of the test's own browser are ignored.
    """
    text = logging.Formatter("%(message)s")
    shown = [
        f"{text.format(record)} {record.args}"
        for record in records
        if not record.getMessage().startswith("HTTP Request: GET https://broker.example.com/")
    ]
    assert _found(shown, secrets) == set()


def _found(shown: Iterable[str], secrets: Iterable[str]) -> set[str]:
    text = "\n".join(shown).lower()
    return {spelling for spelling in spellings(secrets) if spelling.lower() in text}

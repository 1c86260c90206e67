"""The journal of requests, with their secrets masked."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any, Final

from ._http import Headers, Request
from ._refusal import RecordedRefusal

MASK: Final = "***"
#: The largest number of requests that the journal keeps, and their largest total size in bytes.
_KEPT: Final = 10_000
_MAX_SIZE: Final = 32 * 2**20
#: Roughly how many bytes of memory a request takes besides its target, body and header fields.
_OVERHEAD: Final = 2_000
_NAMES: Final = r"\b(?:code|access_token|refresh_token|client_secret|ticket|passphrase|secret)"
#: Matches a secret in a query, a form or JSON: a value with a known name, or one that begins as the
#: sandbox's codes and tokens do.
_IN_TEXT: Final = re.compile(
    rf"""(?i:({_NAMES}=)([^&]+)|({_NAMES}"\s*:\s*")([^"]+))"""
    r"|()(sandbox-(?:code|access|refresh)[^&\s\"]+)"
)
_SECRET_HEADERS: Final = {
    "cookie",  # browsers ignore ports, so they send the cookies of an application on another port
    "kc-api-passphrase",
    "kc-api-partner-sign",
    "kc-api-sign",
    "proxy-authorization",
}


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request, with ``***`` in place of codes, tokens, secrets, signatures and cookies.

    Attributes:
        operation: One of `OPERATIONS`, "decision" for a button on the consent page, or "unknown"
            for a path that the sandbox does not serve.
        status: The status of the answer; None if none was sent.
        connection: The number of the TCP connection. 0 if the sandbox itself has made the request,
            to play a user or on the pages of "try it".
        received_at: When the answer was ready, in seconds since the epoch on the sandbox's clock.
        refusal: Why a check refused the request, and how to mend it; None if no check did. Also
            None for a wrong method, for an unknown path outside ``/api/``, for a second decision on
            one login, and for an answer that a fault replaced or truncated.
        fault: The fault that spoilt the answer; None if no fault did.
    """

    operation: str
    method: str
    target: str
    headers: Headers
    body: str
    status: int | None
    connection: int
    received_at: float = 0.0
    refusal: RecordedRefusal | None = None
    fault: str | None = None

    @property
    def path(self) -> str:
        """The target up to its first question mark."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The raw query with its secrets masked; an empty string if there is none."""
        return self.target.partition("?")[2]

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        return {
            "operation": self.operation,
            "method": self.method,
            "target": self.target,
            "headers": dict(self.headers),
            "body": self.body,
            "status": self.status,
            "connection": self.connection,
            "received_at": self.received_at,
            "refusal": None if self.refusal is None else asdict(self.refusal),
            "fault": self.fault,
        }

    def size(self) -> int:
        """Return roughly how many bytes of memory this record takes."""
        fields = sum(len(name) + len(value) for name, value in self.headers.pairs)
        return _OVERHEAD + len(self.target) + len(self.body) + fields


class Journal:
    """The latest requests, and how many requests each operation has had."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._records: deque[RecordedRequest] = deque()
        self._size = 0
        self._totals: Counter[str] = Counter()

    def record(
        self,
        operation: str,
        request: Request,
        status: int | None,
        *,
        received_at: float = 0.0,
        refusal: RecordedRefusal | None = None,
        fault: str | None = None,
    ) -> RecordedRequest:
        """Keep a request with its secrets masked, and return the record.

        If the requests are too many or too large, the oldest ones are forgotten.
        """
        record = RecordedRequest(
            operation=operation,
            method=request.method,
            target=_masked(request.target),
            headers=Headers(tuple(_masked_header(*pair) for pair in request.headers.pairs)),
            body=_masked(request.body),
            status=status,
            connection=request.connection,
            received_at=received_at,
            refusal=refusal,
            fault=fault,
        )
        with self._lock:
            self._records.append(record)
            self._size += record.size()
            while len(self._records) > _KEPT or self._size > _MAX_SIZE:
                self._size -= self._records.popleft().size()
            self._totals[operation] += 1
        return record

    def clear(self) -> None:
        """Forget all requests and counts."""
        with self._lock:
            self._records.clear()
            self._size = 0
            self._totals.clear()

    def records(self) -> list[RecordedRequest]:
        """Return the latest requests, oldest first."""
        with self._lock:
            return list(self._records)

    def totals(self) -> dict[str, int]:
        """Return how many requests each operation has had since the journal was cleared.

        Requests that were forgotten for their number or size count as well.
        """
        with self._lock:
            return dict(self._totals)


def secrets_sent(request: Request) -> list[str]:
    """Return the secrets in a request, encoded as they were sent."""
    texts = (request.target, request.body)
    found = [match[match.lastindex or 0] for text in texts for match in _IN_TEXT.finditer(text)]
    for name, value in request.headers.pairs:
        if name.lower() == "authorization":
            found.append(value.rpartition(" ")[2])
        elif name.lower() in _SECRET_HEADERS:
            found.append(value)
    return found


def _masked(text: str) -> str:
    return _IN_TEXT.sub(lambda match: f"{match[(match.lastindex or 0) - 1]}{MASK}", text)


def _masked_header(name: str, value: str) -> tuple[str, str]:
    lower = name.lower()
    if lower == "authorization":
        words = value.split(maxsplit=1)
        # A client may send its token where the scheme belongs. The usual schemes are only letters.
        return name, f"{words[0]} {MASK}" if len(words) > 1 and words[0].isalpha() else MASK
    if lower in _SECRET_HEADERS:
        return name, MASK
    return name, _masked(value) if lower == "referer" else value

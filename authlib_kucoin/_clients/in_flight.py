"""The call in flight: its secrets, its deadline, and how much was sent and received.

The HTTP libraries log whole URLs, with the code in it. A filter on the libraries' loggers works
however the host application sets up logging: a logger's own filters run before any handler and
survive ``dictConfig``. The filter acts only inside :func:`InFlight`, so the records of other
hosts and of other code stay whole.
"""

from __future__ import annotations

import logging
import math
import time
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Self

from authlib_kucoin._protocol.redaction import redact

from .limits import LARGEST_ANSWER, UnusableBody

_LIBRARIES: Final = (
    "urllib3.connectionpool",
    "urllib3.connection",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
    "urllib3.util.ssl_",
    "urllib3.contrib.socks",
    "requests",
    "httpx2",
    "httpx",
    *(
        f"{core}.{part}"
        for core in ("httpcore2", "httpcore")
        for part in ("connection", "http11", "http2", "proxy", "socks")
    ),
    "h11",
    # They log header values if a user's own transport speaks HTTP/2.
    "hpack.hpack",
    "hpack.table",
    "h2.connection",
)


class InFlight:
    """Context of one call: log records of the HTTP libraries are masked inside it.

    Args:
        secrets: The texts to mask.
        total_timeout: Seconds for the whole call.

    Attributes:
        deadline: When the call has to have ended, by :func:`time.monotonic`.
        received: How many bytes of the answer have arrived, where the transport counts them.
        sent: Whether any byte of the request may have left this machine. Set by the
            transport, such as :mod:`authlib_kucoin._clients.requests_adapter`.
    """

    __slots__ = ("_reset", "deadline", "received", "secrets", "sent")
    _reset: Token[InFlight | None]

    def __init__(self, secrets: tuple[str, ...], total_timeout: float = math.inf) -> None:
        self.secrets = secrets
        self.deadline = time.monotonic() + total_timeout
        self.received = 0
        self.sent = False

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.deadline

    def __enter__(self) -> Self:
        for logger in _LOGGERS:
            if _FILTER not in logger.filters:  # the application may have removed it
                logger.addFilter(_FILTER)
        self._reset = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _current.reset(self._reset)


def note_sent() -> None:
    """Note that a byte of the current request may have left this machine."""
    if (current := _current.get()) is not None:
        current.sent = True


def in_call() -> bool:
    """Tell whether a call of ours is in flight in this thread or task."""
    return _current.get() is not None


def note_received(count: int) -> None:
    """Note that bytes of the current answer have arrived.

    Raises:
        UnusableBody: If the answer is too large, whatever it consists of.
    """
    if (current := _current.get()) is not None:
        current.received += count
        if current.received > LARGEST_ANSWER:
            raise UnusableBody(f"its answer takes more than {LARGEST_ANSWER:,} bytes")


def limited(seconds: float | None) -> float | None:
    """Return how long to wait: the given seconds, or what is left until the deadline.

    Raises:
        TimeoutError: If the deadline has passed.
    """
    if (current := _current.get()) is None:
        return seconds
    left = current.deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the call has taken its total_timeout")
    # The HTTP libraries have objects for "not given".
    return min(seconds, left) if isinstance(seconds, (int, float)) else left


class _RedactSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if (current := _current.get()) is None:
            return True
        written = record.getMessage()
        clean = redact(written, current.secrets)
        if clean != written:
            record.msg, record.args = clean, ()
        if record.exc_info:
            # Format it now: a handler would format the unmasked traceback later.
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = redact(trace, current.secrets), None
        return True


_current: ContextVar[InFlight | None] = ContextVar("authlib_kucoin_call", default=None)
_FILTER: Final = _RedactSecrets()
_LOGGERS: Final = tuple(logging.getLogger(name) for name in _LIBRARIES)

"""The call in flight: its secrets, its deadline, whether it was sent, and how much was received.

The HTTP libraries log whole URLs, with the authorization code in them. A filter on the libraries'
loggers works however the host application sets up logging: a logger's own filters run before any
handler and survive ``dictConfig``. The filter changes records only while an :class:`InFlight` is
entered in the same thread or task, so the records of other requests stay whole.
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
    # These log header values if the application has given a transport that speaks HTTP/2.
    "hpack.hpack",
    "hpack.table",
    "h2.connection",
)


class InFlight:
    """Context of one call: log records of the HTTP libraries are masked inside it.

    Args:
        secrets: The texts to mask.
        total_timeout: The time limit for the whole call, in seconds.

    Attributes:
        deadline: The time by which the call must have ended, on the clock :func:`time.monotonic`.
        received: How many bytes have arrived; 0 if the transport does not count.
        sent: For a call that has failed: whether any byte of the request may have left this
            machine. The client or its connections set it.
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
            if _FILTER not in logger.filters:  # the first time, or the application has removed it
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
    """Tell whether a call of this package is in flight in this thread or task."""
    return _current.get() is not None


def note_received(count: int) -> None:
    """Note that bytes have arrived in the current call.

    Raises:
        UnusableBody: If more than :data:`LARGEST_ANSWER` bytes have arrived, headers included.
    """
    if (current := _current.get()) is not None:
        current.received += count
        if current.received > LARGEST_ANSWER:
            raise UnusableBody(f"its answer takes more than {LARGEST_ANSWER:,} bytes")


def limited(seconds: float | None) -> float | None:
    """Return the time limit for one step of a call, in seconds.

    Args:
        seconds: The limit for the step alone. Anything but a number means that there is none.

    Returns:
        The given limit or the time left until the deadline, whichever is less. Outside of a call,
        ``seconds``.

    Raises:
        TimeoutError: If the deadline has passed.
    """
    if (current := _current.get()) is None:
        return seconds
    left = current.deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the total_timeout of the call is over")
    # For "not given", urllib3 has an object of its own.
    return min(seconds, left) if isinstance(seconds, (int, float)) else left


class _RedactSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if (current := _current.get()) is None:
            return True
        try:
            written = record.getMessage()
        except Exception:  # noqa: BLE001 - of a wrong record; an error here would break the call
            written = f"{record.msg} {record.args}"
        clean = redact(written, current.secrets)
        if clean != written:
            record.msg, record.args = clean, ()
        if record.exc_info:
            # Format the traceback now and mask it. A handler would format it without masking.
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = redact(trace, current.secrets), None
        return True


_current: ContextVar[InFlight | None] = ContextVar("authlib_kucoin_call", default=None)
_FILTER: Final = _RedactSecrets()
_LOGGERS: Final = tuple(logging.getLogger(name) for name in _LIBRARIES)

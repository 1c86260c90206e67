"""The call in flight: its secrets, and whether any of its request has left.

The HTTP libraries log whole URLs, with the code in it. A filter on the libraries' loggers works
however the host application sets up logging: a logger's own filters run before any handler and
survive ``dictConfig``. The filter acts only inside :func:`under_way`, so the records of other
hosts and of other code stay whole.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Self

from authlib_kucoin._protocol.redaction import redact

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
    # They log header values, should a transport of the user's own speak HTTP/2.
    "hpack.hpack",
    "hpack.table",
    "h2.connection",
)


class under_way:  # noqa: N801 - used like a function
    """Context in which the HTTP libraries' log records are redacted.

    Attributes:
        sent: Whether a byte of the request may have left this machine. Set by a transport that
            can tell; see :mod:`authlib_kucoin._clients.requests_adapter`.
    """

    __slots__ = ("_reset", "secrets", "sent")
    _reset: Token[under_way | None]

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self.secrets = secrets
        self.sent = False

    def __enter__(self) -> Self:
        for logger in _LOGGERS:
            if _FILTER not in logger.filters:  # somebody may have taken it away
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
    """Note that a byte of the request under way may have left this machine."""
    if (current := _current.get()) is not None:
        current.sent = True


class _RedactSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if (current := _current.get()) is None:
            return True
        written = record.getMessage()
        clean = redact(written, current.secrets)
        if clean != written:
            record.msg, record.args = clean, ()
        if record.exc_info:
            # Formatted here, since a handler would format it after us.
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = redact(trace, current.secrets), None
        return True


_current: ContextVar[under_way | None] = ContextVar("authlib_kucoin_call", default=None)
_FILTER: Final = _RedactSecrets()
_LOGGERS: Final = tuple(logging.getLogger(name) for name in _LIBRARIES)

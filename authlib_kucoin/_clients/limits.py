"""The limits of a call (how long, how large an answer) and of idle connections."""

from __future__ import annotations

import math
import zlib
from typing import Final

from authlib_kucoin._errors import ConfigurationError

#: Seconds to wait for a connection, and then each time for more of the answer.
DEFAULT_TIMEOUT: Final = 10.0
#: Seconds for a whole call, from connecting to the last byte of the answer.
DEFAULT_TOTAL_TIMEOUT: Final = 20.0
#: The largest body of an answer, in bytes, after decoding.
LARGEST_BODY: Final = 1024 * 1024
#: The most bytes of one answer on the wire: its body, and everything around it.
LARGEST_ANSWER: Final = LARGEST_BODY + 256 * 1024

#: How many idle connections requests keeps for each host.
POOL_MAXSIZE: Final = 50
#: Idle seconds after which requests does not use a connection again: the same as httpx2's own
#: default.
KEEPALIVE_EXPIRY: Final = 5.0

#: Encodings that some servers use although only ``identity`` is asked for.
_ENCODINGS: Final = ("gzip", "x-gzip", "deflate")
#: Tells zlib to accept the header of gzip and that of zlib.
_EITHER_HEADER: Final = 47


class UnusableBody(Exception):
    """The body of an answer cannot be used; the text says why, without quoting it."""


class Body:
    """The body of an answer, piece by piece."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces = bytearray()

    def add(self, piece: bytes) -> None:
        """Add a piece.

        Raises:
            UnusableBody: If the body is now larger than :data:`LARGEST_BODY`.
        """
        self._pieces += piece
        if len(self._pieces) > LARGEST_BODY:
            raise UnusableBody(f"its answer is larger than {LARGEST_BODY:,} bytes")

    def decoded(self, encoding: str | None) -> bytes:
        """Return the whole body, without its content encoding.

        Args:
            encoding: The value of ``Content-Encoding``. One encoding at most is undone: each
                can make the body a thousand times larger.

        Raises:
            UnusableBody: If it is too large, broken, or encoded in another way.
        """
        whole = bytes(self._pieces)
        name = (encoding or "identity").strip().lower()
        if name == "identity":
            return whole
        if name not in _ENCODINGS:
            raise UnusableBody("it encoded its answer, although asked for identity")
        unzip = zlib.decompressobj(_EITHER_HEADER)
        try:
            plain = unzip.decompress(whole, LARGEST_BODY + 1)
        except zlib.error:
            plain = b""
        body = Body()
        body.add(plain)
        if not unzip.eof or unzip.unused_data:
            raise UnusableBody(f"its answer is broken {name}")
        return plain


def checked_total_timeout(seconds: object) -> float:
    """Return a ``total_timeout`` that a client was given.

    Raises:
        ConfigurationError: If it is not a positive number of seconds. None is not one: without a
            limit, a call may never end.
    """
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds < math.inf:  # type: ignore[operator]  # a number by then
        raise ConfigurationError(
            f"total_timeout has to be a positive number of seconds, and is {seconds!r}. Unless "
            f"given, it is {DEFAULT_TOTAL_TIMEOUT:g}."
        )
    return float(seconds)  # type: ignore[arg-type]  # as above

"""The limits of a call (its time, the size of its answer) and of idle connections."""

from __future__ import annotations

import math
import zlib
from typing import Final

from authlib_kucoin._errors import ConfigurationError

#: The default of ``timeout``: how many seconds to wait at most for a connection to one address of
#: the host, and then for each part of the answer.
DEFAULT_TIMEOUT: Final = 10.0
#: The default of ``total_timeout``: the time limit in seconds for a whole call, from connecting to
#: the last byte of the answer.
DEFAULT_TOTAL_TIMEOUT: Final = 20.0
#: The largest body of an answer that is accepted, before and after decoding, in bytes.
LARGEST_BODY: Final = 1024 * 1024
#: The largest answer that is accepted, as it is on the wire with its headers, in bytes. (Only the
#: connections of blocking clients check this.)
LARGEST_ANSWER: Final = LARGEST_BODY + 256 * 1024

#: The default of ``pool_maxsize``: the most idle connections for each host, in the client over
#: requests.
POOL_MAXSIZE: Final = 50
#: The default of ``keepalive_expiry``: after how many idle seconds a connection is closed rather
#: than used again, in the client over requests. httpx2 has the same default.
KEEPALIVE_EXPIRY: Final = 5.0

#: Encodings that some servers use although only ``identity`` is asked for.
_ENCODINGS: Final = ("gzip", "x-gzip", "deflate")
#: Tells zlib to accept both the header of gzip and the header of zlib.
_EITHER_HEADER: Final = 47


class UnusableBody(Exception):
    """An answer is too large, or its body cannot be decoded. The text does not quote the body."""


class Body:
    """The body of an answer, which arrives piece by piece."""

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
            encoding: The value of ``Content-Encoding``; None if there is none. A list of several
                encodings is refused, because decoding each can make the body a thousand times
                larger.

        Raises:
            UnusableBody: If the decoded body is too large or broken, or the encoding is unknown.
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
    """Return the ``total_timeout`` of a client as a float.

    Raises:
        ConfigurationError: If it is not a positive, finite number of seconds. None is refused too,
            because without a limit a call might never end.
    """
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds < math.inf:  # type: ignore[operator]  # is_number says so
        raise ConfigurationError(
            f"total_timeout has to be a positive number of seconds, and is {seconds!r}. The "
            f"default is {DEFAULT_TOTAL_TIMEOUT:g}."
        )
    return float(seconds)  # type: ignore[arg-type]  # is_number says so

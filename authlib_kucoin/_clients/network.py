"""Helpers for the clients' connections: addresses of a host, and unread bytes."""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any


def addresses(host: str, port: int | None) -> list[str]:
    """Return the IP addresses of a host.

    The HTTP libraries try one address after another, each with the whole time-out, and so can pass
    the deadline. A caller of this function can try the addresses itself, and stop at the deadline.

    Raises:
        OSError: If the host is not known.
        ValueError: If ``host`` is not a valid host name.
    """
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return [
        f"{address[0]}%{address[3]}" if len(address) > 3 and address[3] else str(address[0])
        for *_, address in found
    ]


def holds_bytes(tls: Any) -> bool:
    """Tell whether a TLS connection holds bytes that were received and not read.

    For an SSLObject the result is also True if it has received the end of the connection or bytes
    that are not valid TLS. If the result is True, do not use the connection again, because a byte
    may have been taken from it.

    Args:
        tls: An :class:`ssl.SSLSocket`, an :class:`ssl.SSLObject`, or another object with
            ``pending()``. For anything else the result is False.
    """
    if isinstance(tls, ssl.SSLObject):
        # Reading does not block, because the input is in memory. pending() would not count a record
        # that is still encrypted.
        try:
            tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            pass
        return True  # it held a byte, the end of the connection, or invalid TLS
    pending = getattr(tls, "pending", None)
    return pending is not None and bool(pending())


def is_readable(sock: Any) -> bool:
    """Tell whether a socket has received bytes, or was closed by this side or the other."""
    if sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))

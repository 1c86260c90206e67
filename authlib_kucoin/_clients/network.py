"""The network below the HTTP libraries: addresses, and what a connection holds."""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any


def addresses(host: str, port: int | None) -> list[str]:
    """Return the addresses of a host.

    The HTTP libraries try each of them with the whole time-out again; a call with a deadline
    tries them itself.

    Raises:
        OSError: If the name is not known.
        ValueError: If it cannot be a name.
    """
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return [
        f"{address[0]}%{address[3]}" if len(address) > 3 and address[3] else str(address[0])
        for *_, address in found
    ]


def holds_bytes(tls: Any) -> bool:
    """Tell whether a TLS connection holds bytes that were received and not read.

    Args:
        tls: An :class:`ssl.SSLSocket`, its inner object or an :class:`ssl.SSLObject`; anything
            else is no TLS connection.
    """
    if isinstance(tls, ssl.SSLObject):
        # Its input is in memory, so reading does not block. Not pending(): that does not count a
        # record that is still encrypted.
        try:
            tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            pass
        return True  # a byte, or the end of the connection
    pending = getattr(tls, "pending", None)
    return pending is not None and bool(pending())


def is_readable(sock: Any) -> bool:
    """Tell whether a socket has received something, or was closed at either end."""
    if sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))

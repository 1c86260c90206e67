"""A cheap stand-in for KuCoin: TLS, keep-alive, canned answers.

It accepts every request. This package's sandbox does not: it requires a redirect URI that is not
encoded, which stock Authlib and python-social-auth cannot send.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import ssl
import threading
from typing import Final

_numbers: Final = itertools.count(1)


def _answer(target: str) -> bytes:
    number = next(_numbers)
    if "/api-key/add" in target:
        return json.dumps(
            {
                "success": True,
                "code": "200",
                "msg": "success",
                "retry": False,
                "data": {
                    "apiName": f"key-{number}",
                    "apiKey": f"{number:024x}",
                    "secret": "b1f5b5b0-2c7a-4c6e-8b8e-0d9f4e3a2c11",
                    "passphrase": "passphrase",
                    "brokerId": "broker",
                    "authGroup": "API_COMMON,API_SPOT",
                    "ipWhiteList": "203.0.113.7",
                },
            }
        ).encode()
    return json.dumps(
        {
            "access_token": f"access-{number:032x}",
            "token_type": "bearer",
            "expires_in": 3600,
            "refresh_token": f"refresh-{number:032x}",
            "scope": ["OAUTH_CREATE_API"],
        }
    ).encode()


def _converse(connection: socket.socket, context: ssl.SSLContext) -> None:
    """Answer the requests of one connection until the client closes it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with (
        contextlib.suppress(OSError),
        connection,
        context.wrap_socket(connection, server_side=True) as tls,
        tls.makefile("rb") as stream,
    ):
        while line := stream.readline():
            length = 0
            while (field := stream.readline()) not in (b"\r\n", b""):
                name, _, value = field.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            stream.read(length)
            body = _answer(line.decode("latin-1").split(" ")[1])
            tls.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )


def start(certificate: str) -> int:
    """Serve in threads until the process ends, and return the port.

    Args:
        certificate: A file with the server's key and certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_converse, args=(connection, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port

"""Ports for programs that must be given their port before they start."""

import contextlib
import secrets
import socket
import subprocess
import time
from typing import Any


def free_port() -> int:
    """Return a free port below the range from which systems choose ports for outgoing connections.

    A port in that range could be taken by another test's connection before the program listens.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def wait_for_port(port: int, process: "subprocess.Popen[Any]") -> None:
    """Wait up to 60 s until the program listens on the port; fail if it does not, or has ended."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, f"{process.args} does not start"
        assert time.monotonic() < deadline, f"{process.args} does not listen on {port}"
        time.sleep(0.02)

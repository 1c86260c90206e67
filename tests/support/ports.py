"""Ports for programs that need one named in advance."""

import contextlib
import socket
import subprocess
import time
from typing import Any


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def wait_for_port(port: int, process: "subprocess.Popen[Any]") -> None:
    """Wait until the program listens on the port."""
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, f"{process.args} does not start"
        assert time.monotonic() < deadline, f"{process.args} does not listen on {port}"
        time.sleep(0.02)

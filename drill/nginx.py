"""Runs nginx in front of the demo, with the demo's own configuration."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: The demo's configuration of nginx.
DEMO: Final = Path(__file__).parents[1] / "flask_demo" / "nginx.conf"
_DEADLINE: Final = 30.0


def find() -> str | None:
    """Return the path of nginx on this machine, or None."""
    return shutil.which("nginx")


@contextmanager
def running(port: int, machines: Sequence[int], folder: Path) -> Iterator[str]:
    """Run nginx for a ``with`` block.

    Args:
        port: The port that nginx listens on, on loopback.
        machines: The ports of the machines that nginx passes requests to.
        folder: An empty folder for nginx's files, such as ``access.log`` and ``error.log``.

    Yields:
        The URL of nginx.
    """
    conf = DEMO.read_text().replace("listen 8080", f"listen 127.0.0.1:{port} backlog=1024")
    servers = " ".join(f"server 127.0.0.1:{machine};" for machine in machines)
    conf = conf.replace("server 127.0.0.1:8000;", servers)
    conf = conf.replace("/var/log/nginx/demo.log", str(folder / "access.log"))
    temporary = "".join(
        f"{name}_temp_path {folder / name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; pid {folder / 'pid'}; worker_processes 1; worker_rlimit_nofile 8192;\n"
        f"events {{ worker_connections 4096; }}\nhttp {{ {temporary}\n{conf}\n}}\n"
    )
    command = [str(find()), "-e", str(folder / "error.log"), "-c", str(main)]
    with subprocess.Popen(command, start_new_session=True) as nginx:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            nginx.send_signal(signal.SIGTERM)


def _wait_for(port: int) -> None:
    end = time.monotonic() + _DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return

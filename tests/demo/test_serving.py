"""Serving: as set up here, gunicorn, nginx and uvicorn log no authorization code; limits agree."""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from authlib_kucoin.sandbox import run_sandbox
from drill import nginx
from drill.person import Person
from drill.site import ROOT, serving
from flask_demo import limits
from tests.demo.apps import MakeApp
from tests.demo.visitor import kucoin_of
from tests.support.ports import free_port
from tests.support.waiting import wait_until

_CODE = "canary-code"
_CALLBACK = f"/kucoin/callback?code={_CODE}&state=x"


@contextmanager
def _running(command: list[str], log: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the block, with its output in a file."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | more, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGQUIT)


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=10, allow_redirects=False).status_code
    except requests.ConnectionError:
        return 0


def test_limits_follow_from_each_other() -> None:
    """The time limits of the database, gunicorn and nginx leave room for a call to KuCoin."""
    assert limits.CALL_SECONDS < limits.LOCK_SECONDS < limits.STATEMENT_SECONDS
    assert limits.IDLE_SECONDS > limits.CALL_SECONDS
    assert limits.WORKER_SECONDS > limits.CALL_SECONDS + limits.STATEMENT_SECONDS
    conf = runpy.run_path(str(ROOT / "flask_demo" / "gunicorn.conf.py"))
    assert conf["timeout"] == conf["graceful_timeout"] == limits.REQUEST_SECONDS
    assert f"proxy_read_timeout {limits.REQUEST_SECONDS}s;" in nginx.DEMO.read_text()


def test_every_call_ends(make_app: MakeApp) -> None:
    """The library's deadline for a call is CALL_SECONDS, from which other limits are derived."""
    assert kucoin_of(make_app()).client.total_timeout == limits.CALL_SECONDS


def test_a_connection_for_each_request(make_app: MakeApp) -> None:
    """A worker of gunicorn can keep a connection to KuCoin for each of its parallel requests."""
    conf = runpy.run_path(str(ROOT / "flask_demo" / "gunicorn.conf.py"))
    adapter = kucoin_of(make_app()).client.get_adapter("https://")
    assert adapter._pool_maxsize == conf["worker_connections"]


def test_gunicorn(settings: dict[str, Any], tmp_path: Path, postgres_database: str) -> None:
    """With TLS to KuCoin, a connect works under gunicorn with gevent.

    The log holds no authorization code and no secret of a key.
    """
    log = tmp_path / "log"
    with run_sandbox(tls="self-signed") as sandbox:
        settings |= {"KUCOIN_SITE": sandbox.url, "DATABASE_URL": postgres_database}
        settings |= {"REQUESTS_CA_BUNDLE": str(sandbox.certificate)}
        with serving(settings, log, workers=1, preload=False) as gunicorn:
            person = Person(gunicorn.url, sandbox, "alice")
            attempt = person.connect()
            assert "is connected" in person.page(f"/kucoin/attempts/{attempt}")
            person.close()
        secrets = [secret for key in sandbox.issued_keys for secret in (key.secret, key.passphrase)]
    text = log.read_text()
    assert '"GET /kucoin/callback HTTP/1.1" 303' in text
    assert "attempt 1: stored" in text  # the line for a new state
    assert "code=" not in text
    assert "sandbox-code" not in text
    assert secrets
    assert not [secret for secret in secrets if secret in text]


def test_gunicorn_when_a_request_fails(tmp_path: Path) -> None:
    """The log of gunicorn has no code, even after an error in a worker or an invalid request."""
    (tmp_path / "broken.py").write_text("def app(environ, start_response):\n    raise ValueError\n")
    log, port = tmp_path / "log", free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "flask_demo/gunicorn.conf.py"]
    command += ["--workers=1", f"--bind=127.0.0.1:{port}", "--no-control-socket", "broken:app"]
    with _running(command, log, PYTHONPATH=str(tmp_path)):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _status(url))
        assert _status(f"{url}{_CALLBACK}") == 500
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(f"GET {_CALLBACK}\r\n\r\n".encode())
            raw.settimeout(10)
            assert b" 400 " in raw.recv(1000)
    text = log.read_text()
    assert "Error handling request GET /kucoin/callback" in text
    assert "ValueError" in text
    assert "Invalid HTTP request line: 'GET /kucoin/callback" in text
    assert _CODE not in text


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx: apt-get install nginx-light")
def test_nginx_while_the_demo_is_down(tmp_path: Path) -> None:
    """While the demo is down, nginx logs request lines as errors, but no callback's code."""
    port, log = free_port(), tmp_path / "access.log"
    error_log = tmp_path / "error.log"
    with nginx.running(port, [free_port()], tmp_path) as url:
        assert _status(f"{url}/nowhere?shown=1") == 502
        assert _status(f"{url}{_CALLBACK}") == 502
        wait_until(lambda: "/kucoin/callback" in log.read_text())
    assert "shown=1" in error_log.read_text()
    assert "GET /kucoin/callback" in log.read_text()
    assert _CODE not in error_log.read_text() + log.read_text()


def test_uvicorn(tmp_path: Path) -> None:
    """Without its access log, as documented, uvicorn does not log the callback's query."""
    (tmp_path / "anything.py").write_text(
        "async def app(scope, receive, send):\n    raise ValueError\n"
    )
    log, port = tmp_path / "log", free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--no-access-log",
        f"--port={port}",
        "--lifespan=off",
    ]
    with _running([*command, "anything:app"], log, PYTHONPATH=str(tmp_path)) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _status(url))
        assert _status(f"{url}{_CALLBACK}") == 500
        process.terminate()
        process.wait(10)
    assert "ValueError" in log.read_text()
    assert _CODE not in log.read_text()

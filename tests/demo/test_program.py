"""`python -m flask_demo` starts, stops, or says why it cannot; attempts survive `kill -9`."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from authlib_kucoin.sandbox import Sandbox
from flask_demo.__main__ import main
from tests.demo.apps import Clock, MakeApp
from tests.demo.visitor import Visitor, text_of
from tests.support.ports import free_port
from tests.support.waiting import wait_until

_ROOT = Path(__file__).parents[2]


def _start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "flask_demo"],
        env={**os.environ, "PYTHONPATH": str(_ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the demo for the block; yield the process and the address that it printed."""
    with _start({"DEMO_PORT": "0", **environment}) as process:
        try:
            assert process.stdout
            greeting = process.stdout.readline()
            assert "Open http://127.0.0.1:" in greeting, process.communicate()
            yield process, re.findall(r"http://[\d.:]+", greeting)[0]
        finally:
            process.kill()


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.nightly)]
)
def test_starts_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    """Without a client id, the demo starts with a sandbox.

    SIGINT or SIGTERM stops it with exit status 0.
    """
    port = free_port()
    environment = {"DEMO_INSTANCE": str(tmp_path / "instance"), "SANDBOX_PORT": str(port)}
    with running(environment) as (process, url):
        page = requests.get(url, timeout=10)
        assert "This is not KuCoin" in page.text
        assert requests.get(f"http://127.0.0.1:{port}/oauth", timeout=10).status_code == 400
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output == "The demo has stopped.\n"
    assert "Traceback" not in errors


@pytest.fixture
def start_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """A function that runs `main`, asserts exit status 2, and returns the output on stderr."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def start(**environment: str) -> str:
        monkeypatch.setenv("DEMO_INSTANCE", str(tmp_path / "instance"))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert main([]) == 2
        output, errors = capsys.readouterr()
        assert output == ""
        return errors

    return start


@pytest.mark.parametrize("name", ["DEMO_PORT", "SANDBOX_PORT"])
def test_port_is_taken(start_here: Callable[..., str], name: str) -> None:
    """If a port is taken, one line names the port and its setting; the exit status is 2."""
    ports = {"DEMO_PORT": "0", "SANDBOX_PORT": str(free_port())}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports[name] = str(taken.getsockname()[1])
        said = start_here(**ports)
    assert said.startswith(f"The demo cannot start. Port {ports[name]} ({name}) cannot be used: ")
    assert said.count("\n") == 1


def test_cannot_start(start_here: Callable[..., str]) -> None:
    """If the database, a folder or a setting prevents the start, `main` says so and returns 2."""
    said = start_here(DATABASE_URL="postgres://127.0.0.1:1/none")
    assert said.startswith("The demo cannot start. The database cannot be used (OperationalError).")
    said = start_here(DEMO_INSTANCE="/dev/null/none")
    assert said.startswith("The demo cannot start. The folder /dev/null/none cannot be made: ")
    said = start_here(KUCOIN_CLIENT_ID="me")
    assert said.startswith("The demo cannot start. KUCOIN_CLIENT_ID is set")
    assert "\n  KUCOIN_VAULT_KEYS: Make one: " in said


@pytest.mark.parametrize(
    ("operation", "reads_as", "issued"),
    [
        ("create_api_key", "Please look in your KuCoin account", 1),
        *[
            pytest.param(*row, marks=pytest.mark.nightly)
            for row in (
                ("token", "The connection was interrupted", 0),
                ("api_key_info", "Your key is stored, but not checked yet", 1),
            )
        ],
    ],
)
def test_killed(
    sandbox: Sandbox,
    settings: dict[str, Any],
    make_app: MakeApp,
    clock: Clock,
    *,
    operation: str,
    reads_as: str,
    issued: int,
) -> None:
    """The process is killed while it waits for KuCoin; after a restart a page shows the outcome."""
    with running(settings) as (process, url), requests.Session() as browser:

        def post(path: str, **fields: str) -> str:
            token = (
                browser.get(url).text.partition('name="csrf_token" value="')[2].partition('"')[0]
            )
            form = {"csrf_token": token, **fields}
            sent = browser.post(url + path, data=form, allow_redirects=False, timeout=10)
            return sent.headers["Location"]

        post("/login", username="alice")
        callback = sandbox.approve(post("/kucoin/connect"))
        sandbox.fail_next(operation, "delay:60")
        waiting = threading.Thread(target=_get, args=(browser, callback))
        waiting.start()
        wait_until(lambda: sandbox.totals.get(operation))
        process.kill()
        waiting.join()
    assert len(sandbox.issued_keys) == issued
    alice = Visitor(make_app(), sandbox, "alice")
    if operation != "api_key_info":
        assert "Connecting your account…" in text_of(alice.get("/kucoin/attempts/1"))
        clock.advance(62)
    assert reads_as in text_of(alice.get("/kucoin/attempts/1"))


def _get(browser: requests.Session, url: str) -> None:
    with pytest.raises(requests.ConnectionError):
        browser.get(url, timeout=30)

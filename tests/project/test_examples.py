"""The examples of the documentation connect an account to the sandbox and hold a key."""

import asyncio
import contextlib
import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

from authlib_kucoin import KuCoinOAuth2Session
from authlib_kucoin.sandbox import Sandbox
from tests.support.ports import free_port

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SERVE_WSGI = (
    "from wsgiref.simple_server import make_server; from {module} import {app} as app; "
    "make_server('127.0.0.1', {port}, app).serve_forever()"
)
SERVE_ASGI = "import uvicorn; uvicorn.run('{module}:{app}', port={port})"


@contextlib.contextmanager
def served(module: str, app: str, serve: str, sandbox: Sandbox) -> Iterator[str]:
    """Serve an example as its own process, set up by the environment alone."""
    port = free_port()
    settings = {
        "SECRET_KEY": "made-up",
        "KUCOIN_CLIENT_ID": sandbox.client_id,
        "KUCOIN_SITE": sandbox.url,
    }
    settings |= {f"FLASK_{name}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-c", serve.format(module=module, app=app, port=port)],
        cwd=EXAMPLES,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, "the example does not start"
            assert time.monotonic() < deadline, "the example does not listen"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(
    ("module", "app", "serve"),
    [
        ("flask_app", "app", SERVE_WSGI),
        ("fastapi_app", "app", SERVE_ASGI),
        ("django_project", "application", SERVE_WSGI),
    ],
)
def test_an_account_is_connected(
    kucoin_sandbox: Sandbox, module: str, app: str, serve: str
) -> None:
    """Through a real server, from the button to the account's number."""
    with served(module, app, serve, kucoin_sandbox) as url, requests.Session() as browser:
        # Django's CSRF token: the same in cookie and header. The others do not look at it.
        login = browser.post(
            f"{url}/connect",
            allow_redirects=False,
            cookies={"csrftoken": "x" * 32},
            headers={"X-CSRFToken": "x" * 32},
        )
        assert login.status_code == 302, login.text
        callback = kucoin_sandbox.approve(login.headers["Location"])
        # A link checker, for which frameworks call the view of GET: it uses up no login.
        browser.head(re.sub("code=[^&]+", "code=other", callback))
        assert "token" not in kucoin_sandbox.totals
        page = browser.get(callback)
    assert page.status_code == 200, page.text
    assert str(kucoin_sandbox.options.uid) in page.text
    assert len(kucoin_sandbox.issued_keys) == 1


def loaded(name: str) -> ModuleType:
    """Import an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_worker_asks_for_keys_with_one_refresh(
    kucoin_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty jobs hold one expired token; the new pair is stored once."""
    monkeypatch.setenv("KUCOIN_CLIENT_ID", kucoin_sandbox.client_id)
    monkeypatch.setenv("KUCOIN_SITE", kucoin_sandbox.url)
    uri = "https://broker.example.com/callback"
    with KuCoinOAuth2Session(
        kucoin_sandbox.client_id, site=kucoin_sandbox.url, redirect_uri=uri
    ) as session:
        url, state = session.create_authorization_url()
        callback = kucoin_sandbox.approve(url)
        token: dict[str, Any] = session.fetch_token(authorization_response=callback, state=state)
    worker = loaded("worker")
    uids = asyncio.run(worker.main([{**token, "expires_at": 1}] * 20))
    assert uids == [str(kucoin_sandbox.options.uid)] * 20
    assert kucoin_sandbox.totals["refresh"] == 1
    assert list(worker.tokens) == [token["refresh_token"]]
    assert worker.tokens[token["refresh_token"]]["access_token"] != token["access_token"]


def test_the_tests_against_the_sandbox_pass(tmp_path: Path) -> None:
    """They are tests that a user's own can begin with."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            EXAMPLES / "sandbox_in_tests.py",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_the_fastapi_example_is_as_short_as_it_says() -> None:
    """Under 25 lines, imports included."""
    lines = (EXAMPLES / "fastapi_app.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) < 25
    assert not re.search(r";\s*\S", "".join(lines))

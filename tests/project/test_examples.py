"""The examples for frameworks, a worker and tests work; other examples have other test files."""

import asyncio
import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

from authlib_kucoin import KuCoinOAuth2Session
from authlib_kucoin.sandbox import Sandbox
from tests.support.ports import free_port, wait_for_port

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SERVE_WSGI = (
    "from wsgiref.simple_server import make_server; from {module} import {app} as app; "
    "make_server('127.0.0.1', {port}, app).serve_forever()"
)
SERVE_ASGI = "import uvicorn; uvicorn.run('{module}:{app}', port={port})"


@contextlib.contextmanager
def served(module: str, app: str, serve: str, sandbox: Sandbox) -> Iterator[str]:
    """Serve an example in a process of its own, configured only by environment variables."""
    port = free_port()
    settings = {
        "SECRET_KEY": "made-up",
        "KUCOIN_CLIENT_ID": sandbox.client_id,
        "KUCOIN_SITE": sandbox.url,
    }
    settings |= {f"FLASK_{name}": value for name, value in settings.items()}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", serve.format(module=module, app=app, port=port)],
            cwd=EXAMPLES,
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
        )
        try:
            wait_for_port(port, process)
            yield f"http://127.0.0.1:{port}"
        except BaseException:
            log.seek(0)
            sys.stdout.write(log.read())
            raise
        finally:
            process.terminate()
            process.wait(60)


def connect(browser: requests.Session, url: str) -> str:
    """Press the button and return the address of the login page."""
    # Django's CSRF token: the same in cookie and header. The other frameworks ignore it.
    login = browser.post(
        f"{url}/connect",
        allow_redirects=False,
        cookies={"csrftoken": "x" * 32},
        headers={"X-CSRFToken": "x" * 32},
    )
    assert login.status_code == 302, login.text
    return login.headers["Location"]


FRAMEWORKS = pytest.mark.parametrize(
    ("module", "app", "serve"),
    [
        ("flask_app", "app", SERVE_WSGI),
        ("fastapi_app", "app", SERVE_ASGI),
        ("django_project", "application", SERVE_WSGI),
    ],
)


@FRAMEWORKS
def test_an_account_is_connected(
    kucoin_sandbox: Sandbox, module: str, app: str, serve: str
) -> None:
    """For GET of the callback, the app makes one key and shows the UID; HEAD uses no code."""
    with served(module, app, serve, kucoin_sandbox) as url, requests.Session() as browser:
        callback = kucoin_sandbox.approve(connect(browser, url))
        # A link checker sends HEAD, for which Flask runs the view for GET.
        browser.head(re.sub("code=[^&]+", "code=other", callback))
        assert "token" not in kucoin_sandbox.totals
        page = browser.get(callback)
    assert page.status_code == 200, page.text
    assert "code=" not in page.url
    assert str(kucoin_sandbox.options.uid) in page.text
    assert len(kucoin_sandbox.issued_keys) == 1


@FRAMEWORKS
def test_what_goes_wrong_has_a_page(
    kucoin_sandbox: Sandbox, module: str, app: str, serve: str
) -> None:
    """After Cancel, a used callback, a 503 or a lost answer, a page says so and has the button."""
    with served(module, app, serve, kucoin_sandbox) as url, requests.Session() as browser:
        used = kucoin_sandbox.approve(connect(browser, url))
        browser.get(used)
        pages = {"stale": browser.get(used)}
        pages["cancelled"] = browser.get(kucoin_sandbox.cancel(connect(browser, url)))
        for operation, fault in [("token", "503"), ("create_api_key", "lost")]:
            kucoin_sandbox.fail_next(operation, fault)
            pages[operation] = browser.get(kucoin_sandbox.approve(connect(browser, url)))
    for page in pages.values():
        assert page.status_code == 200, page.text
        assert "code=" not in page.url
        assert "<button>Connect KuCoin</button>" in page.text
    assert "No account was connected" in pages["stale"].text
    assert "No account was connected" in pages["cancelled"].text
    assert "did not answer as expected" in pages["token"].text
    assert "API management page" in pages["create_api_key"].text


def loaded(name: str) -> ModuleType:
    """Import an example, and return its module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_worker_asks_for_keys_with_one_refresh(
    kucoin_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty jobs share one expired token: one refresh, and the new token is stored."""
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
    """The tests in the example program pass."""
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
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_the_fastapi_example_is_as_short_as_it_says() -> None:
    """The program has under 50 lines that are not blank, and no two statements in a line."""
    lines = (EXAMPLES / "fastapi_app.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) < 50
    assert not re.search(r";\s*\S", "".join(lines))

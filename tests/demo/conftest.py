"""Fixtures of the demo's tests: a sandbox, a clock, apps on fresh databases, and a user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from flask_demo import create_app
from flask_demo.config import SETTINGS, new_vault_key
from tests.demo.apps import Clock, MakeApp
from tests.demo.visitor import Visitor, closed_after


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the demo's settings from the environment of the tests."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox for one test."""
    with run_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test can move."""
    return Clock(monkeypatch)


@pytest.fixture
def settings(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    """The settings that a real site needs, with the sandbox as the site, and a fresh folder."""
    return {
        "DEMO_INSTANCE": str(tmp_path / "instance"),
        "KUCOIN_CLIENT_ID": sandbox.client_id,
        "KUCOIN_SITE": sandbox.url,
        "KUCOIN_VAULT_KEYS": new_vault_key(),
        "SECRET_KEY": "canary-secret-key-of-the-tests",
    }


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """A cache of compiled templates for the apps of `make_app`, because compiling is slow."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def make_app(
    settings: dict[str, Any], compiled_templates: FileSystemBytecodeCache
) -> Iterator[MakeApp]:
    """A function that makes an app with `settings`, which its keyword arguments override or extend.

    The apps' connections are closed at the end of the test.
    """
    with ExitStack() as stack:

        def make(**more: Any) -> Flask:
            app = stack.enter_context(closed_after(create_app({**settings, **more})))
            app.jinja_env.bytecode_cache = compiled_templates
            return app

        yield make


@pytest.fixture
def app(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    """The demo; on PostgreSQL if the fixture's parameter says so, otherwise on SQLite."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return make_app()
    return make_app(DATABASE_URL=request.getfixturevalue("postgres_database"))


@pytest.fixture
def alice(app: Flask, sandbox: Sandbox) -> Visitor:
    """A user who has signed in as alice."""
    return Visitor(app, sandbox, "alice")

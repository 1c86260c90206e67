"""A recording server, and apps that call it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.connections.apps import APPS, App, answer
from tests.support.wire import Wire


@pytest.fixture(autouse=True)
def _silent_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the environment variables below, which HTTP libraries read."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    for name in (*names, *map(str.lower, names), "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that records each request and answers it as :func:`answer` does."""
    with Wire() as wire:
        wire.answer = answer
        yield wire


@pytest.fixture(params=APPS)
def kind(request: pytest.FixtureRequest) -> type[App]:
    """The app class of each framework in turn, and so each HTTP library in turn."""
    return APPS[request.param]


@pytest.fixture
def new_app(kind: type[App]) -> Iterator[Any]:
    """Return a function that registers an app for the site at a URL, with ``client_kwargs``."""
    apps: list[App] = []

    def new(url: str, **client_kwargs: Any) -> App:
        apps.append(kind(url, client_kwargs))
        return apps[-1]

    yield new
    for app in apps:
        app.end()

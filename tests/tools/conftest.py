"""Removes all variables from the environment that the commands read."""

import os

import pytest

_READ = ("KUCOIN_", "FLASK_", "GUNICORN_", "DJANGO_", "REQUESTS_CA", "CURL_CA", "SSL_CERT_")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every variable that the commands read."""
    for name in os.environ:
        if name.startswith(_READ) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)

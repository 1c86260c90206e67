"""Starts each test without the environment variables that `doctor` and `rehearse` read."""

import os

import pytest

_READ = ("KUCOIN_", "FLASK_", "GUNICORN_", "DJANGO_", "REQUESTS_CA", "CURL_CA", "SSL_CERT_")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables of KuCoin, the frameworks, gunicorn, TLS and proxies."""
    for name in os.environ:
        if name.startswith(_READ) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)

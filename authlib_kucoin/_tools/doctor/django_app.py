"""Reads the settings and the facts that the checks need from a Django project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .subject import App, Cookie, HostRefused


def django_settings(name: str) -> dict[str, Any]:
    """Return the settings for KuCoin of the configured project.

    They are the settings for Authlib if ``AUTHLIB_OAUTH_CLIENTS`` has any under the name, otherwise
    those for python-social-auth. For both, ``{NAME}_REDIRECT_URI`` can hold the redirect URI.

    Args:
        name: The name that KuCoin is registered under.
    """
    from django.conf import settings  # noqa: PLC0415 - may not be installed

    redirect_uri = getattr(settings, f"{name.upper()}_REDIRECT_URI", None)
    registered: Mapping[str, Any] = getattr(settings, "AUTHLIB_OAUTH_CLIENTS", {}).get(name) or {}
    if registered:
        options: Mapping[str, Any] = registered.get("client_kwargs") or {}
        found = {
            key: registered.get(key) for key in ("site", "fast_api", "client_id", "client_secret")
        }
        return {
            **found,
            "redirect_uri": options.get("redirect_uri") or redirect_uri,
            "client_kwargs": options,
            "library": "requests",
        }
    social = f"SOCIAL_AUTH_{name.upper()}"
    names = {
        "site": "SITE",
        "fast_api": "FAST_API",
        "client_id": "KEY",
        "client_secret": "SECRET",
        "timeout": "REQUESTS_TIMEOUT",
        "total_timeout": "TOTAL_TIMEOUT",
    }
    found = {key: getattr(settings, f"{social}_{suffix}", None) for key, suffix in names.items()}
    found["timeout"] = found["timeout"] or getattr(settings, f"{social}_URLOPEN_TIMEOUT", None)
    client_names = {"verify": "VERIFY_SSL", "proxies": "PROXIES"}
    given = {key: getattr(settings, f"{social}_{end}", None) for key, end in client_names.items()}
    return {
        **found,
        "redirect_uri": redirect_uri,
        "client_kwargs": {key: value for key, value in given.items() if value is not None},
        "library": "requests",
    }


def django_app() -> App:
    """Return the facts that the checks need about the configured project."""
    from django.conf import settings  # noqa: PLC0415 - may not be installed

    database = settings.DATABASES.get("default", {})
    engine = str(database.get("ENGINE", "")).rpartition(".")[2]
    return App(
        framework="Django",
        cookie=Cookie(
            secure=settings.SESSION_COOKIE_SECURE,
            http_only=settings.SESSION_COOKIE_HTTPONLY,
            same_site=settings.SESSION_COOKIE_SAMESITE,
        ),
        secret_key=settings.SECRET_KEY,
        debug=bool(settings.DEBUG),
        callback_url=_callback_url,
        trust_scheme='SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")',
        trust_host="USE_X_FORWARDED_HOST = True",
        allow_host="ALLOWED_HOSTS",
        database=f"{engine}://x/{database.get('NAME')}" if engine not in ("", "dummy") else None,
        open_database=_open_database,
    )


def _open_database() -> None:
    from django.db import connection  # noqa: PLC0415 - may not be installed

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.close()


def _callback_url(uri: str, host: str) -> str | None:
    """Return the callback's URL as ``build_absolute_uri`` makes it behind a proxy that ends TLS.

    The result is None if no route serves the URI.

    Raises:
        HostRefused: If Django refuses the host.
    """
    from django.core.exceptions import DisallowedHost  # noqa: PLC0415 - may not be installed
    from django.test import RequestFactory  # noqa: PLC0415
    from django.urls import Resolver404, resolve  # noqa: PLC0415

    parts = urlsplit(uri)
    try:
        resolve(parts.path or "/")
    except Resolver404:
        return None
    request = RequestFactory().get(
        parts.path or "/",
        headers={
            "host": host,
            "x-forwarded-proto": parts.scheme,
            "x-forwarded-host": parts.netloc,
        },
    )
    try:
        return request.build_absolute_uri(parts.path)
    except DisallowedHost:
        raise HostRefused from None

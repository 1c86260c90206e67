"""Reads the settings. Flags win over the application, and the application over the environment."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import sys
from collections.abc import Mapping
from importlib import import_module
from inspect import isroutine
from pathlib import Path
from typing import Any, Final

from authlib_kucoin._tools.watched import LIBRARIES

from .django_app import django_app, django_settings
from .flask_app import flask_app, flask_settings
from .starlette_app import starlette_app, starlette_settings
from .subject import App, Settings, Subject

#: Settings of one value that can be environment variables, and the ends of the variables' names.
_VARIABLES: Final = {
    "site": "SITE",
    "fast_api": "FAST_API",
    "client_id": "CLIENT_ID",
    "client_secret": "CLIENT_SECRET",
    "redirect_uri": "REDIRECT_URI",
    "vault_keys": "VAULT_KEYS",
}
_LISTS: Final = {"fast_api_ips": "FAST_API_IPS", "trading_ips": "TRADING_IPS"}


def subject_of(options: argparse.Namespace, app: Any = None) -> Subject:
    """Return the input of the checks.

    If the application cannot be loaded or read, ``app_failure`` of the result says why.

    Args:
        options: The command line.
        app: An application that is already loaded; ``options.app`` is loaded if this is None.
    """
    failure = ""
    found: dict[str, Any] = {}
    loaded: App | None = None
    try:
        app = _load(options.app) if app is None and options.app else app
        if app is not None:
            loaded, found = _read(app, options.name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the application's code may raise anything
        failure = f"{type(error).__name__}: {error}"
    given = {
        **_environment(options.name),
        **{name: value for name, value in found.items() if value not in (None, "")},
        **{name: value for name, value in _flags(options).items() if value is not None},
    }
    kwargs: Mapping[str, Any] = given.get("client_kwargs", {})
    for name in ("timeout", "total_timeout"):
        if name in kwargs:
            given.setdefault(name, kwargs[name])
    return Subject(Settings(**given), loaded, failure, offline=getattr(options, "offline", False))


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(Settings)}
    return {name: value for name, value in vars(options).items() if name in names}


def _environment(name: str) -> dict[str, Any]:
    prefix = f"{name.upper()}_"
    found: dict[str, Any] = {
        setting: os.environ[prefix + end]
        for setting, end in _VARIABLES.items()
        if os.environ.get(prefix + end)
    }
    for setting, end in _LISTS.items():
        if listed := os.environ.get(prefix + end):
            found[setting] = tuple(listed.replace(",", " ").split())
    if (seconds := _gunicorn_timeout()) is not None:
        found["server_timeout"] = seconds
    return found


def _gunicorn_timeout() -> float | None:
    """Return the time-out in the variable GUNICORN_CMD_ARGS; None if it holds no valid one."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-t", "--timeout", type=float)
    try:
        known, _ = parser.parse_known_args(shlex.split(os.environ.get("GUNICORN_CMD_ARGS", "")))
    except (argparse.ArgumentError, ValueError):
        return None
    seconds: float | None = known.timeout
    return seconds


def _load(where: str) -> Any:
    """Return the application that ``--app`` names.

    ``module:attribute`` names the application or a function that makes it. A name without a colon
    is that of Django's settings module.
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)  # as flask and gunicorn do
    module, _, attribute = where.partition(":")
    if not attribute:
        return _load_django(module)
    found: Any = import_module(module)
    for name in attribute.removesuffix("()").split("."):
        found = getattr(found, name)
    return found() if isroutine(found) else found  # a function is a factory


def _load_django(settings_module: str) -> Any:
    os.environ["DJANGO_SETTINGS_MODULE"] = settings_module
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415 - may not be installed

    return get_wsgi_application()


def _is_of(app: Any, package: str) -> bool:
    return any(each.__module__.startswith(f"{package}.") for each in type(app).__mro__)


def _read(app: Any, name: str) -> tuple[App, dict[str, Any]]:
    if _is_of(app, "django"):
        return django_app(), django_settings(name)
    # A middleware around an application, as SessionMiddleware(app), has no user_middleware.
    if _is_of(app, "starlette") and hasattr(app, "user_middleware"):
        return starlette_app(app), starlette_settings(app, name)
    if hasattr(app, "extensions") and hasattr(app, "url_map"):
        return flask_app(app), flask_settings(app, name)
    raise TypeError(
        f"it is a {type(app).__module__}.{type(app).__qualname__}, and no application of Flask, "
        "Starlette, FastAPI or Django: give the settings by flags and environment"
    )


def add_setting_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that doctor and rehearse share."""
    parser.add_argument("--app", metavar="MODULE:ATTRIBUTE", help=_APP)
    parser.add_argument(
        "--name", default="kucoin", help="the name KuCoin is registered under (default: kucoin)"
    )
    parser.add_argument("--site", help="eu, global, australia, or a base URL (KUCOIN_SITE)")
    parser.add_argument("--fast-api", help="1 or 2 (KUCOIN_FAST_API)")
    parser.add_argument("--client-id", help="from KuCoin (KUCOIN_CLIENT_ID)")
    parser.add_argument("--redirect-uri", help="as registered with KuCoin (KUCOIN_REDIRECT_URI)")
    parser.add_argument("--timeout", type=float, help="the client's timeout")
    parser.add_argument("--total-timeout", type=float, help="the client's total_timeout")
    parser.add_argument("--library", choices=LIBRARIES, help="the HTTP library of your client")


_APP: Final = (
    "a Flask, Starlette or FastAPI application or its factory (shop:create_app), or Django's "
    "settings module (shop.settings)"
)

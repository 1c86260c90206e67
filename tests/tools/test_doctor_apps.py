"""`doctor` examines Flask and Django applications, and its advice says how to fix mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from authlib.integrations.flask_client import OAuth
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.proxy_fix import ProxyFix

from authlib_kucoin import register_kucoin
from authlib_kucoin.sandbox import Sandbox, run_sandbox
from flask_demo import create_app
from tests.support.wire import Wire

from .examined import RIGHT, Examined, examine

_URI = RIGHT["KUCOIN_REDIRECT_URI"]
_RIGHT_CONFIG = {
    **{name: RIGHT[name] for name in ("KUCOIN_SITE", "KUCOIN_CLIENT_ID", "KUCOIN_REDIRECT_URI")},
    "SECRET_KEY": "6b1f0c57e2d94a83",
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
}


def _app(callback: str = "/kucoin/callback", **config: Any) -> Flask:
    """Return a correct application, except for the given callback path and settings."""
    app = Flask("shop")
    app.config.update(_RIGHT_CONFIG | config)
    if app.config.get("SQLALCHEMY_DATABASE_URI"):
        SQLAlchemy(app)
    register_kucoin(OAuth(app))
    app.add_url_rule(callback, "callback", lambda: "never called")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1, x_host=1)  # type: ignore[method-assign]
    return app


def _wrong(capsys: pytest.CaptureFixture[str], app: Flask) -> dict[str, str]:
    return examine(capsys, "--offline", "--server-timeout", "0", app=app).wrong()


def test_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """`doctor` finds no mistake in a correct application, and reads its redirect URI."""
    report = examine(capsys, "--offline", app=_app())
    assert report.wrong() == {}
    assert report.report["form"]["Redirect URL"] == _URI
    assert report.of("right")["application"] == "Flask, debug mode is off"


@pytest.mark.parametrize(
    ("check", "config"),
    [
        ("session cookie", {"SESSION_COOKIE_SECURE": False}),
        ("session cookie", {"SESSION_COOKIE_HTTPONLY": False}),
        ("session cookie", {"SESSION_COOKIE_SAMESITE": "Strict"}),
    ],
)
def test_cookie_flags(
    check: str, config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """If a flag of the session cookie is wrong, the advice has the setting's right value."""
    app = _app(**config)
    advice = _wrong(capsys, app)
    assert list(advice) == [check]
    line = re.fullmatch(r"Set (SESSION_COOKIE_\w+) = (.+)\.", advice[check])
    assert line
    app.config[line[1]] = {"True": True, '"Lax"': "Lax"}[line[2]]
    assert _wrong(capsys, app) == {}


@pytest.mark.parametrize("key", [None, "dev", "a" * 40, "django-insecure-6b1f0c57e2d94a83"])
def test_secret_key(key: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """If the secret key is missing, simple or Django's default, the advice says how to make one."""
    app = _app(SECRET_KEY=key)
    advice = _wrong(capsys, app)
    assert list(advice) == ["secret key"]
    command = re.search(r'python -c "(.+)"', advice["secret key"])
    assert command
    app.secret_key = subprocess.check_output([sys.executable, "-c", command[1]], text=True).strip()
    assert _wrong(capsys, app) == {}


def test_callback_behind_a_proxy(capsys: pytest.CaptureFixture[str]) -> None:
    """Without ProxyFix, the app builds a callback URL with http. The advice fixes it."""
    app = _app()
    del app.wsgi_app
    advice = _wrong(capsys, app)
    assert list(advice) == ["callback"]
    line = re.search(r"app\.wsgi_app = .+\)", advice["callback"])
    assert line
    exec(line[0], {"app": app, "ProxyFix": ProxyFix})  # noqa: S102 - readers do the same
    assert _wrong(capsys, app) == {}


def test_callback_that_needs_the_host(capsys: pytest.CaptureFixture[str]) -> None:
    """If the app ignores X-Forwarded-Host, a note says that the proxy has to forward Host."""
    app = _app()
    app.wsgi_app = ProxyFix(Flask.wsgi_app.__get__(app), x_proto=1, x_host=0)  # type: ignore[method-assign]
    report = examine(capsys, "--offline", app=app)
    assert report.wrong() == {}
    assert "proxy_set_header Host $host" in report.of("note")["callback"]
    app.config["TRUSTED_HOSTS"] = ["broker.example.com"]  # so Host 127.0.0.1:8000 is refused
    assert "callback" in examine(capsys, "--offline", app=app).of("note")


def test_callback_without_a_route(capsys: pytest.CaptureFixture[str]) -> None:
    """A redirect URI without a route, or that the app redirects, is a mistake."""
    assert "Add the route" in _wrong(capsys, _app("/callback"))["callback"]
    assert "Register that one" in _wrong(capsys, _app("/kucoin/callback/"))["callback"]


def test_callback_on_an_untrusted_host(capsys: pytest.CaptureFixture[str]) -> None:
    """If TRUSTED_HOSTS lacks the redirect URI's host, the advice is to add it."""
    app = _app(TRUSTED_HOSTS=["localhost"])
    assert _wrong(capsys, app) == {"callback": "Add 'broker.example.com' to TRUSTED_HOSTS."}
    app.config["TRUSTED_HOSTS"].append("broker.example.com")
    assert _wrong(capsys, app) == {}


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_database_in_memory(url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A database in memory is a mistake; a file is not."""
    assert "sqlite:////" in _wrong(capsys, _app(SQLALCHEMY_DATABASE_URI=url))["database"]
    app = _app(SQLALCHEMY_DATABASE_URI=f"sqlite:////{tmp_path}/kucoin.sqlite")
    assert _wrong(capsys, app) == {}


def test_database_that_does_not_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kucoin_sandbox: Sandbox
) -> None:
    """A database that does not answer is a mistake; the report does not repeat its URL."""
    app = _app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/hunter2/kucoin.sqlite")
    report = examine(capsys, "--site", kucoin_sandbox.url, app=app)
    assert "Check DATABASE_URL" in report.wrong()["database"]
    assert "hunter2" not in report.printed


def test_database_that_answers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kucoin_sandbox: Sandbox, postgres_url: str
) -> None:
    """A SQLite file that answers is a note about several machines; PostgreSQL is right."""
    for url, level, says in (
        (f"sqlite:///{tmp_path}/kucoin.sqlite", "note", "several machines"),
        (postgres_url, "right", "postgresql answers"),
    ):
        app = _app(SQLALCHEMY_DATABASE_URI=url)
        report = examine(capsys, "--site", kucoin_sandbox.url, app=app)
        assert says in report.of(level)["database"]
        with app.app_context():
            app.extensions["sqlalchemy"].engine.dispose()


def test_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing SameSite is a note, and a client id that is a float is a mistake.

    Without a redirect URI, the check of the callback is skipped.
    """
    app = _app(SESSION_COOKIE_SAMESITE=None, KUCOIN_REDIRECT_URI=None, KUCOIN_CLIENT_ID=1.5e21)
    report = examine(capsys, "--offline", app=app)
    assert 'SESSION_COOKIE_SAMESITE = "Lax"' in report.of("note")["session cookie"]
    assert report.of("skipped")["callback"] == "the redirect URI is not known"
    assert "in quotes" in report.wrong()["client id"]


def test_debug_mode(capsys: pytest.CaptureFixture[str]) -> None:
    """Debug mode is a mistake until it is off."""
    app = _app(DEBUG=True)
    assert "FLASK_DEBUG" in _wrong(capsys, app)["application"]
    app.debug = False
    assert _wrong(capsys, app) == {}


def test_a_site_given_in_code(capsys: pytest.CaptureFixture[str]) -> None:
    """The arguments `site` and `client_kwargs` of `register_kucoin` are checked like settings."""
    app = _app(KUCOIN_SITE=None)
    options = {"redirect_uri": _URI, "timeout": None, "verify": "/ca.pem"}
    register_kucoin(OAuth(app), site="glbal", client_kwargs=options)
    report = examine(capsys, "--offline", app=app)
    assert "'glbal' is not a KuCoin site" in report.printed
    assert "timeout=10.0" in report.wrong()["time-outs"]
    assert "verify" in report.printed


def test_the_clients_own_connections(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`doctor` connects with the client's `verify` and `proxies`; verify=False is a mistake."""
    with run_sandbox(tls="self-signed") as sandbox, Wire() as wire:
        wire.answer = lambda _seen: (502, "")

        def wrong(**options: Any) -> dict[str, str]:
            app = _app(KUCOIN_SITE=sandbox.url)
            register_kucoin(OAuth(app), client_kwargs=options)
            return examine(capsys, "--server-timeout", "0", app=app).wrong()

        trusted = str(sandbox.certificate)
        assert set(wrong()) == {"certificate", "answer"}
        assert wrong(verify=trusted) == {}
        assert "Remove verify=False" in wrong(verify=False)["certificate"]
        assert wire.seen == []
        assert "certificate" in wrong(verify=trusted, proxies={"https": wire.url})
        assert wire.seen


def test_without_kucoin(capsys: pytest.CaptureFixture[str]) -> None:
    """If KuCoin is not registered, the advice is to register it, or to pass --name."""
    advice = examine(capsys, "--offline", app=Flask("shop")).wrong()["application"]
    assert "register_kucoin(OAuth(app))" in advice
    assert "--name" in advice


# --- applications by name -----------------------------------------------------------------------

_DJANGO = """
SECRET_KEY = "6b1f0c57e2d94a83"
ALLOWED_HOSTS = ["broker.example.com"]
ROOT_URLCONF = "shop.urls"
KUCOIN_REDIRECT_URI = "https://broker.example.com/kucoin/callback"
SESSION_COOKIE_SECURE = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
USE_X_FORWARDED_HOST = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "kucoin.sqlite"}}
"""
_AUTHLIB = """
AUTHLIB_OAUTH_CLIENTS = {"kucoin": {"client_id": "6422da9c97b45100018c6e62", "site": "eu"}}
"""
_SOCIAL = """
SOCIAL_AUTH_KUCOIN_KEY = "6422da9c97b45100018c6e62"
SOCIAL_AUTH_KUCOIN_SITE = "eu"
"""
_URLS = """
from django.urls import path
urlpatterns = [path("kucoin/callback", lambda request: None)]
"""


@pytest.fixture
def django(tmp_path: Path) -> Callable[..., Examined]:
    """Return a function that runs `doctor` as a program, on a project with the given settings."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "urls.py").write_text(_URLS)

    def run(settings: str, *arguments: str) -> Examined:
        (tmp_path / "shop" / "settings.py").write_text(settings)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "authlib_kucoin", "doctor", "--json"),
                *("--app", "shop.settings", "--server-timeout", "0", *arguments),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return Examined(done.returncode, done.stdout)

    return run


@pytest.mark.parametrize("client", [_AUTHLIB, _SOCIAL], ids=["authlib", "social"])
def test_django(client: str, django: Callable[..., Examined], kucoin_sandbox: Sandbox) -> None:
    """The settings of Authlib or of python-social-auth are read, and nothing is wrong."""
    online = django(_DJANGO + client, "--site", kucoin_sandbox.url)
    assert online.wrong() == {}
    assert "several machines" in online.of("note")["database"]
    report = django(_DJANGO + client, "--offline")
    assert report.wrong() == {}
    assert report.status == 0
    assert "www.kucoin.eu" in report.of("right")["site"]


@pytest.mark.parametrize(
    ("check", "line"),
    [
        ("callback", 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")'),
        ("session cookie", "SESSION_COOKIE_SECURE = True"),
    ],
)
def test_django_mistakes(check: str, line: str, django: Callable[..., Examined]) -> None:
    """If one of these lines is missing in the settings, the advice holds that line."""
    settings = _DJANGO + _AUTHLIB
    assert line in settings
    found = django(settings.replace(line, ""), "--offline")
    assert found.status == 1
    assert line in found.wrong()[check]
    assert list(found.wrong()) == [check]


def test_django_routes(django: Callable[..., Examined]) -> None:
    """A host that is not in ALLOWED_HOSTS, and a path without a route, are mistakes."""
    found = django((_DJANGO + _AUTHLIB).replace('["broker.example.com"]', "[]"), "--offline")
    assert found.wrong() == {"callback": "Add 'broker.example.com' to ALLOWED_HOSTS."}
    moved = (_DJANGO + _AUTHLIB).replace("kucoin/callback", "kucoin/back")
    assert "Add the route" in django(moved, "--offline").wrong()["callback"]


def test_an_app_that_cannot_be_loaded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`doctor` says why loading failed, without a URL's password, and checks the settings."""
    (tmp_path / "broken_shop.py").write_text("raise SystemExit('KUCOIN_VAULT_KEYS is missing')")
    quoted = "cannot parse postgresql://shop:hunter2@db.example.com/shop"
    (tmp_path / "secret_shop.py").write_text(f"raise ValueError({quoted!r})")
    monkeypatch.chdir(tmp_path)
    for where, says in (
        ("broken_shop:app", "KUCOIN_VAULT_KEYS is missing"),
        ("no_such_shop:app", "No module named 'no_such_shop'"),
        ("json:loads", "loads() missing"),
        ("secret_shop:app", "cannot parse postgresql://shop:***@db.example.com/shop"),
        ("json:decoder", "no application of Flask, Starlette, FastAPI or Django"),
    ):
        report = examine(capsys, "--offline", "--app", where, "--site", "eu")
        assert says in report.wrong()["application"]
        assert "www.kucoin.eu" in report.of("right")["site"]


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Examined]:
    """Return a function that runs `flask kucoin doctor --offline`, set up for a real site."""

    def run(**settings: str) -> Examined:
        for name, value in {**RIGHT, "SECRET_KEY": "6b1f0c57e2d94a83", **settings}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("DEMO_INSTANCE", str(tmp_path))
        arguments = ["kucoin", "doctor", "--offline", "--json"]
        result = create_app().test_cli_runner().invoke(args=arguments)
        return Examined(result.exit_code, result.stdout)

    return run


def test_the_demo(demo: Callable[..., Examined]) -> None:
    """Without TRUSTED_PROXIES, the demo builds http URLs behind a proxy; the setting fixes that."""
    found = demo().wrong()
    assert list(found) == ["callback"]
    assert "TRUSTED_PROXIES=1" in found["callback"]
    report = demo(TRUSTED_PROXIES="1")
    assert report.wrong() == {}
    assert report.status == 0
    assert report.of("right")["vault keys"] == "1 Fernet key; the first one encrypts"

"""`doctor` examines Starlette and FastAPI applications, and its advice says what to change."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from authlib.integrations.starlette_client import OAuth
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.config import Config
from starlette.middleware import Middleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from authlib_kucoin import register_kucoin

from .examined import RIGHT, examine

_URI = RIGHT["KUCOIN_REDIRECT_URI"]
_SESSION = {"secret_key": "6b1f0c57e2d94a83", "https_only": True}


class ServerSessionMiddleware:
    """Stands for the session middleware of another package."""


def _app(
    *middleware: Middleware,
    path: str = "/kucoin/callback",
    session: dict[str, Any] | None = _SESSION,
    kind: type[Starlette] = Starlette,
    **settings: str | None,
) -> Starlette:
    """Return a correct application, except for the given arguments."""
    given = {name: RIGHT[name] for name in ("KUCOIN_SITE", "KUCOIN_CLIENT_ID")}
    given["KUCOIN_REDIRECT_URI"] = _URI
    environ = {name: value for name, value in {**given, **settings}.items() if value is not None}
    kucoin = register_kucoin(OAuth(Config(environ=environ)))

    async def callback(request: Request) -> Response:
        raise AssertionError(await kucoin.authorize_access_token(request))  # never called

    added = [*middleware]
    if session is not None:
        added.append(Middleware(SessionMiddleware, **session))
    return kind(routes=[Mount("/shop", routes=[]), Route(path, callback)], middleware=added)


def _wrong(capsys: pytest.CaptureFixture[str], app: Any) -> dict[str, str]:
    return examine(capsys, "--offline", "--server-timeout", "0", app=app).wrong()


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
def test_nothing_is_wrong(kind: type[Starlette], capsys: pytest.CaptureFixture[str]) -> None:
    """A correct application has no mistake. Its settings are read from its `OAuth`'s `Config`."""
    report = examine(capsys, "--offline", app=_app(kind=kind))
    assert report.wrong() == {}
    assert report.report["form"]["Redirect URL"] == _URI
    assert report.of("right")["application"] == f"{kind.__name__}, debug mode is off"
    assert "--forwarded-allow-ips" in report.of("note")["callback"]


@pytest.mark.parametrize(
    ("check", "planted", "advice"),
    [
        ("session cookie", {"https_only": False}, "https_only=True"),
        ("session cookie", {"same_site": "strict"}, 'same_site="lax"'),
        ("secret key", {"secret_key": "dev"}, "secret_key of SessionMiddleware"),
    ],
)
def test_the_session(
    check: str, planted: dict[str, Any], advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The advice names the argument of `SessionMiddleware` that is wrong."""
    found = _wrong(capsys, _app(session=_SESSION | planted))
    assert list(found) == [check]
    assert advice in found[check]


def test_no_session(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing session middleware is a mistake; one of another package is not checked."""
    assert list(_wrong(capsys, _app(session=None))) == ["secret key"]
    other = _app(Middleware(ServerSessionMiddleware), session=None)  # type: ignore[arg-type]
    report = examine(capsys, "--offline", app=other)
    assert report.wrong() == {}
    assert {"session cookie", "secret key"} <= set(report.of("skipped"))


def test_debug_mode(capsys: pytest.CaptureFixture[str]) -> None:
    """Debug mode is a mistake."""
    app = _app()
    app.debug = True
    assert "debug=True" in _wrong(capsys, app)["application"]


def test_the_callbacks_route(capsys: pytest.CaptureFixture[str]) -> None:
    """The redirect URI needs a route for its very path, final slash included; a `Mount` is fine."""
    assert "Add the route" in _wrong(capsys, _app(path="/callback"))["callback"]
    assert "Register that one" in _wrong(capsys, _app(path="/kucoin/callback/"))["callback"]
    app = _app(path="/kucoin/callback/")
    app.router.redirect_slashes = False
    assert "Add the route" in _wrong(capsys, app)["callback"]
    inner = Mount("/kucoin", routes=_app(path="/callback").routes)
    app = _app(path="/elsewhere")
    app.router.routes.append(inner)
    assert _wrong(capsys, app) == {}


def test_an_untrusted_host(capsys: pytest.CaptureFixture[str]) -> None:
    """If `TrustedHostMiddleware` lacks the redirect URI's host, the advice is to add it."""

    def app(allowed: Sequence[str]) -> Starlette:
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=list(allowed))
        return _app(Middleware(HTTPSRedirectMiddleware), hosts)

    advice = "Add 'broker.example.com' to allowed_hosts of TrustedHostMiddleware."
    assert _wrong(capsys, app(["localhost"])) == {"callback": advice}
    assert _wrong(capsys, app(["broker.example.com"])) == {}


def test_a_wrong_site(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong site in the `Config` is a mistake, and the report quotes it."""
    found = examine(capsys, "--offline", app=_app(KUCOIN_SITE="glbal"))
    assert "'glbal' is not a KuCoin site" in found.printed
    assert "site" in found.wrong()


def test_without_kucoin(capsys: pytest.CaptureFixture[str]) -> None:
    """If an application registers no KuCoin, or none under the given --name, the report says so.

    A registration by another application does not count, even if an endpoint uses its module.
    """
    app, shop = _app(), ModuleType("made_up_shop")
    vars(shop)["app"] = app
    other = Starlette(routes=[Route("/", lambda _request: Response(shop.__name__))])
    assert "register_kucoin(OAuth(app))" in _wrong(capsys, other)["application"]
    found = examine(capsys, "--offline", "--name", "kucoin_eu", app=app).wrong()
    assert "'kucoin_eu'" in found["application"]


def test_the_registration_is_found_through_modules(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registered KuCoin is found if an endpoint names it as ``a.b.kucoin``, or imports it."""
    outer, inner = ModuleType("made_up_shop"), ModuleType("made_up_shop.auth")
    outer.auth = inner  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "made_up_shop", outer)
    monkeypatch.setitem(sys.modules, "made_up_shop.auth", inner)
    imported = "from made_up_shop.auth import kucoin\n    "
    for before, inside, named in [
        ("import made_up_shop.auth\n", "", "made_up_shop.auth.kucoin"),
        ("", imported, "kucoin"),
    ]:
        app = _app()
        (route,) = (each for each in app.routes if isinstance(each, Route))
        inner.kucoin = route.endpoint.__closure__[0].cell_contents  # type: ignore[attr-defined]  # as above
        names: dict[str, Any] = {}
        exec(f"{before}async def callback(request):\n    {inside}return {named}", names)  # noqa: S102 - ours
        app.router.routes = [Mount("/shop", routes=[]), Route(route.path, names["callback"])]
        assert _wrong(capsys, app) == {}


def test_an_application_in_a_middleware(capsys: pytest.CaptureFixture[str]) -> None:
    """For an application wrapped in a middleware, the advice is to use flags and environment."""
    app = SessionMiddleware(_app(session=None), "6b1f0c57e2d94a83")
    assert "by flags and environment" in _wrong(capsys, app)["application"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Save the documentation's FastAPI program; return a function that runs the tools on it."""
    page = Path(__file__).parents[2] / "docs" / "examples" / "fastapi_app.py"
    (tmp_path / "shop.py").write_text(page.read_text())
    for name, value in {**RIGHT, "SECRET_KEY": "6b1f0c57e2d94a83"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))

    def run(*arguments: str) -> str:
        command = (sys.executable, "-m", "authlib_kucoin", *arguments)
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False
        ).stdout

    return run


def test_the_program_of_the_page(shop: Callable[..., str]) -> None:
    """Loaded by name, the documentation's program has two mistakes for an https redirect URI.

    The session cookie is also sent over http, and no route is at the redirect URI.
    """
    printed = shop("doctor", "--offline", "--app", "shop:app")
    assert "FastAPI, debug mode is off" in printed
    assert "https_only=True in SessionMiddleware" in printed
    assert "No route of the application serves /kucoin/callback" in printed
    assert printed.endswith("2 things are wrong.\n")

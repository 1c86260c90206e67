"""Reads the settings and the facts that the checks need from a Flask application."""

from __future__ import annotations

from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from .registered import registered_settings
from .subject import App, Cookie, HostRefused

_OAUTH: Final = "authlib.integrations.flask_client"
_SQLALCHEMY: Final = "sqlalchemy"  # Flask-SQLAlchemy's
#: The setting of the Flask demo for the number of proxies in front of it.
_TRUSTED: Final = "TRUSTED_PROXIES"
_PROXY_FIX: Final = "app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1, x_host=1)"


def flask_settings(app: Any, name: str) -> dict[str, Any]:
    """Return the settings of a Flask application.

    Args:
        app: The application.
        name: The name that KuCoin is registered under.

    Raises:
        ConfigurationError: If KuCoin is not registered under this name.
    """
    oauth = app.extensions.get(_OAUTH)
    with app.app_context():
        client = oauth and oauth.create_client(name)
    return {**registered_settings(client, name, app.config.get), "library": "requests"}


def flask_app(app: Any) -> App:
    """Return the facts that the checks need about a Flask application."""
    config = app.config
    trust = f"set {_TRUSTED}=1 for one proxy" if _TRUSTED in config else _PROXY_FIX
    return App(
        framework="Flask",
        cookie=Cookie(
            secure=config["SESSION_COOKIE_SECURE"],
            http_only=config["SESSION_COOKIE_HTTPONLY"],
            same_site=config["SESSION_COOKIE_SAMESITE"],
        ),
        secret_key=app.secret_key,
        debug=bool(app.debug),
        callback_url=lambda uri, host: _callback_url(app, uri, host),
        trust_scheme=trust,
        trust_host=trust,
        allow_host="TRUSTED_HOSTS",
        database=config.get("SQLALCHEMY_DATABASE_URI") if _SQLALCHEMY in app.extensions else None,
        open_database=lambda: _open_database(app),
    )


def _open_database(app: Any) -> None:
    from sqlalchemy import select  # noqa: PLC0415 - the application's own

    with app.app_context(), app.extensions[_SQLALCHEMY].engine.connect() as connection:
        connection.execute(select(1))


class _Arrived(BaseException):
    """Carries the environ of a request out of the application, through its middleware.

    It is a BaseException, because a middleware may catch every Exception.
    """

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__()
        self.environ = environ


def _callback_url(app: Any, uri: str, host: str) -> str | None:
    """Return the callback's URL as the application builds it behind a proxy that ends TLS.

    A request passes the middleware around ``app.wsgi_app`` and stops there, so no view and no hook
    of the application runs. If a route redirects, the result is the target of the redirect; if no
    route serves a GET of the URI, it is None.

    Raises:
        HostRefused: If the application refuses the host.
    """
    from werkzeug.exceptions import HTTPException, SecurityError  # noqa: PLC0415 - Flask's
    from werkzeug.routing import RequestRedirect  # noqa: PLC0415
    from werkzeug.test import create_environ  # noqa: PLC0415

    parts = urlsplit(uri)
    headers = {"Host": host, "X-Forwarded-Proto": parts.scheme, "X-Forwarded-Host": parts.netloc}
    environ = _arrived(app, create_environ(path=parts.path, headers=headers))
    try:
        routes = app.create_url_adapter(app.request_class(environ))
        endpoint, values = routes.match()
    except SecurityError:
        raise HostRefused from None
    except RequestRedirect as redirect:
        return redirect.new_url
    except HTTPException:
        return None
    built: str = routes.build(endpoint, values, force_external=True)
    return built


def _arrived(app: Any, environ: dict[str, Any]) -> dict[str, Any]:
    """Return the environ as the middleware leaves it, also if a middleware answers the request."""

    def catch(seen: dict[str, Any]) -> NoReturn:
        raise _Arrived(seen)

    app.request_context = catch  # wsgi_app calls this first
    try:
        app.wsgi_app(environ, lambda *_: None)
    except _Arrived as arrived:
        environ = arrived.environ
    finally:
        del app.request_context
    return environ

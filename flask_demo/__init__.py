"""The reference application: users connect KuCoin accounts, and the app keeps their API keys.

Without a client id, ``python -m flask_demo`` runs it with a sandbox. :mod:`flask_demo.config` lists
the settings. ``gunicorn.conf.py`` and ``nginx.conf`` show how to serve the app.

To read the code, begin with the main path and go down from there:

1. ``kucoin.py``, ``ledger.py``: the routes for connecting accounts and for their keys, and the
   ledger, which records how far each attempt has come or how it ended.
2. ``models.py``, ``vault.py``, ``tokens.py``: the tables, the vault of credentials, kept tokens.
3. ``checks.py``, ``findings.py``, ``permissions.py``: what a key may do, and what the user should
   do about the key.
4. ``accounts.py``: the sign-in and the first page. ``logins.py``: logins at KuCoin that survive
   parallel requests.
5. ``limits.py``, ``database.py``, ``config.py``: time limits, the database, and settings.
6. ``create_app`` below, ``extensions.py``, ``events.py``, ``cli.py``, ``__main__.py``: how the app
   is put together, what it logs, its commands, and how to run it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Flask, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from humanize import naturaltime
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug import Response
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from authlib_kucoin import KuCoinError, UnsafeRedirectURI, register_kucoin

from . import accounts, cli, events, kucoin
from .config import flask_config, given_settings
from .database import prepare_database
from .errors import SettingsError
from .extensions import csrf, db, login_manager, migrate
from .findings import findings
from .limits import CALL_SECONDS
from .logins import LedgerOAuth
from .models import now
from .permissions import NAMES, PERMISSIONS, fewer
from .vault import Vault

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return the application.

    Args:
        config: Settings that override environment variables; see :mod:`flask_demo.config`.

    Raises:
        SettingsError: If a setting is missing or wrong, a secret's file or a folder cannot be used,
            or :func:`flask_demo.database.prepare_database` raises it.
        SQLAlchemyError: For any other error of the database, as when it does not answer.
    """
    given = given_settings(config)
    instance = given.get("DEMO_INSTANCE")
    app = Flask(__name__, instance_path=instance and str(Path(instance).absolute()))
    app.config.from_mapping(flask_config(given, Path(app.instance_path)))
    app.extensions["kucoin_vault"] = Vault(app.config["KUCOIN_VAULT_KEYS"])
    csrf.init_app(app)
    # Flask-Login's context processor would load the user for every page. The template global
    # ``current_user``, set below, loads the user only if a template uses it, so error pages work
    # while the database is down.
    login_manager.init_app(app, add_context_processor=False)
    _register_kucoin(app, asks="KUCOIN_PERMISSIONS" in given)
    app.register_blueprint(accounts.bp)
    app.register_blueprint(kucoin.bp)
    app.add_url_rule("/healthz", view_func=healthz)
    app.cli.add_command(cli.commands)
    app.register_error_handler(HTTPException, _show_error)
    app.after_request(_add_headers)
    app.jinja_env.filters.update(
        moment=lambda seconds: datetime.fromtimestamp(seconds, UTC),
        ago=lambda seconds: naturaltime(timedelta(seconds=now() - seconds)),
        kucoin_name=NAMES.get,
    )
    app.jinja_env.globals.update(
        current_user=current_user, fewer=fewer, findings=findings, MEANINGS=PERMISSIONS
    )
    if proxies := app.config["TRUSTED_PROXIES"]:
        fix = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)
        app.wsgi_app = fix  # type: ignore[method-assign]  # as in Flask's documentation
    events.init_app(app)
    db.init_app(app)
    migrate.init_app(app)
    with app.app_context():
        prepare_database()
    return app


def _register_kucoin(app: Flask, *, asks: bool) -> None:
    oauth = LedgerOAuth(app)
    # Keep up to one connection to KuCoin for each request that a worker can serve at once. See
    # worker_connections in gunicorn.conf.py.
    register_kucoin(oauth, client_kwargs={"total_timeout": CALL_SECONDS, "pool_maxsize": 500})
    try:
        site = oauth.kucoin.site
        if redirect_uri := app.config.get("KUCOIN_REDIRECT_URI"):
            oauth.kucoin.create_authorization_url(redirect_uri)
    except (KuCoinError, UnsafeRedirectURI) as error:
        raise SettingsError(str(error)) from None
    app.config["FAST_API_2"] = site.fast_api == 2
    if asks and not app.config["FAST_API_2"]:
        raise SettingsError(
            "KUCOIN_PERMISSIONS has no effect with Fast API 1, where KuCoin decides what a key may "
            "do. Remove it, or set KUCOIN_FAST_API=2 if KuCoin has given you that version."
        )
    login_page = urlsplit(site.authorization_endpoint)
    # The Connect form redirects to KuCoin's login page. Chromium checks this redirect and any that
    # follows it against form-action. Whether KuCoin's login page redirects, and where to, is not
    # documented, so allow any https. A sandbox without TLS needs only its own address, because its
    # login page redirects to no other.
    kucoin = "https:" if login_page.scheme == "https" else f"http://{login_page.netloc}"
    app.config["CONTENT_SECURITY_POLICY"] = (
        f"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {kucoin}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def healthz() -> ResponseReturnValue:
    """Answer a load balancer: 200 if this process can query the database, otherwise 503."""
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return {"database": type(error).__name__}, 503
    return {"database": "ok"}


def _add_headers(response: Response) -> Response:
    policy = current_app.config["CONTENT_SECURITY_POLICY"]
    for name, value in (_HEADERS | {"Content-Security-Policy": policy}).items():
        response.headers.setdefault(name, value)  # static files keep Flask's own Cache-Control
    return response


def _show_error(error: HTTPException) -> ResponseReturnValue:
    if isinstance(error, SecurityError):
        return (
            "This host is not served here.",
            400,
        )  # the templates call url_for(), which fails for an unknown host
    response = error.get_response()
    if request.endpoint == "kucoin.callback" and error.code != 405:
        return kucoin.callback_problem(error.code)
    response.data = render_template("error.html", error=error)
    return response

"""The reference application: users connect their KuCoin accounts, and an API key is held.

``python -m flask_demo`` runs it beside a sandbox. For a real site see :mod:`flask_demo.config`;
``gunicorn 'flask_demo:create_app()'`` reads the same settings. If you turn on an access log, there
or at a proxy, leave queries out of it: that of the callback holds the authorization code.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from authlib.integrations.flask_client import OAuth
from flask import Flask, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user  # type: ignore[import-untyped]
from flask_wtf import CSRFProtect  # type: ignore[import-untyped]
from werkzeug import Response
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from authlib_kucoin import KuCoinError, UnsafeRedirectURI, register_kucoin

from . import accounts, cli, kucoin
from .config import SettingsError, flask_config, given_settings
from .keys import findings
from .models import create_tables, db
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
        config: Settings that overrule the environment's; see :mod:`flask_demo.config`.

    Raises:
        SettingsError: If the settings do not allow a start.
    """
    given = given_settings(config)
    instance = given.get("DEMO_INSTANCE")
    app = Flask(__name__, instance_path=instance and str(Path(instance).absolute()))
    app.config.from_mapping(flask_config(given, Path(app.instance_path)))
    app.extensions["kucoin_vault"] = Vault(app.config["KUCOIN_VAULT_KEYS"])
    CSRFProtect(app)
    # Templates have current_user as a global: looked up only where it is used, so that the error
    # pages do without the database.
    accounts.login_manager.init_app(app, add_context_processor=False)
    app.add_template_global(current_user, "current_user")
    _register_kucoin(app)
    app.register_blueprint(accounts.bp)
    app.register_blueprint(kucoin.bp)
    app.cli.add_command(cli.commands)
    app.register_error_handler(HTTPException, _show_error)
    app.after_request(_add_headers)
    app.add_template_filter(_moment, "moment")
    app.add_template_global(findings)
    if proxies := app.config["TRUSTED_PROXIES"]:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # as Flask's documentation does
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
        )
    db.init_app(app)
    with app.app_context():
        create_tables()
    return app


def _register_kucoin(app: Flask) -> None:
    oauth = OAuth(app)
    register_kucoin(oauth)
    try:
        site = oauth.kucoin.load_server_metadata()
        if redirect_uri := app.config.get("KUCOIN_REDIRECT_URI"):
            oauth.kucoin.create_authorization_url(redirect_uri)
    except (KuCoinError, UnsafeRedirectURI) as error:
        raise SettingsError(str(error)) from None
    login_page = urlsplit(site["authorization_endpoint"])
    # The form that begins a connection is answered by a redirect to KuCoin. Browsers hold that
    # against form-action, and each redirect that follows. Where KuCoin's lead is not known.
    kucoin = "https:" if login_page.scheme == "https" else f"http://{login_page.netloc}"
    app.config["CONTENT_SECURITY_POLICY"] = (
        f"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {kucoin}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def _add_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    response.headers["Content-Security-Policy"] = current_app.config["CONTENT_SECURITY_POLICY"]
    if request.endpoint == "static":
        response.headers["Cache-Control"] = "no-cache"  # kept, and asked for again
    return response


def _show_error(error: HTTPException) -> ResponseReturnValue:
    if isinstance(error, SecurityError):
        return "This host is not served here.", 400  # and there is no address to link to
    response = error.get_response()
    response.data = render_template("error.html", error=error)
    return response


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

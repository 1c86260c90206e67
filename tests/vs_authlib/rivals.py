"""Stock Authlib and this package, each configured for KuCoin as far as it can be."""

from typing import Any

from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask, session

from authlib_kucoin import (
    KuCoinOAuth2Session,
    register_kucoin,
)
from tests.support.wire import Wire

REDIRECT_URI = "https://broker.example.com/kucoin/callback?tenant=a:b"
TOKEN = {
    "access_token": "new-access",
    "token_type": "bearer",
    "expires_in": 3600,
    "refresh_token": "new-refresh",
    "scope": ["OAUTH_CREATE_API"],
}
EXPIRED = {
    "access_token": "old-access",
    "refresh_token": "old-refresh",
    "token_type": "bearer",
    "expires_at": 1,
}
REFUSED = {"success": False, "code": "40001", "msg": "no", "retry": False, "data": None}


def stock_session(wire: Wire, **options: Any) -> OAuth2Session:
    """Return Authlib's own session, configured for KuCoin as far as possible."""
    options.setdefault("token_endpoint_auth_method", "none")
    return OAuth2Session(
        "broker",
        redirect_uri=REDIRECT_URI,
        scope="OAUTH_CREATE_API",
        token_endpoint=f"{wire.url}/_oauth/access-token",
        **options,
    )


def our_session(wire: Wire, **options: Any) -> KuCoinOAuth2Session:
    """Return this package's session."""
    return KuCoinOAuth2Session("broker", site=wire.url, redirect_uri=REDIRECT_URI, **options)


def stock_app(oauth: OAuth, wire: Wire, **options: Any) -> Any:
    """Register KuCoin with Authlib's own app class, as far as possible; return the app."""
    return oauth.register(
        "kucoin",
        client_id="broker",
        authorize_url=f"{wire.url}/oauth",
        access_token_url=f"{wire.url}/_oauth/access-token",
        access_token_params={"method": "GET"},
        client_kwargs={"scope": "OAUTH_CREATE_API", "token_endpoint_auth_method": "none"},
        **options,
    )


def our_app(oauth: OAuth, wire: Wire, **options: Any) -> Any:
    """Register KuCoin with this package; return the app."""
    return register_kucoin(oauth, site=wire.url, client_id="broker", **options)


def started_login(app: Flask, kucoin: Any) -> dict[str, Any]:
    """Start a login with the state "OK", and return the browser's session with that login."""
    with app.test_request_context("/"):
        kucoin.authorize_redirect(REDIRECT_URI, state="OK")
        return dict(session)


def flask_app(**config: Any) -> Flask:
    """Return a Flask application in which sessions work, because it has a secret key."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="test", **config)
    return app

"""The login page, the callback and registration, with stock Authlib and with this package.

Most tests show a fault of stock Authlib, and that this package does not have the fault.
"""

import secrets
import warnings
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import FlaskOAuth2App, OAuth
from authlib.oauth2.rfc6749.errors import MissingCodeException
from flask import session

from authlib_kucoin import (
    KuCoinError,
    register_kucoin,
)
from authlib_kucoin.flask_client import KuCoinFlaskApp
from tests.support.wire import Wire
from tests.vs_authlib.rivals import (
    REDIRECT_URI,
    flask_app,
    our_app,
    our_session,
    started_login,
    stock_app,
    stock_session,
)


def test_login_url_has_the_redirect_uri_raw(wire: Wire) -> None:
    """This package's login URL has the redirect URI as it is; Authlib percent-encodes the URI."""
    ours, _ = our_session(wire).create_authorization_url()
    stock, _ = stock_session(wire).create_authorization_url(f"{wire.url}/oauth")
    assert f"redirect_uri={REDIRECT_URI}&" in ours
    assert REDIRECT_URI not in stock


@pytest.mark.parametrize("register", [our_app, stock_app])
def test_error_code_in_the_callback_is_not_exchanged(wire: Wire, register: Any) -> None:
    """This package raises an error; Authlib sends ``40001`` to KuCoin as an authorization code."""
    app = flask_app()
    kucoin = register(OAuth(app), wire)
    waiting = started_login(app, kucoin)
    with app.test_request_context("/cb?success=false&code=40001&msg=cancelled&state=OK"):
        session.update(waiting)
        if register is stock_app:
            kucoin.authorize_access_token()
            assert "code=40001" in wire.seen[0].target
        else:
            with pytest.raises(OAuthError, match="code 40001: cancelled"):
                kucoin.authorize_access_token()
            assert wire.seen == []


@pytest.mark.parametrize("register", [our_app, stock_app])
def test_a_callback_without_code_is_an_oauth_error(wire: Wire, register: Any) -> None:
    """Without a code, this package's error is an ``OAuthError``, and Authlib's is not."""
    app = flask_app()
    kucoin = register(OAuth(app), wire)
    waiting = started_login(app, kucoin)
    with app.test_request_context("/cb?state=OK"):
        session.update(waiting)
        with pytest.raises(MissingCodeException if register is stock_app else OAuthError) as caught:
            kucoin.authorize_access_token()
        assert isinstance(caught.value, OAuthError) is (register is our_app)


def test_app_refuses_the_callback_of_another_apps_login(wire: Wire) -> None:
    """An app refuses the callback of another app's login (mix-up attack: RFC 9700, 4.4)."""
    app = flask_app()
    oauth = OAuth(app)
    honest = register_kucoin(oauth, "honest", site=wire.url, client_id="one")
    other = register_kucoin(oauth, "other", site=wire.url, client_id="two")
    with app.test_request_context("/"):
        from flask import session

        honest.authorize_redirect(REDIRECT_URI, state="OK")
        waiting = dict(session)
    with app.test_request_context("/cb?code=c&state=OK"):
        session.update(waiting)
        with pytest.raises(OAuthError, match="state"):
            other.authorize_access_token()
        assert wire.seen == []
        assert honest.authorize_access_token()["access_token"] == "new-access"


def test_second_registration_inherits_no_client_secret(wire: Wire) -> None:
    """If the class of two apps sets ``OAUTH_APP_CONFIG``, the second gets no secret of the first.

    With Authlib, it does.
    """
    for register, own, secret in (
        (register_kucoin, KuCoinFlaskApp, None),
        (OAuth.register, FlaskOAuth2App, "secret-one"),
    ):
        mine = type("Mine", (own,), {"OAUTH_APP_CONFIG": {"api_base_url": wire.url}})
        oauth = OAuth(flask_app())
        register(oauth, "a", client_cls=mine, client_id="one", client_secret="secret-one")
        second = register(oauth, "b", client_cls=mine, client_id="two")
        assert (second.client_id, second.client_secret) == ("two", secret)


def test_second_registration_of_a_name_replaces_the_first(wire: Wire) -> None:
    """A second registration of a name replaces the app; with Authlib, the first app stays."""
    app = flask_app()
    oauth = OAuth(app)
    our_app(oauth, wire)
    register_kucoin(oauth, site=wire.url, client_id="other")
    assert oauth.kucoin.client_id == "other"
    stock = OAuth(app)
    stock_app(stock, wire)
    stock.register("kucoin", client_id="other")
    assert stock.kucoin.client_id == "broker"


def test_missing_site_does_not_leave_a_stock_app_behind(wire: Wire) -> None:
    """Without a site, creating a login URL raises, also the second time; with one, it works."""
    app = flask_app()
    oauth = OAuth(app)
    register_kucoin(oauth, client_id="broker")
    for _ in range(2):
        with pytest.raises(KuCoinError, match="KUCOIN_SITE"):
            oauth.kucoin.create_authorization_url(REDIRECT_URI)
    app.config["KUCOIN_SITE"] = wire.url
    assert oauth.kucoin.create_authorization_url(REDIRECT_URI)["url"].startswith(wire.url)


def test_overwrite_does_not_change_the_callers_dict(wire: Wire) -> None:
    """With ``overwrite``, this package leaves the caller's dict alone; Authlib changes it."""
    app = flask_app(KUCOIN_CLIENT_KWARGS={"timeout": 3})
    mine: dict[str, Any] = {"timeout": 7}
    register_kucoin(OAuth(app), site=wire.url, client_kwargs=mine, overwrite=True)
    assert mine == {"timeout": 7}
    theirs: dict[str, Any] = {"timeout": 7}
    OAuth(app).register("kucoin", client_kwargs=theirs, overwrite=True)
    assert theirs == {"timeout": 3}


def test_login_url_has_documented_parameters_once_in_order(wire: Wire) -> None:
    """This package's login URL has each documented parameter once, in the document's order.

    This package refuses ``prompt`` and PKCE; Authlib's login URL has ``prompt``.
    """
    url, state = our_session(wire).create_authorization_url(state="s t")
    query = urlsplit(url).query
    assert [name for name, _ in parse_qsl(query)] == [
        *("response_type", "client_id", "redirect_uri", "scope", "state")
    ]
    assert state == "s t"
    with pytest.raises(KuCoinError, match="no parameter 'prompt'"):
        our_session(wire).create_authorization_url(prompt="login")
    with pytest.raises(KuCoinError, match="no PKCE"):
        our_session(wire).create_authorization_url(code_verifier="v")
    stock, _ = stock_session(wire).create_authorization_url(f"{wire.url}/oauth", prompt="login")
    assert "prompt=login" in stock


def test_abandoned_logins_do_not_overflow_the_cookie(wire: Wire) -> None:
    """This package keeps the last five logins in the session; Authlib keeps all of them.

    Browsers drop a cookie above 4 kB, and the user is then signed out of the application.
    """
    for register, overflows in ((our_app, False), (stock_app, True)):
        app = flask_app()
        kucoin = register(OAuth(app), wire)

        @app.get("/connect/<state>")
        def connect(state: str, kucoin: Any = kucoin) -> Any:
            return kucoin.authorize_redirect(REDIRECT_URI, state=state)

        @app.get("/cb")
        def callback(kucoin: Any = kucoin) -> str:
            return str(kucoin.authorize_access_token()["access_token"])

        app.testing = True
        browser = app.test_client()
        states = [secrets.token_urlsafe(90) for _ in range(40)]  # as long as a signed state
        # Werkzeug warns about the cookie's size.
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            for state in states:
                browser.get(f"/connect/{state}")
        cookie = browser.get_cookie("session")
        assert cookie is not None
        assert (len(cookie.value) > 4000) is overflows
        if register is our_app:
            for state in (states[-1], states[-5]):
                assert browser.get(f"/cb?code=c&state={state}").text == "new-access"
            with pytest.raises(OAuthError):
                browser.get(f"/cb?code=c&state={states[-6]}")

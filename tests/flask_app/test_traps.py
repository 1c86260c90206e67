"""What Authlib does by itself with KuCoin, and what this package does instead.

Each test drives both, so that it shows the trap as well as that we do not fall into it.
"""

import asyncio
import logging
import secrets
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749.errors import MissingCodeException
from flask import Flask
from support.wire import Seen, Wire, answering, running_wire

from authlib_kucoin import (
    AsyncKuCoinOAuth2Client,
    KuCoinError,
    KuCoinOAuth2Session,
    KuCoinUnavailable,
    MalformedResponse,
    TokenError,
    register_kucoin,
)

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


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Return a server that records what comes and answers with a token."""
    with running_wire() as wire:
        wire.answer = answering(TOKEN)
        yield wire


def stock_session(wire: Wire, **options: Any) -> OAuth2Session:
    """Return Authlib's own session, configured as far as it goes for KuCoin."""
    options.setdefault("token_endpoint_auth_method", "none")
    return OAuth2Session(
        "broker",
        redirect_uri=REDIRECT_URI,
        scope="OAUTH_CREATE_API",
        token_endpoint=f"{wire.url}/_oauth/access-token",
        **options,
    )


def our_session(wire: Wire, **options: Any) -> KuCoinOAuth2Session:
    """Return ours."""
    return KuCoinOAuth2Session("broker", site=wire.url, redirect_uri=REDIRECT_URI, **options)


def stock_app(oauth: OAuth, wire: Wire, **options: Any) -> Any:
    """Register KuCoin as an app of Authlib's own, as far as it goes."""
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
    """Register ours."""
    return register_kucoin(oauth, site=wire.url, client_id="broker", **options)


def flask_app(**config: Any) -> Flask:
    """Return an application with a session."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="test", **config)
    return app


def test_the_login_page_gets_the_redirect_uri_raw(wire: Wire) -> None:
    """Authlib percent-encodes it."""
    ours, _ = our_session(wire).create_authorization_url()
    stock, _ = stock_session(wire).create_authorization_url(f"{wire.url}/oauth")
    assert f"redirect_uri={REDIRECT_URI}&" in ours
    assert REDIRECT_URI not in stock


@pytest.mark.parametrize("method", ["none", "client_secret_post"])
def test_the_token_endpoint_gets_the_redirect_uri_raw(wire: Wire, method: str) -> None:
    """Authlib encodes it, or puts a body on the GET."""
    with our_session(wire) as ours:
        ours.fetch_token(code="c")
    with stock_session(wire, client_secret="s", token_endpoint_auth_method=method) as stock:
        stock.fetch_token(code="c", method="GET")
    mine, theirs = wire.seen
    assert mine.line == (
        "GET /_oauth/access-token?grant_type=authorization_code&code=c"
        f"&redirect_uri={REDIRECT_URI}&client_id=broker HTTP/1.1"
    )
    assert mine.body == b""
    assert not {"authorization", "cookie", "content-type", "content-length"} & set(mine.headers)
    assert REDIRECT_URI not in theirs.target
    assert bool(theirs.body) is (method == "client_secret_post")


@pytest.mark.parametrize("status", [200, 400])
def test_an_error_with_http_200_is_no_token(wire: Wire, status: int) -> None:
    """Authlib takes it for one, and tells update_token on a refresh: the stored pair is lost."""
    wire.answer = answering(REFUSED, status=status)
    kept: list[Any] = []
    with our_session(wire, token=EXPIRED, update_token=lambda t, **_: kept.append(t)) as ours:
        with pytest.raises(TokenError, match="code 40001: no"):
            ours.fetch_token(code="c")
        with pytest.raises(TokenError, match="code 40001: no"):
            ours.refresh_token()
        assert ours.token == EXPIRED
    assert kept == []
    with stock_session(wire, token=EXPIRED, update_token=lambda t, **_: kept.append(t)) as stock:
        stock.ensure_active_token()
        assert stock.token["code"] == "40001"
    assert len(kept) == 1


def test_an_expired_token_is_refreshed_where_and_how_kucoin_does_it(wire: Wire) -> None:
    """Authlib ignores ``refresh_token_url``: it posts another grant type to the token endpoint."""
    with our_session(wire, token=EXPIRED) as ours:
        ours.ensure_active_token()
    with stock_session(
        wire, token=EXPIRED, refresh_token_url=f"{wire.url}/_oauth/refresh-token"
    ) as stock:
        stock.ensure_active_token()
    mine, theirs = wire.seen
    assert mine.line == "POST /_oauth/refresh-token HTTP/1.1"
    assert mine.body == (
        b"grant_type=authorization_code&refresh_token=old-refresh&scope=OAUTH_CREATE_API"
    )
    assert mine.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in mine.headers
    assert theirs.target == "/_oauth/access-token"
    assert b"grant_type=refresh_token" in theirs.body


@pytest.mark.parametrize("register", [our_app, stock_app])
def test_an_error_code_in_the_callback_is_never_exchanged(wire: Wire, register: Any) -> None:
    """Authlib sends ``40001`` to the token endpoint as an authorization code."""
    app = flask_app()
    kucoin = register(OAuth(app), wire)
    with app.test_request_context("/"):
        from flask import session  # noqa: PLC0415 - bound to the request

        kucoin.authorize_redirect(REDIRECT_URI, state="OK")
        waiting = dict(session)
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
    """Authlib raises something that is none, past the application's handler."""
    app = flask_app()
    kucoin = register(OAuth(app), wire)
    with app.test_request_context("/"):
        from flask import session  # noqa: PLC0415 - bound to the request

        kucoin.authorize_redirect(REDIRECT_URI, state="OK")
        waiting = dict(session)
    with app.test_request_context("/cb?state=OK"):
        session.update(waiting)
        with pytest.raises(MissingCodeException if register is stock_app else OAuthError) as caught:
            kucoin.authorize_access_token()
        assert isinstance(caught.value, OAuthError) is (register is our_app)


@pytest.mark.parametrize(
    ("status", "body", "ours", "stock"),
    [
        (200, "<html>", MalformedResponse, ValueError),
        (200, "", MalformedResponse, ValueError),
        (200, {**TOKEN, "expires_in": "soon"}, MalformedResponse, ValueError),
        (502, "<html>", KuCoinUnavailable, requests.HTTPError),
    ],
)
def test_an_answer_that_is_no_token_has_a_name(
    wire: Wire, status: int, body: Any, ours: type[Exception], stock: type[Exception]
) -> None:
    """Authlib lets a bare ValueError or the HTTP library's error out, with the code in its URL."""
    wire.answer = answering(body, status=status)
    with our_session(wire) as session, pytest.raises(ours) as mine:
        session.fetch_token(code="the-secret-code")
    assert "the-secret-code" not in str(mine.value)
    assert mine.value.__context__ is None
    with stock_session(wire) as session, pytest.raises(stock) as theirs:
        session.fetch_token(code="the-secret-code", method="GET")
    assert not isinstance(theirs.value, KuCoinError)
    assert ("the-secret-code" in str(theirs.value)) is (status == 502)


def test_a_redirect_from_the_token_endpoint_is_not_followed(wire: Wire) -> None:
    """Requests follows it, with the code in its hands."""
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    wire.answer = lambda seen: (
        redirect if "access-token" in seen.target else (200, '{"access_token": "x"}')
    )
    with our_session(wire) as ours, pytest.raises(MalformedResponse):
        ours.fetch_token(code="c")
    assert len(wire.seen) == 1
    with stock_session(wire) as stock:
        stock.fetch_token(code="c", method="GET")
    assert wire.seen[-1].target == "/elsewhere"


def test_a_silent_server_is_not_waited_for_for_ever(wire: Wire) -> None:
    """Requests has no time-out of its own; ours is ten seconds unless another is given."""
    hold = threading.Event()

    def silence(_seen: Seen) -> tuple[int, str]:
        hold.wait(10)
        return 200, "{}"

    wire.answer = silence
    with our_session(wire, timeout=0.2) as ours, pytest.raises(KuCoinUnavailable, match="Timeout"):
        ours.fetch_token(code="c")
    assert not hold.is_set()
    hold.set()
    assert our_session(wire).default_timeout == 10.0
    assert stock_session(wire).default_timeout is None


def test_a_login_at_one_site_does_not_end_at_another(wire: Wire) -> None:
    """A mix-up: the answer of one site comes to the callback of the other (RFC 9700, 4.4)."""
    app = flask_app()
    oauth = OAuth(app)
    honest = register_kucoin(oauth, "honest", site=wire.url, client_id="one")
    other = register_kucoin(oauth, "other", site=wire.url, client_id="two")
    with app.test_request_context("/"):
        from flask import session  # noqa: PLC0415 - bound to the request

        honest.authorize_redirect(REDIRECT_URI, state="OK")
        waiting = dict(session)
    with app.test_request_context("/cb?code=c&state=OK"):
        session.update(waiting)
        with pytest.raises(OAuthError, match="state"):
            other.authorize_access_token()
        assert wire.seen == []
        assert honest.authorize_access_token()["access_token"] == "new-access"


def test_two_registrations_share_no_client_id(wire: Wire) -> None:
    """Authlib changes ``OAUTH_APP_CONFIG`` of a class in place, for the next to inherit."""
    app = flask_app(KUCOIN_SITE=wire.url)
    first = register_kucoin(OAuth(app), client_id="one", client_secret="secret-one")
    second = register_kucoin(OAuth(app), client_id="two")
    assert (first.client_id, first.client_secret) == ("one", "secret-one")
    assert (second.client_id, second.client_secret) == ("two", None)

    from authlib.integrations.flask_client import FlaskOAuth2App  # noqa: PLC0415 - to subclass it

    class Stock(FlaskOAuth2App):  # type: ignore[misc]
        OAUTH_APP_CONFIG = {"api_base_url": wire.url}  # noqa: RUF012 - as Authlib documents it

    oauth = OAuth(app)
    oauth.register("a", client_cls=Stock, client_id="one", client_secret="secret-one")
    inherited = OAuth(app).register("b", client_cls=Stock, client_id="two")
    assert inherited.client_secret == "secret-one"


def test_registering_a_name_again_takes_the_new_settings(wire: Wire) -> None:
    """Authlib keeps giving out the old app."""
    app = flask_app()
    oauth = OAuth(app)
    our_app(oauth, wire)
    register_kucoin(oauth, site=wire.url, client_id="other")
    assert oauth.kucoin.client_id == "other"
    stock = OAuth(app)
    stock_app(stock, wire)
    stock.register("kucoin", client_id="other")
    assert stock.kucoin.client_id == "broker"


def test_a_wrong_setting_never_leaves_a_stock_app_behind(wire: Wire) -> None:
    """If an app's constructor raises, Authlib's next access makes one of its own in its place."""
    app = flask_app()
    oauth = OAuth(app)
    register_kucoin(oauth, client_id="broker")
    for _ in range(2):
        with pytest.raises(KuCoinError, match="KUCOIN_SITE"):
            oauth.kucoin.create_authorization_url(REDIRECT_URI)
    app.config["KUCOIN_SITE"] = wire.url
    assert oauth.kucoin.create_authorization_url(REDIRECT_URI)["url"].startswith(wire.url)


def test_the_callers_own_dicts_stay_as_they_were(wire: Wire) -> None:
    """With ``overwrite`` Authlib merges the settings into the dict that it was given."""
    app = flask_app(KUCOIN_CLIENT_KWARGS={"timeout": 3})
    mine: dict[str, Any] = {"timeout": 7}
    register_kucoin(OAuth(app), site=wire.url, client_kwargs=mine, overwrite=True)
    assert mine == {"timeout": 7}
    theirs: dict[str, Any] = {"timeout": 7}
    OAuth(app).register("kucoin", client_kwargs=theirs, overwrite=True)
    assert theirs == {"timeout": 3}


def test_an_exchange_and_a_key_take_one_connection(wire: Wire) -> None:
    """Authlib opens a new one for each call."""
    app = flask_app()
    key = {"apiKey": "k", "secret": "s", "passphrase": "p"}
    answers = answering(TOKEN, {"success": True, "data": key})
    wire.answer = answers
    ours = our_app(OAuth(app), wire)
    with app.test_request_context():
        token = ours.fetch_access_token(code="c", redirect_uri=REDIRECT_URI)
        ours.create_api_key(token)
    ours.close()
    assert wire.connections == 1
    wire.answer = answering(TOKEN)
    stock = stock_app(OAuth(app), wire)
    with app.test_request_context():
        token = stock.fetch_access_token(code="c", redirect_uri=REDIRECT_URI)
        stock.post(f"{wire.url}/_oauth/resource/ucenter/outer/api-key/add", token=token)
    assert wire.connections == 3


def test_urls_in_debug_logs_hold_no_code(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 logs the whole URL of every request."""
    caplog.set_level(logging.DEBUG)
    with our_session(wire, client_secret="the-secret") as ours:
        ours.fetch_token(code="the-code")
    assert "code=***" in caplog.text
    assert "the-code" not in caplog.text
    assert "the-secret" not in caplog.text
    with stock_session(wire) as stock:
        stock.fetch_token(code="the-code", method="GET")
    assert "code=the-code" in caplog.text


def test_netrc_is_not_read(wire: Wire, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests overwrites an Authorization header with what it finds there."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password netrc-password\n")
    monkeypatch.setenv("NETRC", str(netrc))
    wire.answer = answering({"success": True, "data": {}})
    with our_session(wire) as ours:
        for call in (ours.create_api_key, ours.validate_access_token):
            with pytest.raises(KuCoinError):
                call("the-token")
    assert [seen.headers.get("authorization") for seen in wire.seen] == ["bearer the-token", None]
    with requests.Session() as session:
        session.post(wire.url, headers={"Authorization": "bearer the-token"})
    assert wire.seen[-1].headers["authorization"].startswith("Basic ")


def test_no_cookie_is_kept_or_sent_back(wire: Wire) -> None:
    """KuCoin's edge sets cookies on every answer; requests hands them on with the next call."""
    wire.headers["Set-Cookie"] = "edge=1; Path=/"
    with our_session(wire) as ours:
        ours.fetch_token(code="c")
        ours.refresh_token()
        assert not ours.cookies
    assert not [seen for seen in wire.seen if "cookie" in seen.headers]
    with stock_session(wire) as stock:
        stock.fetch_token(code="c", method="GET")
        stock.fetch_token(code="c", method="GET")
    assert wire.seen[-1].headers["cookie"] == "edge=1"


def test_a_ca_bundle_of_ones_own_beats_the_environments(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With REQUESTS_CA_BUNDLE set requests overrules what the session was given."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/of/the/environment.pem")
    verified: list[Any] = []

    def verify_used(session: requests.Session) -> Any:
        adapter = session.get_adapter(wire.url)
        send = adapter.send

        def spy(*args: Any, **kwargs: Any) -> Any:
            verified.append(kwargs["verify"])
            return send(*args, **kwargs)

        monkeypatch.setattr(adapter, "send", spy)
        return session

    with our_session(wire, verify=None) as ours:
        assert ours.verify is True  # stock: None, which requests takes for "do not verify"
    for verify in ("/my/own.pem", False, True):
        with verify_used(our_session(wire, verify=verify)) as ours:
            ours.fetch_token(code="c")
    with verify_used(our_session(wire)) as ours:
        ours.fetch_token(code="c")
    assert verified == ["/my/own.pem", False, True, "/of/the/environment.pem"]
    with verify_used(stock_session(wire, verify="/my/own.pem")) as stock:
        stock.fetch_token(code="c", method="GET")
    assert verified[-1] == "/of/the/environment.pem"


def test_the_login_parameters_stand_in_the_documents_order(wire: Wire) -> None:
    """Once each, and none that Authlib, or a setting, would add."""
    url, state = our_session(wire).create_authorization_url(state="s t")
    query = urlsplit(url).query
    assert [name for name, _ in parse_qsl(query)] == [
        *("response_type", "client_id", "redirect_uri", "scope", "state")
    ]
    assert state == "s t"
    with pytest.raises(KuCoinError, match="takes no 'prompt'"):
        our_session(wire).create_authorization_url(prompt="login")
    with pytest.raises(KuCoinError, match="no PKCE"):
        our_session(wire).create_authorization_url(code_verifier="v")
    stock, _ = stock_session(wire).create_authorization_url(f"{wire.url}/oauth", prompt="login")
    assert "prompt=login" in stock


def test_the_token_is_good_for_an_hour_and_the_refresh_token_for_three_days(wire: Wire) -> None:
    """Authlib knows the first expiry only, and keeps KuCoin's scope as a list."""
    with our_session(wire) as ours:
        token = ours.fetch_token(code="c")
    now = int(time.time())
    assert now + 3590 < token["expires_at"] <= now + 3600
    assert now + 3 * 86400 - 10 < token["refresh_expires_at"] <= now + 3 * 86400
    assert token["scope"] == "OAUTH_CREATE_API"
    with stock_session(wire) as stock:
        token = stock.fetch_token(code="c", method="GET")
    assert "refresh_expires_at" not in token
    assert token["scope"] == ["OAUTH_CREATE_API"]


def test_logins_that_were_given_up_do_not_overflow_the_session_cookie(wire: Wire) -> None:
    """Authlib keeps each for an hour; past 4 kB a browser drops the cookie, and the user with it.

    The latest still work, so that two tabs do not disturb one another.
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
        states = [secrets.token_urlsafe(90) for _ in range(40)]  # as long as a signed one is
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # Werkzeug's own
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


def test_a_refresh_address_of_ones_own_is_used(wire: Wire) -> None:
    """Authlib takes ``refresh_token_url`` and ignores it."""
    app = flask_app()
    kucoin = our_app(OAuth(app), wire, refresh_token_url=f"{wire.url}/elsewhere")
    with app.test_request_context():
        kucoin.refresh_access_token(EXPIRED)
    kucoin.close()
    assert wire.seen[0].target == "/elsewhere"


def test_an_async_client_refreshes_an_expired_token_of_its_own(wire: Wire) -> None:
    """As the one that waits does; with nobody to tell of the new pair, too."""

    async def main() -> dict[str, Any]:
        async with AsyncKuCoinOAuth2Client(
            "broker", site=wire.url, token={**EXPIRED, "refresh_token": "async-refresh"}
        ) as client:
            assert await client.ensure_active_token()
            assert await client.ensure_active_token()
            token: dict[str, Any] = client.token
            return token

    assert asyncio.run(main())["access_token"] == "new-access"
    assert [seen.target for seen in wire.seen] == ["/_oauth/refresh-token"]


def test_another_grant_type_is_refused(wire: Wire) -> None:
    """KuCoin has the authorization code mode only (document section 5)."""
    with our_session(wire) as ours, pytest.raises(KuCoinError, match="authorization code mode"):
        ours.fetch_token(code="c", grant_type="password")
    assert wire.seen == []


def test_without_a_code_nothing_is_exchanged(wire: Wire) -> None:
    """The message says which of the two ways of giving one there are."""
    with our_session(wire) as ours, pytest.raises(KuCoinError, match="code= or authorization_"):
        ours.fetch_token()
    assert wire.seen == []

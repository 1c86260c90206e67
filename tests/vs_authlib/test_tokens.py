"""Tokens, with stock Authlib and with this package.

Most tests show a fault of stock Authlib, and that this package does not have the fault.
"""

import asyncio
import time
from typing import Any

import pytest
import requests
from authlib.integrations.flask_client import OAuth

from authlib_kucoin import (
    AsyncKuCoinOAuth2Client,
    KuCoinError,
    KuCoinUnavailable,
    MalformedResponse,
    TokenError,
)
from tests.support.wire import Wire, answering
from tests.vs_authlib.rivals import (
    EXPIRED,
    REDIRECT_URI,
    REFUSED,
    TOKEN,
    flask_app,
    our_app,
    our_session,
    stock_session,
)


@pytest.mark.parametrize("method", ["none", "client_secret_post"])
def test_the_token_endpoint_gets_the_redirect_uri_raw(wire: Wire, method: str) -> None:
    """This package sends the redirect URI as it is, in a request without a body.

    Authlib percent-encodes the URI, and with ``client_secret_post`` it sends a body too.
    """
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
    """At an error with HTTP 200 or 400, this package raises.

    Authlib's refresh takes the error for a token and calls ``update_token``.
    """
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


def test_expired_token_is_refreshed_with_kucoins_form(wire: Wire) -> None:
    """This package posts KuCoin's form to the refresh endpoint; Authlib uses the token endpoint."""
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


@pytest.mark.parametrize(
    ("status", "body", "ours", "stock"),
    [
        (200, "<html>", MalformedResponse, ValueError),
        (200, "", MalformedResponse, ValueError),
        (200, {**TOKEN, "expires_in": "soon"}, MalformedResponse, ValueError),
        (502, "<html>", KuCoinUnavailable, requests.HTTPError),
    ],
)
def test_answer_without_a_token_raises_our_error(
    wire: Wire, status: int, body: Any, ours: type[Exception], stock: type[Exception]
) -> None:
    """For an answer without a usable token, this package's error hides the authorization code.

    Authlib raises a ``ValueError`` or, for HTTP 502, an ``HTTPError`` that shows the code.
    """
    wire.answer = answering(body, status=status)
    with our_session(wire) as session, pytest.raises(ours) as mine:
        session.fetch_token(code="the-secret-code")
    assert "the-secret-code" not in str(mine.value)
    assert mine.value.__context__ is None
    with stock_session(wire) as session, pytest.raises(stock) as theirs:
        session.fetch_token(code="the-secret-code", method="GET")
    assert not isinstance(theirs.value, KuCoinError)
    assert ("the-secret-code" in str(theirs.value)) is (status == 502)


def test_token_has_both_expiry_times_and_text_scope(wire: Wire) -> None:
    """This package's token has both expiry times, and its scope is a string.

    Authlib's token has no expiry time of the refresh token, and its scope is a list.
    """
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


def test_custom_refresh_token_url_is_used(wire: Wire) -> None:
    """An app sends its refresh to the ``refresh_token_url`` that it is registered with."""
    app = flask_app()
    kucoin = our_app(OAuth(app), wire, refresh_token_url=f"{wire.url}/elsewhere")
    with app.test_request_context():
        kucoin.refresh_access_token(EXPIRED)
    kucoin.close()
    assert wire.seen[0].target == "/elsewhere"


def test_async_client_refreshes_its_expired_token_once(wire: Wire) -> None:
    """``ensure_active_token``, called twice, sends one refresh; the client holds the new token."""

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

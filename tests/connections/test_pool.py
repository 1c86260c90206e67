"""How many connections sign-ins open and when they close; users share no cookie and no token."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from authlib.integrations.flask_client import OAuth
from flask import Flask

from authlib_kucoin import ApiKeyOutcomeUnknown, KuCoinUnavailable
from authlib_kucoin._clients import urllib3_pool
from tests.connections.apps import (
    REDIRECT_URI,
    App,
    InFlask,
    InStarlette,
    answer,
    together,
)
from tests.support.waiting import wait_until
from tests.support.wire import Wire

CODES = [f"code-{number}" for number in range(20)]


def test_consecutive_sign_ins_share_one_connection(wire: Wire, new_app: Any) -> None:
    """20 sign-ins, which send 40 requests, open one connection."""
    app = new_app(wire.url)
    for code in CODES:
        app.sign_in(code)
    assert len(wire.seen) == 40
    assert wire.connections == 1


def test_stock_authlib_opens_a_connection_for_each_call(wire: Wire) -> None:
    """For comparison: 20 sign-ins with stock Authlib open 40 connections."""
    stock = OAuth(Flask(__name__)).register(
        "kucoin",
        client_id="broker",
        access_token_url=f"{wire.url}/_oauth/access-token",
        access_token_params={"method": "GET"},
        client_kwargs={"token_endpoint_auth_method": "none"},
    )
    for code in CODES:
        token = stock.fetch_access_token(code=code, redirect_uri=REDIRECT_URI)
        headers = {"Authorization": "bearer x"}
        stock.post(f"{wire.url}/_oauth/x/api-key/add", token=token, headers=headers)
    assert wire.connections == 40


def test_concurrent_sign_ins_open_one_connection_each(wire: Wire, new_app: Any) -> None:
    """20 sign-ins at the same time open 20 connections; 20 more sign-ins open none."""
    app = new_app(wire.url)
    together(len(CODES), wire)
    app.sign_in_at_once(CODES)
    assert wire.connections == 20
    app.sign_in_at_once(CODES)
    assert wire.connections == 20
    assert len(wire.seen) == 80


def test_concurrent_users_share_no_cookie_or_token(wire: Wire, new_app: Any) -> None:
    """20 users at once get their own keys; no request has a cookie, and no exchange a token."""
    wire.headers["Set-Cookie"] = "edge=1; Path=/"
    app = new_app(wire.url)
    together(len(CODES), wire)
    for _ in range(2):
        keys = app.sign_in_at_once(CODES)
        assert [key.api_name for key in keys] == [f"access-{code}" for code in CODES]
    assert not [seen for seen in wire.seen if "cookie" in seen.headers]
    exchanges = [seen for seen in wire.seen if "/access-token" in seen.target]
    assert len(exchanges) == 40
    assert not [seen for seen in exchanges if {"authorization", "content-type"} & {*seen.headers}]


def test_an_app_keeps_no_token(wire: Wire, new_app: Any) -> None:
    """After a sign-in and a refresh, a validation without a token raises, and sends nothing."""
    app = new_app(wire.url)
    app.sign_in()
    app.call("refresh_access_token", "refresh-c")
    with pytest.raises(Exception, match="no access token"):
        app.call("validate_access_token", None)
    assert len(wire.seen) == 3


def test_app_get_shares_the_connection_without_its_token(wire: Wire, new_app: Any) -> None:
    """``app.get`` and sign-ins share a connection, but not the token of ``get`` or a cookie."""
    wire.headers["Set-Cookie"] = "edge=1; Path=/"
    app = new_app(wire.url)
    app.sign_in("one")
    token = {"access_token": "own", "token_type": "bearer"}
    wire.answer = lambda _seen: (200, '"well"')
    assert app.call("get", f"{wire.url}/own", token=token).json() == "well"
    wire.answer = answer
    app.sign_in("two")
    assert wire.connections == 1
    sent = [seen.headers.get("authorization") for seen in wire.seen]
    assert sent == [None, "bearer access-one", "bearer own", None, "bearer access-two"]
    assert not [seen for seen in wire.seen if "cookie" in seen.headers]


def test_connection_closed_by_the_server_is_replaced(wire: Wire, new_app: Any) -> None:
    """After the server has closed the connection, calls open one new one and send nothing twice."""
    app = new_app(wire.url)
    app.sign_in("first")
    for number in range(5):
        wire.hang_up()
        wait_until(lambda: len(wire.open) == 0)
        if number % 2:
            app.sign_in("again")
        else:
            app.call("create_api_key", token="again")
    assert wire.connections == 6
    assert len(wire.seen) == 2 + 3 * 1 + 2 * 2


def test_request_is_not_repeated_after_a_reset(wire: Wire, new_app: Any) -> None:
    """If the server resets the connection, neither a key request nor a validation is sent again."""
    app = new_app(wire.url)
    for kept in (0, 1):
        wire.answer = lambda _seen: None
        before = wire.connections
        with pytest.raises(ApiKeyOutcomeUnknown):
            app.call("create_api_key", token="t")
        assert wire.connections == before + 1 - kept
        with pytest.raises(KuCoinUnavailable):
            app.call("validate_access_token", "t")
        wire.answer = answer
        app.sign_in()  # leaves an open connection for the next turn
    assert len(wire.seen) == 2 * (1 + 1 + 2)


def test_closing_an_app_closes_its_connections(wire: Wire, new_app: Any) -> None:
    """``close`` closes all five connections; the next call opens a new one."""
    app = new_app(wire.url)
    together(5, wire)
    app.sign_in_at_once(CODES[:5])
    assert len(wire.open) == 5
    app.call("close")
    wait_until(lambda: len(wire.open) == 0)
    app.call("create_api_key", token="t")
    assert wire.connections == 6


def test_two_apps_share_no_connection(wire: Wire, new_app: Any) -> None:
    """Each app opens one connection; closing the first app leaves the second's open."""
    one, other = new_app(wire.url), new_app(wire.url)
    one.sign_in()
    other.sign_in()
    assert wire.connections == 2
    one.call("close")
    wait_until(lambda: len(wire.open) == 1)
    other.sign_in()
    assert wire.connections == 2


def _keep_at_most(kind: type[App], number: int) -> dict[str, Any]:
    if kind is InFlask:
        return {"pool_maxsize": number}
    return {"limits": httpx2.Limits(max_keepalive_connections=number)}


def test_client_kwargs_limit_the_kept_connections(
    wire: Wire, new_app: Any, kind: type[App]
) -> None:
    """With a limit of two idle connections, two stay open after five sign-ins at once.

    The next five exchanges at once use these two, and open three more.
    """
    app = new_app(wire.url, **_keep_at_most(kind, 2))
    together(5, wire)
    app.sign_in_at_once(CODES[:5])
    wait_until(lambda: len(wire.open) == 2)
    opened, seen = wire.connections, len(wire.seen)
    app.sign_in_at_once(CODES[:5])
    # Count exchanges only: the server makes them wait for one another, but not requests for keys.
    used = {each.connection for each in wire.seen[seen:] if "/access-token" in each.target}
    assert len(used) == 5
    assert len([number for number in used if number > opened]) == 3


def test_an_idle_connection_is_not_used_again(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the library requests, a connection that was idle for too long is not used again.

    Too long is more than 5 s, or more than ``keepalive_expiry`` if that is set.
    """
    now = 1000.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now

    monkeypatch.setattr(urllib3_pool, "time", Clock)
    for client_kwargs, idle in (({}, 5.0), ({"keepalive_expiry": 60.0}, 60.0)):
        before = wire.connections
        app = InFlask(wire.url, client_kwargs)
        app.sign_in()
        now += idle
        app.sign_in()
        assert wire.connections == before + 1
        now += idle + 0.1
        app.sign_in()
        assert wire.connections == before + 2
        app.end()


def test_keepalive_expiry_zero_opens_a_connection_per_call(wire: Wire) -> None:
    """With httpx2 and ``keepalive_expiry=0.0``, each of two calls opens a connection."""
    app = InStarlette(wire.url, {"limits": httpx2.Limits(keepalive_expiry=0.0)})
    app.sign_in()
    assert wire.connections == 2
    app.end()

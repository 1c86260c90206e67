"""Connections to KuCoin, with stock Authlib and with this package.

Most tests show a fault of stock Authlib, and that this package does not have the fault.
"""

import logging
import threading
from typing import Any

import pytest
import requests
from authlib.integrations.flask_client import OAuth

from authlib_kucoin import (
    KuCoinError,
    KuCoinUnavailable,
    MalformedResponse,
)
from tests.support.wire import Seen, Wire, answering
from tests.vs_authlib.rivals import (
    REDIRECT_URI,
    TOKEN,
    flask_app,
    our_app,
    our_session,
    stock_app,
    stock_session,
)


def test_a_redirect_from_the_token_endpoint_is_not_followed(wire: Wire) -> None:
    """This package raises at the redirect; Authlib, over requests, follows it."""
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


def test_silent_server_hits_the_default_timeout(wire: Wire) -> None:
    """This package's calls have a timeout, by default of 10 s; Authlib's have none by default."""
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


def test_exchange_and_key_share_one_connection(wire: Wire) -> None:
    """This package opens one connection for an exchange and a key; Authlib opens two."""
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


def test_debug_log_masks_the_code(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """In urllib3's log, code and client secret are masked; with Authlib, the log shows the code."""
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
    """This package ignores the netrc file; plain requests sends the file's password."""
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
    """This package sends no cookie back; Authlib, over requests, sends it with the next call."""
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


def test_verify_argument_wins_over_requests_ca_bundle(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A given ``verify=`` wins over REQUESTS_CA_BUNDLE; in Authlib, over requests, it does not."""
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
        assert ours.verify is True  # Authlib keeps None: no verification without a bundle
    for verify in ("/my/own.pem", False, True):
        with verify_used(our_session(wire, verify=verify)) as ours:
            ours.fetch_token(code="c")
    with verify_used(our_session(wire)) as ours:
        ours.fetch_token(code="c")
    assert verified == ["/my/own.pem", False, True, "/of/the/environment.pem"]
    with verify_used(stock_session(wire, verify="/my/own.pem")) as stock:
        stock.fetch_token(code="c", method="GET")
    assert verified[-1] == "/of/the/environment.pem"

"""Replacing an API key: after a new approval, or at once with a kept token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from authlib_kucoin._clients import sync_client as _client
from authlib_kucoin._clients.refresh import Refreshes
from authlib_kucoin.sandbox import Sandbox, run_sandbox
from flask_demo import ledger
from flask_demo.extensions import db
from flask_demo.models import ConnectedKey, lock_keys
from flask_demo.tokens import fresh_token
from flask_demo.vault import vault
from tests.demo.apps import DAY, HOUR, Clock, MakeApp, at_once, row_of
from tests.demo.visitor import Visitor, csrf_token, text_of, then


@pytest.fixture
def keeping(make_app: MakeApp) -> Flask:
    """The demo with KUCOIN_KEEP_TOKENS."""
    return make_app(KUCOIN_KEEP_TOKENS="yes")


@pytest.fixture
def carol(keeping: Flask, sandbox: Sandbox) -> Visitor:
    """A user with a connected account and a kept token."""
    carol = Visitor(keeping, sandbox, "carol")
    carol.connect()
    return carol


def test_rotate_by_way_of_kucoin(alice: Visitor, sandbox: Sandbox) -> None:
    """Without a kept token the user approves again, and the row gets the new key."""
    alice.connect()
    login_page = alice.post("/kucoin/keys/1/rotate").location
    old = row_of(alice.app)
    assert old.api_name == sandbox.issued_keys[0].api_name
    page = text_of(alice.follow(alice.get(alice.approve(login_page))))
    assert "An old key still works." in page
    assert f"“{old.api_name}”" in page
    new = row_of(alice.app)
    assert (new.id, new.api_name) == (1, sandbox.issued_keys[1].api_name)
    with alice.app.app_context():
        assert vault().key(new).secret == sandbox.issued_keys[1].secret
        assert db.session.scalars(select(ConnectedKey.id)).all() == [1]


def test_rotate_is_cancelled(alice: Visitor, sandbox: Sandbox) -> None:
    """If the user cancels at KuCoin, the old key stays connected."""
    alice.connect()
    page = alice.follow(alice.get(alice.cancel(alice.post("/kucoin/keys/1/rotate").location)))
    assert "Your account was not connected" in text_of(page)
    assert row_of(alice.app).api_name == sandbox.issued_keys[0].api_name
    assert "Account 165111215" in text_of(alice.get("/"))
    assert "Account 165111215 is connected" in _first_outcome(alice)


def test_another_account_replaces_nothing(make_app: MakeApp, sandbox: Sandbox) -> None:
    """If the user approves with another KuCoin account, both accounts are connected afterwards."""
    with run_sandbox(uid=7) as other:
        alice = Visitor(make_app(), sandbox, "alice")
        alice.connect()
        elsewhere = Visitor(make_app(KUCOIN_SITE=other.url), other)
        for name in ("session", "browser"):
            cookie = alice.http.get_cookie(name)
            assert cookie
            elsewhere.http.set_cookie(name, cookie.value)
        login_page = elsewhere.post("/kucoin/keys/1/rotate").location
        elsewhere.get(elsewhere.approve(login_page))
        page = text_of(elsewhere.get("/"))
        assert "Account 165111215" in page
        assert "Account 7" in page
        assert "Account 165111215 is connected" in _first_outcome(elsewhere)
        assert "account 7 is connected" in text_of(elsewhere.get("/kucoin/attempts/2"))


def _first_outcome(visitor: Visitor) -> str:
    """Return the text of the first attempt's page, with "Account" for "Your KuCoin account"."""
    page = text_of(visitor.get("/kucoin/attempts/1"))
    return page.replace("Your KuCoin account", "Account")


def test_rotated_and_not_checked(alice: Visitor, sandbox: Sandbox) -> None:
    """If the check of the new key failed, each attempt's page names the key of that attempt."""
    alice.connect()
    login_page = alice.post("/kucoin/keys/1/rotate").location
    sandbox.fail_next("api_key_info", "503")
    alice.get(alice.approve(login_page))
    for number, key in enumerate(sandbox.issued_keys, 1):
        assert key.api_name in text_of(alice.get(f"/kucoin/attempts/{number}"))


def test_new_key_by_a_kept_token_is_not_checked(carol: Visitor, sandbox: Sandbox) -> None:
    """What was found about the old key is dropped, even if the check of the new key fails."""
    assert row_of(carol.app).permissions
    sandbox.fail_next("api_key_info", "503")
    page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert "Your key is stored, but its check failed" in page
    assert "is connected" not in page
    row = row_of(carol.app)
    assert (row.uid, row.permissions, row.ip_whitelist) == (None, [], [])
    carol.post("/kucoin/keys/1/check")
    assert "Account 165111215" in text_of(carol.get("/"))


def test_every_key_that_gave_way_is_named(alice: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """If three keys of one account are merged late, the page names both keys that were replaced."""
    for fault in ("503", "503", "set_cookie"):
        sandbox.fail_next("api_key_info", fault)
        alice.connect()
        clock.advance(1)
    for key in (1, 2):
        alice.post(f"/kucoin/keys/{key}/check")
    first, second, third = (key.api_name for key in sandbox.issued_keys)
    page = text_of(alice.get("/kucoin/attempts/3"))
    assert f"“{first}”, “{second}”" in page
    assert third in page


def test_disconnected_while_a_rotation_begins(
    alice: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the key is disconnected as its rotation begins, the page of its last attempt says so."""
    alice.connect()
    start = ledger.start_rotation

    def disconnected_first(*args: Any) -> Any:
        with app.app_context():
            db.session.delete(db.session.get_one(ConnectedKey, 1))
            db.session.commit()
        return start(*args)

    monkeypatch.setattr(ledger, "start_rotation", disconnected_first)
    answer = alice.post("/kucoin/keys/1/rotate", seen="1")
    assert answer.location == "/kucoin/attempts/1"
    assert "replaced or disconnected since" in text_of(alice.follow(answer))
    assert "No longer held" in text_of(alice.get("/"))


def test_what_the_form_has_seen_is_a_number(alice: Visitor) -> None:
    """A form that names an impossible attempt begins nothing."""
    alice.connect()
    for seen in ("9" * 20, f"-{'9' * 20}"):
        answer = alice.post("/kucoin/keys/1/rotate", seen=seen)
        assert answer.location == "/kucoin/attempts/1"


def test_rotate_with_a_kept_token(carol: Visitor, sandbox: Sandbox) -> None:
    """With a kept token the new key comes at once, into the same row."""
    page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert "is connected" in page
    assert f"delete the key “{sandbox.issued_keys[0].api_name}”" in page
    row = row_of(carol.app)
    assert (row.id, row.api_name) == (1, sandbox.issued_keys[1].api_name)
    assert row.sealed_token
    assert "refresh" not in sandbox.totals


def test_rotate_refreshes(carol: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """An expired token is refreshed before use, and the new token is kept for the next time."""
    for turn in (1, 2):
        clock.advance(HOUR)
        page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
        assert "is connected" in page
        assert sandbox.totals["refresh"] == turn
    assert len(sandbox.issued_keys) == 3


def test_rotate_after_three_days(carol: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """A token past its three days is deleted, and the user has to approve again."""
    clock.advance(3 * DAY)
    login_page = carol.post("/kucoin/keys/1/rotate").location
    assert login_page.startswith(f"{sandbox.url}/oauth?")
    assert row_of(carol.app).sealed_token is None
    assert "is connected" in text_of(carol.follow(carol.get(carol.approve(login_page))))
    assert row_of(carol.app).sealed_token


def test_rotate_when_refresh_fails(carol: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """If KuCoin is unavailable for the refresh, no key is created, and a later try succeeds."""
    clock.advance(HOUR)
    sandbox.fail_next("refresh", "503")
    page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert "KuCoin cannot be reached" in page
    assert "No key was created" in page
    assert len(sandbox.issued_keys) == 1
    page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert "is connected" in page


def test_rotate_when_refresh_is_refused(carol: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """If KuCoin refuses to refresh, the token is deleted, and the user approves again."""
    clock.advance(HOUR)
    sandbox.fail_next("refresh", "envelope:1:in words that nobody has seen")
    login_page = carol.post("/kucoin/keys/1/rotate").location
    assert row_of(carol.app).sealed_token is None
    assert "is connected" in text_of(carol.follow(carol.get(carol.approve(login_page))))


def test_rotate_when_the_token_is_dead(carol: Visitor, sandbox: Sandbox) -> None:
    """A token that KuCoin refuses for a new key is deleted; the next attempt needs approval."""
    sandbox.fail_next("create_api_key", "envelope:1:invalid token")
    page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert "No key was created" in page
    assert row_of(carol.app).sealed_token is None
    login_page = carol.post("/kucoin/keys/1/rotate").location
    assert "is connected" in text_of(carol.follow(carol.get(carol.approve(login_page))))


@pytest.mark.parametrize(
    "fault",
    [
        "envelope:1:Repeated apiName",
        "envelope:1:The number of user's apiKey reaches to the maximum level",
        "lost",
    ],
)
def test_rotate_when_it_is_not_the_token(carol: Visitor, sandbox: Sandbox, fault: str) -> None:
    """After a taken key name, too many keys or a lost answer, the token is kept and used again."""
    sandbox.fail_next("create_api_key", fault)
    carol.post("/kucoin/keys/1/rotate")
    assert row_of(carol.app).sealed_token
    assert "is connected" in text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))


def test_a_row_is_read_anew_under_its_lock(
    carol: Visitor, sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a token was refreshed after a worker had read the row, that worker uses the new token."""
    start = ledger.start_rotation

    def refreshed_first(*args: Any) -> Any:
        with carol.app.app_context():
            assert fresh_token(1)
        monkeypatch.setattr(
            _client, "refreshes", Refreshes()
        )  # as in another process, which has its own memory of refreshes
        return start(*args)

    clock.advance(HOUR)
    monkeypatch.setattr(ledger, "start_rotation", refreshed_first)
    assert "is connected" in text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert sandbox.totals["refresh"] == 1


@pytest.mark.parametrize("by", ["check", "rekey"])
@pytest.mark.parametrize("why", ["it is past its time", "none is kept any more"])
def test_an_old_token_is_dropped(
    carol: Visitor, make_app: MakeApp, sandbox: Sandbox, clock: Clock, *, why: str, by: str
) -> None:
    """A check or a rekey deletes a token that is past its three days or no longer to be kept."""
    app = carol.app
    if why == "it is past its time":
        clock.advance(3 * DAY)
    else:
        app = make_app()
    if by == "check":
        Visitor(app, sandbox, "carol").post("/kucoin/keys/1/check")
    else:
        assert app.test_cli_runner().invoke(args=["kucoin", "rekey"]).exit_code == 0
    row = row_of(app)
    assert row.sealed_token is None
    with app.app_context():
        assert vault().key(row).secret == sandbox.issued_keys[0].secret


def test_a_token_that_is_good_is_kept(carol: Visitor, clock: Clock) -> None:
    """Neither a check nor a rekey deletes a token before its three days are over."""
    clock.advance(3 * DAY - 60)
    carol.post("/kucoin/keys/1/check")
    assert carol.app.test_cli_runner().invoke(args=["kucoin", "rekey"]).exit_code == 0
    assert row_of(carol.app).sealed_token


def test_rotate_fails(carol: Visitor, sandbox: Sandbox) -> None:
    """If the answer with the new key is lost, the page says so, and the old key stays connected."""
    sandbox.fail_next("create_api_key", "lost")
    page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert "Please look in your KuCoin account" in page
    assert row_of(carol.app).api_name == sandbox.issued_keys[0].api_name


def test_rotate_clicked_twice(
    carol: Visitor, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form that is sent twice at once, and once more later, creates one key and one attempt."""
    form = {"csrf_token": csrf_token(carol.get("/")), "seen": "1"}
    start, locations = ledger.start_rotation, []

    def send() -> None:
        locations.append(carol.copy().post("/kucoin/keys/1/rotate", data=form).location)

    def sent_first_by_another_tab(key: ConnectedKey) -> Any:
        monkeypatch.setattr(ledger, "start_rotation", start)
        at_once(send)  # in a thread, with a database session of its own
        return start(key)

    monkeypatch.setattr(ledger, "start_rotation", sent_first_by_another_tab)
    send()
    send()
    assert locations == ["/kucoin/attempts/2"] * 3
    assert len(sandbox.issued_keys) == 2


def test_rotate_clicked_twice_without_a_token(alice: Visitor, sandbox: Sandbox) -> None:
    """Without a kept token, both responses to a double click lead to KuCoin."""
    alice.connect()
    seen = row_of(alice.app).latest_attempt_id
    first, second = (alice.post("/kucoin/keys/1/rotate", seen=seen).location for _ in range(2))
    assert first.startswith(f"{sandbox.url}/oauth?")
    assert second.startswith(f"{sandbox.url}/oauth?")
    assert "is connected" in text_of(alice.follow(alice.get(alice.approve(second))))
    assert alice.get(alice.approve(first)).location == "/kucoin/attempts/2"
    assert len(sandbox.issued_keys) == 2


def test_disconnected_while_a_key_is_made(carol: Visitor, sandbox: Sandbox) -> None:
    """If the row is deleted while KuCoin creates the key, the new key is stored in a new row."""

    def disconnect() -> None:
        with carol.app.app_context():
            for row in lock_keys(ConnectedKey.id == 1):
                db.session.delete(row)
            db.session.commit()

    with then(carol.app, "create_api_key", disconnect):
        carol.post("/kucoin/keys/1/rotate")
    with carol.app.app_context():
        row = db.session.scalars(select(ConnectedKey)).one()
        assert row.id == 2
        assert vault().key(row).secret == sandbox.issued_keys[1].secret


def test_check_of_a_key_that_was_replaced(carol: Visitor, sandbox: Sandbox) -> None:
    """The result of a check is dropped if the key was replaced during the check."""
    other = Visitor(carol.app, sandbox, "carol")
    sandbox.fail_next("api_key_info", "set_cookie")  # the first call, by the check, succeeds
    sandbox.fail_next("api_key_info", "503")  # the second call, for the new key, fails
    with then(carol.app, "get_api_key_info", _once(lambda: other.post("/kucoin/keys/1/rotate"))):
        carol.post("/kucoin/keys/1/check")
    row = row_of(carol.app)
    assert row.api_name == sandbox.issued_keys[1].api_name
    assert row.check_error == "KuCoinUnavailable"


def _once(do: Callable[[], object]) -> Callable[[], object]:
    """Return a function that calls `do` the first time only."""
    left = [do]
    return lambda: left.pop()() if left else None

"""Keys that are stored: the vault, new keys for old, and one refresh for all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from demo_support import Clock, MakeApp
from flask import Flask
from sqlalchemy import select, text
from visitor import Visitor, text_of, then

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from flask_demo import ledger
from flask_demo.config import SettingsError, new_vault_key
from flask_demo.keys import fresh_token
from flask_demo.models import ConnectedKey, db, lock_keys
from flask_demo.vault import Vault, VaultError, vault

HOUR, DAY = 3600, 24 * 3600


def row_of(app: Flask, key_id: int = 1) -> ConnectedKey:
    """Return a row as it stands in the database."""
    with app.app_context():
        return db.session.get_one(ConnectedKey, key_id)


# --- the vault ----------------------------------------------------------------------------------


def test_sealed_blob(alice: Visitor, settings: dict[str, Any], sandbox: Sandbox) -> None:
    """The credentials are one blob, for this row and user, and no token is kept."""
    alice.connect()
    row, issued = row_of(alice.app), sandbox.issued_keys[0]
    opened = json.loads(Fernet(settings["KUCOIN_VAULT_KEYS"]).decrypt(row.sealed_key))
    assert opened["place"] == ["key", 1, 1]
    assert opened["content"]["secret"] == issued.secret
    assert opened["content"]["passphrase"] == issued.passphrase
    assert row.sealed_token is None
    assert row.hint == f"{issued.api_key[:4]}…{issued.api_key[-4:]}"


def test_blob_opens_in_its_row_only(make_app: MakeApp, sandbox: Sandbox) -> None:
    """A blob that is moved to another row, user or purpose is not used."""
    app = make_app(KUCOIN_KEEP_TOKENS="1")
    alice, bob = Visitor(app, sandbox, "alice"), Visitor(app, sandbox, "bob")
    alice.connect()
    bob.connect()
    with app.app_context():
        hers, his = db.session.scalars(select(ConnectedKey).order_by(ConnectedKey.id)).all()
        his.sealed_key = hers.sealed_key
        his.sealed_token = hers.sealed_key
        db.session.commit()
        with pytest.raises(VaultError, match="sealed for another row"):
            vault().key(his)
        with pytest.raises(VaultError, match="sealed for another row"):
            vault().token(his)
        assert vault().key(hers).secret == sandbox.issued_keys[0].secret
    page = text_of(bob.follow(bob.post("/kucoin/keys/2/check")))
    assert "somebody has moved them in the database" in page
    # Without a token that can be used, the user is asked.
    assert bob.post("/kucoin/keys/2/rotate").location.startswith(f"{sandbox.url}/oauth?")


def test_lost_vault_key(alice: Visitor, make_app: MakeApp, sandbox: Sandbox) -> None:
    """Without the key nothing is opened, the pages say so and work, and connecting again helps."""
    alice.connect()
    other = Visitor(make_app(KUCOIN_VAULT_KEYS=new_vault_key()), sandbox, "alice")
    page = text_of(other.follow(other.post("/kucoin/keys/1/check")))
    assert "the key that sealed them is not in KUCOIN_VAULT_KEYS" in page
    assert "is connected" in text_of(other.connect())
    page = text_of(other.get("/"))
    assert page.count("Account 165111215") == 1
    assert "check of this key failed" not in page


@pytest.mark.parametrize("keys", ["", ",", "short", f"{'A' * 43}=,", "ä"])
def test_bad_vault_keys(make_app: MakeApp, keys: str) -> None:
    """What is not a list of Fernet keys is refused at the start, and not repeated."""
    with pytest.raises(SettingsError, match="KUCOIN_VAULT_KEYS") as caught:
        make_app(KUCOIN_VAULT_KEYS=keys)
    assert not keys.strip(",") or keys not in str(caught.value)


def test_rekey(make_app: MakeApp, settings: dict[str, Any], sandbox: Sandbox) -> None:
    """All rows are sealed anew while the app runs, and then open without the old key."""
    app = make_app(KUCOIN_KEEP_TOKENS="1")
    visitors = [Visitor(app, sandbox, name) for name in ("alice", "bob", "carol")]
    for visitor in visitors:
        visitor.connect()
    old, new = settings["KUCOIN_VAULT_KEYS"], new_vault_key()
    rotating = make_app(KUCOIN_VAULT_KEYS=f"{new}, {old}", KUCOIN_KEEP_TOKENS="1")
    result = rotating.test_cli_runner().invoke(args=["kucoin", "rekey"])
    assert result.output == "3 of 3 keys are sealed with the first key.\n"
    assert result.exit_code == 0
    for key_id in (1, 2, 3):
        row = row_of(app, key_id)
        assert row.sealed_token
        Fernet(new).decrypt(row.sealed_key)
        Fernet(new).decrypt(row.sealed_token)
    after = Visitor(make_app(KUCOIN_VAULT_KEYS=new), sandbox, "bob")
    assert "failed" not in text_of(after.follow(after.post("/kucoin/keys/2/check")))


def test_rekey_with_a_row_that_does_not_open(
    alice: Visitor, make_app: MakeApp, settings: dict[str, Any]
) -> None:
    """A row that cannot be opened is named and left alone, the others are done, the exit is 1."""
    alice.connect()
    Visitor(alice.app, alice.sandbox, "bob").connect()
    with alice.app.app_context():
        db.session.execute(text("UPDATE connected_key SET sealed_key = 'x' WHERE id = 1"))
        db.session.commit()
    new = new_vault_key()
    rotating = make_app(KUCOIN_VAULT_KEYS=f"{new},{settings['KUCOIN_VAULT_KEYS']}")
    result = rotating.test_cli_runner().invoke(args=["kucoin", "rekey"])
    assert result.exit_code == 1
    assert "Key 1 stays as it is." in result.output
    assert "1 of 2 keys are sealed with the first key." in result.output
    Fernet(new).decrypt(row_of(alice.app, 2).sealed_key)


def test_rekey_while_keys_are_made(
    make_app: MakeApp, settings: dict[str, Any], postgres_database: str
) -> None:
    """Rekeying over and over, while users get new keys, loses and overwrites none of them."""
    new = new_vault_key()
    with run_sandbox(max_keys=1000) as sandbox:
        app = make_app(
            DATABASE_URL=postgres_database,
            KUCOIN_SITE=sandbox.url,
            KUCOIN_KEEP_TOKENS="1",
            KUCOIN_VAULT_KEYS=f"{new},{settings['KUCOIN_VAULT_KEYS']}",
        )
        visitors = [Visitor(app, sandbox, f"user {number}") for number in range(4)]
        for visitor in visitors:
            visitor.connect()

        def get_keys(key_id: int, visitor: Visitor) -> None:
            for _ in range(5):
                visitor.post(f"/kucoin/keys/{key_id}/rotate")

        threads = [
            threading.Thread(target=get_keys, args=pair) for pair in enumerate(visitors, start=1)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            result = app.test_cli_runner().invoke(args=["kucoin", "rekey"])
            assert result.exit_code == 0, result.output
        latest = {key.api_name: key.secret for key in sandbox.issued_keys}
        assert len(latest) == 4 * 6
        with app.app_context():
            for row in db.session.scalars(select(ConnectedKey)):
                assert vault().key(row).secret == latest[row.api_name]
                assert row.api_name == f"{sandbox.options.broker_name}-1" or row.attempt_id > 4


def test_generate_key(app: Flask) -> None:
    """`flask kucoin generate-key` prints what KUCOIN_VAULT_KEYS takes."""
    result = app.test_cli_runner().invoke(args=["kucoin", "generate-key"])
    assert Vault(result.output.strip())


# --- new keys for old ---------------------------------------------------------------------------


@pytest.fixture
def keeping(make_app: MakeApp) -> Flask:
    """The demo with kept tokens."""
    return make_app(KUCOIN_KEEP_TOKENS="yes")


@pytest.fixture
def carol(keeping: Flask, sandbox: Sandbox) -> Visitor:
    """A user with an account, and a token that was kept."""
    carol = Visitor(keeping, sandbox, "carol")
    carol.connect()
    return carol


def test_rotate_by_way_of_kucoin(alice: Visitor, sandbox: Sandbox) -> None:
    """Without a token the user approves again; the new key then takes the old one's place."""
    alice.connect()
    login_page = alice.post("/kucoin/keys/1/rotate").location
    old = row_of(alice.app)
    assert old.api_name == sandbox.issued_keys[0].api_name
    page = text_of(alice.follow(alice.get(alice.approve(login_page))))
    assert "The old key still exists." in page
    assert f"“{old.api_name}”" in page
    new = row_of(alice.app)
    assert (new.id, new.api_name) == (1, sandbox.issued_keys[1].api_name)
    with alice.app.app_context():
        assert vault().key(new).secret == sandbox.issued_keys[1].secret
        assert db.session.scalars(select(ConnectedKey.id)).all() == [1]


def test_rotate_is_cancelled(alice: Visitor, sandbox: Sandbox) -> None:
    """Who cancels keeps the key that is there."""
    alice.connect()
    page = alice.follow(alice.get(alice.cancel(alice.post("/kucoin/keys/1/rotate").location)))
    assert "Your account was not connected" in text_of(page)
    assert row_of(alice.app).api_name == sandbox.issued_keys[0].api_name
    assert "Account 165111215" in text_of(alice.get("/"))
    assert "Account 165111215 is connected" in _first_outcome(alice)


def test_another_account_replaces_nothing(make_app: MakeApp, sandbox: Sandbox) -> None:
    """Who signs in at KuCoin with another account than before has two accounts afterwards."""
    with run_sandbox(uid=7) as other:
        alice = Visitor(make_app(), sandbox, "alice")
        alice.connect()
        elsewhere = Visitor(make_app(KUCOIN_SITE=other.url), other)
        cookie = alice.http.get_cookie("session")
        assert cookie
        elsewhere.http.set_cookie("session", cookie.value)
        login_page = elsewhere.post("/kucoin/keys/1/rotate").location
        elsewhere.get(elsewhere.approve(login_page))
        page = text_of(elsewhere.get("/"))
        assert "Account 165111215" in page
        assert "Account 7" in page
        assert "Account 165111215 is connected" in _first_outcome(elsewhere)
        assert "account 7 is connected" in text_of(elsewhere.get("/kucoin/attempts/2"))


def _first_outcome(visitor: Visitor) -> str:
    """Return what the first attempt's page says, with a capital letter."""
    page = text_of(visitor.get("/kucoin/attempts/1"))
    return page.replace("Your KuCoin account", "Account")


def test_rotated_and_not_checked(alice: Visitor, sandbox: Sandbox) -> None:
    """As long as it is not known whose the new key is, each page shows the key that came of it."""
    alice.connect()
    login_page = alice.post("/kucoin/keys/1/rotate").location
    sandbox.fail_next("api_key_info", "503")
    alice.get(alice.approve(login_page))
    for number, key in enumerate(sandbox.issued_keys, 1):
        assert key.api_name in text_of(alice.get(f"/kucoin/attempts/{number}"))
    held = text_of(alice.get("/"))
    assert "Last tried" in held


def test_every_key_that_gave_way_is_named(alice: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """Three keys of one account, of which the first two could not be checked when they came."""
    for fault in ("503", "503", "set_cookie"):
        sandbox.fail_next("api_key_info", fault)
        alice.connect()
        clock.advance(1)
    for key in (1, 2):
        alice.post(f"/kucoin/keys/{key}/check")
    first, second, third = (key.api_name for key in sandbox.issued_keys)
    page = text_of(alice.get("/kucoin/attempts/3"))
    assert f"“{first}, {second}”" in page
    assert third in page


def test_disconnected_while_a_rotation_begins(
    alice: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is replaced, and the page tells of the latest attempt."""
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


def test_what_the_form_has_seen_is_a_number(alice: Visitor, sandbox: Sandbox) -> None:
    """One that no attempt has begins nothing."""
    alice.connect()
    for seen in ("9" * 20, f"-{'9' * 20}"):
        answer = alice.post("/kucoin/keys/1/rotate", seen=seen)
        assert answer.location == "/kucoin/attempts/1"
    assert sandbox.totals["authorize"] == 1


def test_rotate_with_a_kept_token(carol: Visitor, sandbox: Sandbox) -> None:
    """With a kept token the new key comes at once, into the same row."""
    page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert "is connected" in page
    assert f"“{sandbox.issued_keys[0].api_name}” here" in page
    row = row_of(carol.app)
    assert (row.id, row.api_name) == (1, sandbox.issued_keys[1].api_name)
    assert row.sealed_token
    assert "refresh" not in sandbox.totals


def test_rotate_refreshes(carol: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """After an hour the token is refreshed, and the new pair is kept for the next time."""
    for turn in (1, 2):
        clock.advance(HOUR)
        page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
        assert "is connected" in page
        assert sandbox.totals["refresh"] == turn
    assert len(sandbox.issued_keys) == 3


def test_rotate_after_three_days(carol: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """When the refresh token is spent, it is forgotten and the user approves again."""
    clock.advance(3 * DAY)
    login_page = carol.post("/kucoin/keys/1/rotate").location
    assert login_page.startswith(f"{sandbox.url}/oauth?")
    assert row_of(carol.app).sealed_token is None
    assert "is connected" in text_of(carol.follow(carol.get(carol.approve(login_page))))
    assert row_of(carol.app).sealed_token


def test_rotate_when_refresh_fails(carol: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """A refresh that fails asks for no key, keeps the old pair, and can be tried again."""
    clock.advance(HOUR)
    sandbox.fail_next("refresh", "503")
    page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert "KuCoin cannot be reached" in page
    assert "No key was created" in page
    assert len(sandbox.issued_keys) == 1
    page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert "is connected" in page


def test_rotate_fails(carol: Visitor, sandbox: Sandbox) -> None:
    """If no new key comes, the old one stays; if that is not known, both pages say so."""
    sandbox.fail_next("create_api_key", "lost")
    page = text_of(carol.follow(carol.post("/kucoin/keys/1/rotate")))
    assert "Please look in your KuCoin account" in page
    assert row_of(carol.app).api_name == sandbox.issued_keys[0].api_name


def test_rotate_clicked_twice(carol: Visitor, sandbox: Sandbox) -> None:
    """A form that is sent twice makes one key; the second answer shows the first one's outcome."""
    seen = row_of(carol.app).latest_attempt_id
    first = carol.post("/kucoin/keys/1/rotate", seen=seen)
    second = carol.post("/kucoin/keys/1/rotate", seen=seen)
    assert first.location == second.location == "/kucoin/attempts/2"
    assert len(sandbox.issued_keys) == 2


def test_disconnected_while_a_key_is_made(carol: Visitor, sandbox: Sandbox) -> None:
    """A key that comes after its row was deleted is stored all the same: it exists."""

    def disconnect() -> None:
        with carol.app.app_context():
            for row in lock_keys(ConnectedKey.id == 1):
                db.session.delete(row)
            db.session.commit()

    with then(carol.app, "create_api_key", disconnect):
        carol.post("/kucoin/keys/1/rotate")
    with carol.app.app_context():
        row = db.session.scalars(select(ConnectedKey)).one()
        assert vault().key(row).secret == sandbox.issued_keys[1].secret


def test_check_of_a_key_that_was_replaced(carol: Visitor, sandbox: Sandbox) -> None:
    """What a check says of the old key is not written to the new one."""
    other = Visitor(carol.app, sandbox, "carol")
    sandbox.fail_next("api_key_info", "set_cookie")  # the check's own call: all is well
    sandbox.fail_next("api_key_info", "503")  # that of the new key fails
    with then(carol.app, "get_api_key_info", _once(lambda: other.post("/kucoin/keys/1/rotate"))):
        carol.post("/kucoin/keys/1/check")
    row = row_of(carol.app)
    assert row.api_name == sandbox.issued_keys[1].api_name
    assert "HTTP 503" in row.check_error


def _once(do: Callable[[], object]) -> Callable[[], object]:
    """Return what does something the first time alone."""
    left = [do]
    return lambda: left.pop()() if left else None


# --- one refresh for all -------------------------------------------------------------------------

_WORKER = """
import sys, threading, time
hours_ahead, key_id, count = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
real = time.time
time.time = lambda: real() + 3600 * hours_ahead

from flask_demo import create_app
from flask_demo.keys import fresh_token, oauth
from flask_demo.models import db

app = create_app()
answers = []

def work():
    with app.app_context():
        token = fresh_token(key_id)
        answers.append(oauth.kucoin.validate_access_token(token["access_token"]))

threads = [threading.Thread(target=work) for _ in range(count)]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(answers.count(True), flush=True)
"""


def _workers(settings: dict[str, Any], stack: ExitStack, count: int) -> list[Any]:
    """Start processes that ask for a fresh token in many threads, an hour from now."""
    root = Path(__file__).parents[2]
    workers = [
        stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-W", "error", "-c", _WORKER, "1.01", "1", "25"],
                env={**os.environ, "PYTHONPATH": str(root), **settings},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        for _ in range(count)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    return workers


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_one_refresh_for_all_processes(
    request: pytest.FixtureRequest,
    make_app: MakeApp,
    settings: dict[str, Any],
    sandbox: Sandbox,
    database: str,
) -> None:
    """4 processes with 25 threads each hold one expired token: 1 refresh, 100 live tokens."""
    settings["KUCOIN_KEEP_TOKENS"] = "1"
    if database == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_database")
    Visitor(make_app(), sandbox, "carol").connect()
    with ExitStack() as stack:
        workers = _workers(settings, stack, 4)
        sandbox.advance(HOUR)
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        assert [worker.stdout.readline() for worker in workers] == ["25\n"] * 4
        assert [worker.wait(10) for worker in workers] == [0] * 4
    assert sandbox.totals["refresh"] == 1
    assert sandbox.totals["validate"] == 100


@pytest.fixture(params=["postgresql", "sqlite"])
def locked_out(
    request: pytest.FixtureRequest, make_app: MakeApp, sandbox: Sandbox, settings: dict[str, Any]
) -> Iterator[tuple[Flask, dict[str, Any]]]:
    """The demo with a kept token on each database."""
    settings["KUCOIN_KEEP_TOKENS"] = "1"
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_database")
    app = make_app()
    Visitor(app, sandbox, "carol").connect()
    return app, settings


def test_dead_worker_blocks_nobody(
    locked_out: tuple[Flask, dict[str, Any]], sandbox: Sandbox, clock: Clock
) -> None:
    """A worker is killed while it holds the lock and waits for KuCoin; the next one goes on."""
    app, settings = locked_out
    # The dead worker's refresh never gets to KuCoin: its pair is not lost with it.
    with run_sandbox() as tarpit, ExitStack() as stack:
        tarpit.fail_next("refresh", "delay:60")
        (worker,) = _workers({**settings, "KUCOIN_SITE": tarpit.url}, stack, 1)
        worker.stdin.write("go\n")
        worker.stdin.flush()
        while not tarpit.totals.get("refresh"):
            assert worker.poll() is None
        worker.kill()
        worker.wait(10)
    clock.advance(HOUR)
    with app.app_context():
        token = fresh_token(1)
    assert token
    assert sandbox.totals["refresh"] == 1

"""For operators: the check of all keys, /healthz, log lines, and migrations."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import event, inspect, select, text
from sqlalchemy.exc import OperationalError

from authlib_kucoin import ApiKey, ApiKeyInfo, KuCoinUnavailable
from authlib_kucoin.sandbox import Sandbox
from flask_demo import events
from flask_demo.errors import SettingsError
from flask_demo.extensions import db, migrate
from flask_demo.models import ConnectAttempt, ConnectedKey, Status, User, now
from flask_demo.vault import vault
from tests.demo.apps import DAY, HOUR, Clock, MakeApp, at_once, both_databases, row_of
from tests.demo.visitor import Visitor, kucoin_of, text_of


def _check(app: Flask, *options: str) -> str:
    result = app.test_cli_runner().invoke(
        args=["kucoin", "check", "--per-second", "1000", *options]
    )
    assert result.exit_code == 0, result.output
    return result.output


@both_databases
def test_check_of_all_keys(alice: Visitor, app: Flask, sandbox: Sandbox, clock: Clock) -> None:
    """The command checks the keys that are due; a key that was deleted at KuCoin becomes gone."""
    Visitor(app, sandbox, "bob").connect()
    alice.connect()
    assert _check(app) == "Checked 0 keys: none was due.\n"
    clock.advance(25 * HOUR)
    sandbox.delete_key(sandbox.issued_keys[0].api_key)
    assert _check(app, "--older-than", "26h") == "Checked 0 keys: none was due.\n"
    assert _check(app, "--limit", "1") == "Checked 1 keys: 1 gone.\n"
    assert _check(app) == "Checked 1 keys: 1 connected.\n"
    assert _check(app) == "Checked 0 keys: none was due.\n"
    bob = Visitor(app, sandbox, "bob")
    page = text_of(bob.get("/"))
    assert "Deleted at KuCoin" in page
    assert "was deleted there" in page
    # A new connect replaces the key. Nothing is left to delete at KuCoin.
    assert "An old key still works" not in text_of(bob.connect())
    assert text_of(bob.get("/")).count("Account 165111215") == 1


def test_check_without_an_answer(alice: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """If KuCoin is unavailable, the key is due again after ten minutes instead of a day."""
    alice.connect()
    clock.advance(DAY + 1)
    sandbox.fail_next("api_key_info", "503")
    assert _check(alice.app) == "Checked 1 keys: 1 check-failed.\n"
    assert _check(alice.app) == "Checked 0 keys: none was due.\n"
    clock.advance(11 * 60)
    assert _check(alice.app) == "Checked 1 keys: 1 connected.\n"


def test_an_outage_revives_no_key(alice: Visitor, sandbox: Sandbox, clock: Clock) -> None:
    """A key that was refused as invalid stays gone if KuCoin is unavailable at the next check."""
    alice.connect()
    sandbox.delete_key(sandbox.issued_keys[0].api_key)
    alice.post("/kucoin/keys/1/check")
    checked_at = row_of(alice.app).checked_at
    clock.advance(60)
    sandbox.fail_next("api_key_info", "503")
    alice.post("/kucoin/keys/1/check")
    row = row_of(alice.app)
    assert (row.state, row.checked_at) == ("gone", checked_at)
    assert "An old key still works" not in text_of(alice.connect())


def test_a_slow_run_ends(app: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that takes longer than ten minutes checks each key once, even without an answer."""
    fill(app, 11)
    asked: list[str] = []

    def wait_in_vain(key: ApiKey) -> ApiKeyInfo:
        asked.append(key.api_key)
        assert len(asked) <= 11
        clock.advance(120)
        raise KuCoinUnavailable("down", operation="api_key_info")

    monkeypatch.setattr(kucoin_of(app), "get_api_key_info", wait_in_vain)
    assert _check(app) == "Checked 11 keys: 11 check-failed.\n"
    assert len(set(asked)) == 11


@pytest.mark.parametrize("duration", ["24", "h", "1.5h", "1w", ""])
def test_duration(app: Flask, duration: str) -> None:
    """A duration that the command cannot read is refused, and the error gives an example."""
    result = app.test_cli_runner().invoke(args=["kucoin", "check", "--older-than", duration])
    assert result.exit_code == 2
    assert "24h" in result.output


def fill(app: Flask, number: int) -> None:
    """Store `number` keys that were never checked, each for a new user."""
    with app.app_context():
        users = [User(name=f"user {each}") for each in range(number)]
        db.session.add_all(users)
        db.session.flush()
        attempts = [
            ConnectAttempt(user_id=u.id, status=Status.STORED, created_at=now(), changed_at=now())
            for u in users
        ]
        db.session.add_all(attempts)
        db.session.flush()
        keys = [
            ConnectedKey(
                user_id=attempt.user_id,
                attempt_id=attempt.id,
                latest_attempt_id=attempt.id,
                sealed_key=b"",
                stored_at=now(),
                api_name="",
                hint="",
                granted=[],
            )
            for attempt in attempts
        ]
        db.session.add_all(keys)
        db.session.flush()
        for key in keys:
            vault().put_key(key, ApiKey("", str(key.id), "secret", "phrase", "", frozenset(), ()))
        db.session.commit()


def check_by_runners(app: Flask, runners: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Run `flask kucoin check` several times at once; return how often each key was checked."""
    asked: list[str] = []

    def get_api_key_info(key: ApiKey) -> ApiKeyInfo:
        asked.append(key.api_key)
        return ApiKeyInfo(uid=key.api_key, permissions=frozenset(["General", "Spot"]))

    monkeypatch.setattr(kucoin_of(app), "get_api_key_info", get_api_key_info)
    at_once(*[lambda: _check(app, "--per-second", "100000")] * runners)
    return Counter(asked)


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_four_runners(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four parallel runs of the command check each of 200 keys exactly once."""
    fill(app, 200)
    asked = check_by_runners(app, 4, monkeypatch)
    assert len(asked) == 200
    assert set(asked.values()) == {1}


def test_another_key_in_the_answer(
    alice: Visitor, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If KuCoin's answer describes another key, nothing of the answer is stored."""
    alice.connect()
    info = kucoin_of(alice.app).get_api_key_info
    other = ApiKeyInfo(uid="7", permissions=frozenset(["Transfer"]), api_key="another")
    monkeypatch.setattr(kucoin_of(alice.app), "get_api_key_info", lambda _: other)
    page = text_of(alice.follow(alice.post("/kucoin/keys/1/check")))
    assert "answer was damaged" in page
    assert "Account 165111215" in page
    monkeypatch.setattr(kucoin_of(alice.app), "get_api_key_info", info)
    assert "damaged" not in text_of(alice.follow(alice.post("/kucoin/keys/1/check")))


@both_databases
def test_healthz(app: Flask) -> None:
    """/healthz answers 200 while the database answers and 503 otherwise, without a sign-in."""
    http = app.test_client()
    assert (http.get("/healthz").status_code, http.get("/healthz").json) == (
        200,
        {"database": "ok"},
    )

    def refuse(*_args: object) -> None:
        raise OperationalError("canary", {}, OSError("down"))

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", refuse)
    response = http.get("/healthz")
    assert (response.status_code, response.json) == (503, {"database": "OperationalError"})


@pytest.fixture
def logger(app: Flask) -> Iterator[logging.Logger]:
    """The demo's logger; its handlers are restored after the test."""
    handlers, propagate = app.logger.handlers, app.logger.propagate
    yield app.logger
    app.logger.handlers, app.logger.propagate = handlers, propagate


def test_one_line_per_change(alice: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    """Each new state of an attempt or a key causes one log line, and an unchanged state none."""
    caplog.set_level(logging.INFO, "flask_demo")
    alice.connect()
    alice.post("/kucoin/keys/1/check")  # the state stays the same
    alice.post("/kucoin/keys/1/disconnect")
    lines = [record.getMessage() for record in caplog.records if record.name == "flask_demo.events"]
    assert lines == [
        *(f"attempt 1: {step}" for step in ("started", "claimed", "provisioning", "stored")),
        "key 1: stored (attempt 1)",
        "key 1: connected",
        "key 1: disconnected",
    ]


def test_lines_as_json(
    make_app: MakeApp, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """With LOG_JSON each line is a JSON object, with a field for the traceback of an error."""
    make_app(LOG_JSON="1")
    events.changed("key", 7, "gone", "deleted")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logger.exception("it %s", "failed")
    changed, failed = map(json.loads, capsys.readouterr().err.splitlines())
    assert changed.items() >= {"key": 7, "state": "gone", "reason": "deleted"}.items()
    assert (failed["message"], failed["level"]) == ("it failed", "ERROR")
    assert "ZeroDivisionError" in failed["traceback"]


@both_databases
def test_models_and_migrations_agree(app: Flask) -> None:
    """Migrations create the same tables as the models, and can be undone and repeated."""
    with app.app_context():
        with db.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), db.metadata) == []
        command.downgrade(migrate.get_config(), "base")
        assert inspect(db.engine).get_table_names() == ["alembic_version"]
        command.upgrade(migrate.get_config(), "head")


@pytest.mark.parametrize(
    "database", [pytest.param("sqlite", marks=pytest.mark.nightly), "postgresql"]
)
def test_many_start_at_once(
    make_app: MakeApp, request: pytest.FixtureRequest, database: str
) -> None:
    """Four workers that start on an empty database at the same moment all find the tables."""
    url = {}
    if database == "postgresql":
        url = {"DATABASE_URL": request.getfixturevalue("postgres_database")}
    script = (
        "from flask_demo import create_app\nfrom flask_demo.extensions import db\n"
        "from flask_demo.models import User\nwith create_app().app_context():\n"
        "    assert db.session.query(User).count() == 0\n"
    )
    settings = request.getfixturevalue("settings")
    environment = {**os.environ, **settings, **url}
    started = [subprocess.Popen([sys.executable, "-c", script], env=environment) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4


def test_tables_of_a_newer_version(app: Flask, make_app: MakeApp) -> None:
    """On tables of a newer version the demo does not start, and says why."""
    with app.app_context():
        db.session.execute(text("UPDATE alembic_version SET version_num = 'later'"))
        db.session.commit()
    with pytest.raises(SettingsError, match=r"not this version's.*'later'"):
        make_app()


def test_keys_of_one_account_meet(app: Flask, sandbox: Sandbox) -> None:
    """Two rows of one account are merged, even if the newer key was checked first."""
    alice = Visitor(app, sandbox, "alice")
    sandbox.fail_next("api_key_info", "503")
    alice.connect()
    alice.connect()
    alice.post("/kucoin/keys/1/check")
    assert row_of(app).uid
    with app.app_context():
        assert len(db.session.scalars(select(ConnectedKey)).all()) == 1

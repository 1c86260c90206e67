"""The demo's SQL statements read hardly more of a million rows than of 10,000 (PostgreSQL)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.pool import NullPool

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from drill import postgres
from flask_demo import create_app
from flask_demo.config import new_vault_key
from flask_demo.extensions import db

pytestmark = pytest.mark.measured("what the libraries log of a million rows takes long")

#: The sizes of the tables. GROWTH_ROWS can make the largest size smaller, to save time.
SIZES = (10, 10_000, int(os.environ.get("GROWTH_ROWS", "1000000")))
#: The most rows that a statement may read: ten for a page, one more to look ahead, one dead row.
A_PAGE = 12
#: How many more blocks a statement may read: an index of a million rows has one more level.
DEEPER_INDEXES = 4
TABLES = ("connected_key", "connect_attempt", "user_account")
# A bitmap heap scan reads only the rows that an index has found.
BY_INDEX = {"Bitmap Heap Scan", "Index Scan", "Index Only Scan", "ModifyTable"}


@dataclass
class Plan:
    """How PostgreSQL runs a statement: the scans, the rows they read, and all blocks touched."""

    statement: str
    scans: list[str] = field(default_factory=list)
    rows: int = 0
    buffers: int = 0


def _read(statement: str, answer: list[dict[str, Any]]) -> Plan:
    plan = Plan(statement)

    def walk(node: dict[str, Any]) -> None:
        if "Relation Name" in node:
            plan.scans.append(f"{node['Node Type']} on {node['Relation Name']}")
        if "Scan" in node["Node Type"]:
            turns = node["Actual Loops"]
            removed = node.get("Rows Removed by Filter", 0)
            plan.rows += round(turns * (node["Actual Rows"] + removed))
        for child in node.get("Plans", []):
            walk(child)

    root = answer[0]["Plan"]
    walk(root)
    plan.buffers = root["Shared Hit Blocks"] + root["Shared Read Blocks"]
    return plan


class Explainer:
    """Explains each SELECT, UPDATE, INSERT and DELETE of the demo (not set_config) before it runs.

    EXPLAIN ANALYZE runs the statement, so its effect is rolled back.
    """

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self._is_busy = False

    def before(
        self,
        connection: Connection,
        _cursor: object,
        statement: str,
        parameters: Any,
        _context: object,
        executemany: bool,
    ) -> None:
        """Explain a statement. SQLAlchemy calls this before each statement."""
        # The demo sets its time limits by SELECT set_config while a transaction begins, and there
        # no savepoint is possible.
        is_asked = re.match("SELECT (?!set_config)|UPDATE|INSERT|DELETE", statement)
        if self._is_busy or not is_asked:
            return
        self._is_busy = True
        try:
            with connection.begin_nested() as savepoint:
                answer = connection.exec_driver_sql(
                    f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}",
                    parameters[0] if executemany else parameters,
                ).scalar_one()
                savepoint.rollback()
            self.plans.append(_read(" ".join(statement.split()), answer))
        finally:
            self._is_busy = False


def _fill(database: str, rows: int) -> None:
    """Fill each table with `rows` rows. User 1 has four keys, and attempts 1, 10, 20 and so on."""
    engine = create_engine(database, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))  # no foreign key checks
        for statement in _FILL:
            connection.execute(text(statement), {"rows": rows})


_FILL = (
    *(f"ALTER TABLE {table} SET (autovacuum_enabled = off)" for table in TABLES),
    *(f"ALTER TABLE {table} SET UNLOGGED" for table in TABLES),  # quicker to write, same reads
    """
    INSERT INTO user_account (name, epoch)
    SELECT 'user ' || n, 0 FROM generate_series(1, :rows) n
    """,
    """
    INSERT INTO connect_attempt (user_id, status, created_at, changed_at, error, detail, browser,
        permissions, is_renewal, to_delete)
    SELECT CASE n % 10 WHEN 0 THEN 1 ELSE n END, 'stored', n, n, '', '', '', '[]', false, '[]'
    FROM generate_series(1, :rows) n
    """,
    """
    INSERT INTO connected_key (user_id, attempt_id, latest_attempt_id, sealed_key, stored_at,
        api_name, hint, granted, uid, permissions, ip_whitelist, checked_at, tried_at, check_error)
    SELECT CASE WHEN n IN (3, :rows / 2, :rows) THEN 1 ELSE n END, n, n, 'sealed', n, 'key', 'k…y',
        '[]', n, '["General"]', '[]', 0, 0, ''
    FROM generate_series(1, :rows) n
    """,
    "ANALYZE",
)


def _visit(app: Flask, sandbox: Sandbox) -> None:
    """Sign in as user 1, connect, check, replace, disconnect; then check keys as the operator."""
    client = app.test_client()

    def send(path: str, **fields: str) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)
        assert found
        answer = client.post(path, data={"csrf_token": found[1], **fields})
        assert answer.status_code in (302, 303), answer.text
        return answer.location

    def connect(callback: str) -> str:
        answer = client.get(sandbox.approve(callback).removeprefix("http://localhost"))
        assert answer.status_code == 303
        page = client.get(answer.location)
        assert "is connected" in page.text
        return answer.location

    send("/login", username="user 1")
    older = re.search(r'href="(/\?before=\d+)', client.get("/").text)
    if older:
        assert client.get(older[1]).status_code == 200
    outcome = connect(send("/kucoin/connect"))
    key = re.findall(r"/kucoin/keys/(\d+)/check", client.get("/").text)[-1]
    send(f"/kucoin/keys/{key}/check")
    connect(send(f"/kucoin/keys/{key}/rotate", seen=outcome.rpartition("/")[2]))
    send(f"/kucoin/keys/{key}/disconnect")
    # The keys of `_fill` are due, because they were never checked. The second command checks keys
    # that were last checked before a time before 1970, and there are none.
    for options, checked in (("--limit", "3"), 3), (("--older-than", f"{10**10}s"), 0):
        done = app.test_cli_runner().invoke(args=["kucoin", "check", *options])
        assert done.output.startswith(f"Checked {checked} keys")


@contextmanager
def _demo(database: str, sandbox: Sandbox) -> Iterator[Flask]:
    app = create_app(
        {
            "DATABASE_URL": database,
            "KUCOIN_CLIENT_ID": sandbox.client_id,
            "KUCOIN_SITE": sandbox.url,
            "KUCOIN_VAULT_KEYS": new_vault_key(),
            "SECRET_KEY": "canary-secret-key-of-the-tests",
        }
    )
    try:
        yield app
    finally:
        app.extensions["authlib.integrations.flask_client"].kucoin.close()
        with app.app_context():
            db.engine.dispose()


def _plans(database: str, rows: int) -> dict[str, list[Plan]]:
    """Return the plans of the demo's statements, by statement, on tables of `rows` rows each."""
    explainer = Explainer()
    with run_sandbox() as sandbox, _demo(database, sandbox) as app:
        _fill(database, rows)
        with app.app_context():
            event.listen(db.engine, "before_cursor_execute", explainer.before)
        _visit(app, sandbox)
    plans: dict[str, list[Plan]] = {}
    for plan in explainer.plans:
        # SQLAlchemy sets changed columns only, and whether a time has changed depends on the clock.
        plans.setdefault(re.sub(" SET .* WHERE ", " SET … WHERE ", plan.statement), []).append(plan)
    return plans


Found = dict[int, dict[str, list[Plan]]]


@pytest.fixture(scope="module")
def found(postgres_url: str) -> Found:
    """The plans of the demo's statements, by the number of rows in each table."""
    found = {}
    for size in SIZES:
        with postgres.fresh_database(postgres_url) as database:
            found[size] = _plans(database, size)
    return found


@pytest.mark.parametrize(
    "pattern",
    [
        # The first page of attempts, the next page, and a user's keys.
        "SELECT .* FROM connect_attempt WHERE .*user_id = [^ ]+ ORDER BY .*id DESC LIMIT ",
        "SELECT .* FROM connect_attempt WHERE .*user_id = .* AND .*id < .*id DESC LIMIT ",
        "SELECT .* FROM connected_key WHERE connected_key.user_id = .* ORDER BY connected_key.id$",
        # The outcome of an attempt, and its key.
        "SELECT .* FROM connect_attempt WHERE connect_attempt.id = .* AND .*user_id = ",
        "SELECT .* FROM connected_key WHERE connected_key.attempt_id = ",
        # Each step of the ledger, including the claim; then the lock on a user's keys.
        "UPDATE connect_attempt SET .* WHERE connect_attempt.id = .* AND connect_attempt.status = ",
        "SELECT .* FROM connected_key WHERE connected_key.user_id = .* FOR UPDATE",
        # The keys that are due for a check.
        "SELECT .* FROM connected_key WHERE .*checked_at < .* LIMIT .* FOR UPDATE SKIP LOCKED",
    ],
)
def test_indexes(found: Found, pattern: str) -> None:
    """The demo runs statements of this pattern; with 10,000 rows or more, they use an index."""
    for size in SIZES[1:]:
        plans = [each for statement in found[size] for each in found[size][statement]]
        matching = [plan for plan in plans if re.match(pattern, plan.statement)]
        assert matching
        for plan in matching:
            assert {scan.partition(" on ")[0] for scan in plan.scans} <= BY_INDEX, plan
            assert plan.rows <= A_PAGE, plan


def test_no_table_is_read_through(found: Found) -> None:
    """With 10,000 rows or more, no statement reads a whole table or more than twelve rows."""
    for size in SIZES[1:]:
        for plans in found[size].values():
            for plan in plans:
                assert {scan.partition(" on ")[0] for scan in plan.scans} <= BY_INDEX, plan
                assert plan.rows <= A_PAGE, plan


def test_flat(found: Found) -> None:
    """With more rows the demo runs the same statements, and none reads over four more blocks."""
    _, small, large = SIZES
    assert found[small].keys() == found[large].keys()
    for statement, plans in found[large].items():
        # Compare the smallest figures, because sometimes a statement has to extend a file.
        most = min(plan.buffers for plan in found[small][statement]) + DEEPER_INDEXES
        assert min(plan.buffers for plan in plans) <= most, statement


def test_few_rows(found: Found) -> None:
    """With ten rows the demo runs no other statements, whatever plans PostgreSQL chooses."""
    assert found[SIZES[0]].keys() <= found[SIZES[1]].keys()

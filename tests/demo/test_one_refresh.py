"""Processes and their threads refresh one expired token once; a killed process blocks no other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from flask_demo.tokens import fresh_token
from tests.demo.apps import HOUR, Clock, MakeApp
from tests.demo.visitor import Visitor
from tests.support.waiting import wait_until

_WORKER = """
import sys, threading, time
hours_ahead, key_id, count = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
real = time.time
time.time = lambda: real() + 3600 * hours_ahead

from flask_demo import create_app
from flask_demo.extensions import db, oauth
from flask_demo.tokens import fresh_token

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
    """Start processes whose clocks are an hour ahead.

    After a line of input, each process asks for a fresh token in 25 threads.
    """
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


@pytest.mark.nightly
@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_one_refresh_for_all_processes(
    request: pytest.FixtureRequest,
    make_app: MakeApp,
    settings: dict[str, Any],
    sandbox: Sandbox,
    database: str,
) -> None:
    """4 processes with 25 threads each share one expired token: 1 refresh, and 100 valid tokens."""
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
        assert [worker.wait(60) for worker in workers] == [0] * 4
    assert sandbox.totals["refresh"] == 1
    assert sandbox.totals["validate"] == 100


@pytest.fixture(params=["postgresql", "sqlite"])
def locked_out(
    request: pytest.FixtureRequest, make_app: MakeApp, sandbox: Sandbox, settings: dict[str, Any]
) -> Iterator[tuple[Flask, dict[str, Any]]]:
    """The demo with a kept token, and its settings; once on PostgreSQL and once on SQLite."""
    settings["KUCOIN_KEEP_TOKENS"] = "1"
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_database")
    app = make_app()
    Visitor(app, sandbox, "carol").connect()
    return app, settings


@pytest.mark.nightly
def test_dead_worker_blocks_nobody(
    locked_out: tuple[Flask, dict[str, Any]], sandbox: Sandbox, clock: Clock
) -> None:
    """If a worker is killed while it holds a row's lock, another worker can refresh the token."""
    app, settings = locked_out
    # The killed worker asks another sandbox, so `sandbox` has not refreshed the token yet.
    with run_sandbox() as tarpit, ExitStack() as stack:
        tarpit.fail_next("refresh", "delay:60")
        (worker,) = _workers({**settings, "KUCOIN_SITE": tarpit.url}, stack, 1)
        worker.stdin.write("go\n")
        worker.stdin.flush()
        wait_until(lambda: tarpit.totals.get("refresh"))
        worker.kill()
        worker.wait(60)
    clock.advance(HOUR)
    with app.app_context():
        token = fresh_token(1)
    assert token
    assert sandbox.totals["refresh"] == 1

"""Shared by the demo's tests: a clock that they set, parallel calls, both databases, and rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_demo.extensions import db
from flask_demo.models import ConnectAttempt, ConnectedKey, Status

MakeApp = Callable[..., Flask]
HOUR, DAY = 3600, 24 * 3600

both_databases = pytest.mark.parametrize("app", ["sqlite", "postgresql"], indirect=True)


class Clock:
    """Replaces `time.time` in this process: for the demo, the sandbox and every other caller."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        real = time.time

        monkeypatch.setattr(time, "time", lambda: real() + self.ahead)

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`, or back if negative."""
        self.ahead += seconds


def row_of(app: Flask, key_id: int = 1) -> ConnectedKey:
    """Return the row of a key, read from the database."""
    with app.app_context():
        return db.session.get_one(ConnectedKey, key_id)


def status_of(app: Flask, attempt_id: int) -> Status:
    """Return the status of an attempt, read from the database."""
    with app.app_context():
        return db.session.get_one(ConnectAttempt, attempt_id).status


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls in parallel threads and return their results."""
    start = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        start.wait()
        results[number] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results

"""A worker is killed at a step of a connect; each issued key is stored or flagged as unknown."""

from __future__ import annotations

from typing import Literal

import pytest
from sqlalchemy import text

from tests.nightly.drill.shop import Stage, Status, connected, held, stage, wait_until

__all__ = ["stage"]  # pytest finds the fixture here


def test_killed_while_the_user_is_at_kucoin(stage: Stage) -> None:
    """A new worker finishes a connect whose user comes back; another user's attempt expires."""
    with stage.person() as gone, stage.person() as returning:
        gone.begin()
        callback = returning.sandbox.approve(returning.begin())
        stage.kill_worker()
        attempt = returning.come_back(callback)
        assert stage.reads_as(attempt, returning) == Status.STORED
        assert stage.reads_as(attempt - 1, gone) == Status.EXPIRED


@pytest.mark.parametrize(
    ("operation", "acts", "reads_as", "issued"),
    [
        ("token", "after", Status.FAILED, 0),
        ("token", "before", Status.FAILED, 0),
        ("create_api_key", "never", Status.UNKNOWN, 0),
        ("create_api_key", "after", Status.UNKNOWN, 1),
        ("create_api_key", "before", Status.UNKNOWN, 1),
        ("api_key_info", "before", Status.STORED, 1),
    ],
)
def test_killed_while_kucoin_is_asked(
    stage: Stage,
    *,
    operation: str,
    acts: Literal["before", "after", "never"],
    reads_as: Status,
    issued: int,
) -> None:
    """Killed during the exchange: failed. During the key's creation: unknown. After it: stored.

    Opening the callback again leads to the same attempt's page, and sends nothing to KuCoin.
    """
    before = len(stage.sandbox.issued_keys)
    with stage.person() as person:
        callback = person.sandbox.approve(person.begin())
        with held(operation, acts) as hold, stage.coming_back(person, callback) as answer:
            assert hold.arrived.wait(30)
            asked = stage.sandbox.totals
            asked[operation] = asked.get(operation, 0) + 1  # calls count when they are answered
            stage.kill_worker()
            assert answer.result() is None
            attempt = person.come_back(callback)
            hold.let_go.set()
        wait_until(lambda: stage.sandbox.totals == asked, "the sandbox to answer nobody")
        assert stage.reads_as(attempt, person) == reads_as
        assert person.come_back(callback) == attempt
        assert stage.sandbox.totals == asked
    assert len(stage.sandbox.issued_keys) == before + issued


@pytest.mark.parametrize(
    ("lock", "reads_as", "issued"),
    [
        ("LOCK TABLE connect_attempt IN SHARE MODE", Status.FAILED, 0),
        ("LOCK TABLE connected_key IN SHARE MODE", Status.UNKNOWN, 1),
    ],
)
def test_killed_in_the_database(stage: Stage, lock: str, reads_as: Status, issued: int) -> None:
    """Killed before "provisioning" is written: no key. Killed before the key is stored: unknown."""
    before = len(stage.sandbox.issued_keys)
    with stage.person() as person, connected(stage.database) as other:
        callback = person.sandbox.approve(person.begin())
        with held("token") as hold, stage.coming_back(person, callback) as answer:
            assert hold.arrived.wait(30)
            with other.execution_options(isolation_level="READ COMMITTED").begin():
                other.execute(text(lock))
                hold.let_go.set()
                wait_until(lambda: other.execute(text(_WAITING)).scalar(), "the worker to wait")
                stage.kill_worker()
                assert answer.result() is None
        attempt = person.come_back(callback)
        assert stage.reads_as(attempt, person) == reads_as
    assert len(stage.sandbox.issued_keys) == before + issued


_WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)

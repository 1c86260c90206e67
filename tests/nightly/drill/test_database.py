"""If the database fails at a step of a connect, each issued key is stored or flagged as unknown."""

from __future__ import annotations

import pytest

from tests.nightly.drill.shop import Stage, Status, held, stage

__all__ = ["stage"]  # pytest finds the fixture here


def test_down_before_the_callback(stage: Stage) -> None:
    """While the database is down, the callback asks KuCoin nothing; afterwards, it works."""
    with stage.person() as person:
        callback = person.sandbox.approve(person.begin())
        asked = stage.sandbox.totals
        with stage.database_down():
            assert person.open_callback_once(callback) == 303  # a redirect to the error page
        assert stage.sandbox.totals == asked
        attempt = person.come_back(callback)
        assert stage.reads_as(attempt, person) == Status.STORED


@pytest.mark.parametrize(
    ("operation", "reads_as", "issued"),
    [
        ("token", Status.FAILED, 0),
        ("create_api_key", Status.UNKNOWN, 1),
        ("api_key_info", Status.STORED, 1),
    ],
)
def test_down_while_kucoin_is_asked(
    stage: Stage, operation: str, reads_as: Status, issued: int
) -> None:
    """The database fails before a key's creation: no key. During it: unknown. After it: stored."""
    before = len(stage.sandbox.issued_keys)
    with stage.person() as person:
        callback = person.sandbox.approve(person.begin())
        with held(operation) as hold, stage.coming_back(person, callback) as answer:
            assert hold.arrived.wait(30)
            with stage.database_down():
                hold.let_go.set()
                assert answer.result() == 303  # a redirect to the error page
        attempt = person.come_back(callback)
        assert stage.reads_as(attempt, person) == reads_as
    assert len(stage.sandbox.issued_keys) == before + issued


@pytest.mark.parametrize("operation", ["token", "create_api_key", "api_key_info"])
def test_back_in_time(stage: Stage, operation: str) -> None:
    """If the database is back before KuCoin answers, the connect succeeds."""
    with stage.person() as person:
        callback = person.sandbox.approve(person.begin())
        with held(operation) as hold, stage.coming_back(person, callback) as answer:
            assert hold.arrived.wait(30)
            with stage.database_down():
                pass
            hold.let_go.set()
            assert answer.result() == 303
        attempt = person.come_back(callback)
        assert stage.reads_as(attempt, person) == Status.STORED

"""Hostile requests to the sandbox, more than in `tests/sandbox`."""

from tests.sandbox.test_hostile import bombard


def test_ten_thousand_hostile_requests() -> None:
    """Each request gets a status below 500, or its connection ends; the sandbox goes on serving."""
    bombard(10_000)

"""Hostile requests to the sandbox, more than in `tests/sandbox`."""

from tests.sandbox.test_hostile import bombard


def test_ten_thousand_hostile_requests() -> None:
    """Each gets a status below 500 or the end of its connection; then the sandbox still answers."""
    bombard(10_000)

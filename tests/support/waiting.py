"""Waiting for something in another thread or process, with a time limit."""

import time
from collections.abc import Callable

_DEADLINE = 30.0


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until the condition holds; fail if it does not hold within 30 s."""
    give_up_at = time.monotonic() + _DEADLINE
    while not holds():
        assert time.monotonic() < give_up_at, f"the condition did not hold within {_DEADLINE} s"
        time.sleep(0.001)

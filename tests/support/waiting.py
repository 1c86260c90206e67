"""Waiting for what happens in another thread or process, but not for ever."""

import time
from collections.abc import Callable

_DEADLINE = 30.0


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until something holds, and fail if it never does."""
    give_up_at = time.monotonic() + _DEADLINE
    while not holds():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.001)

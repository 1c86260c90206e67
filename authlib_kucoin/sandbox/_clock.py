"""The clock that codes, tokens and tickets live by."""

from __future__ import annotations

import time

_MAX_STEP = 1e10


class Clock:
    """The real time, and how far it was wound forward."""

    def __init__(self) -> None:
        """Start at the real time."""
        self._ahead = 0.0

    def now(self) -> float:
        """Return the seconds since the epoch on this clock."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Wind the clock forward.

        Raises:
            ValueError: The number is negative, beyond all use, or no number.
        """
        if not 0 <= seconds <= _MAX_STEP:
            raise ValueError("the clock only goes forward: seconds must be a number of 0 or more")
        self._ahead += seconds

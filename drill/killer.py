"""Kills gunicorn's workers, one after another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from .site import Gunicorn


class Killer:
    """Kills a random worker at random times.

    Args:
        gunicorn: The server whose workers are killed.
        every: The average time between two kills, in seconds.
        seed: The same seed leads to the same times.
    """

    def __init__(self, gunicorn: Gunicorn, every: float, seed: int) -> None:
        """Prepare; :meth:`at_work` does the killing."""
        self.killed = 0
        self._gunicorn = gunicorn
        self._every = every
        self._random = Random(f"{seed} kills")
        self._stop = threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Kill workers until the block ends."""
        thread = threading.Thread(target=self._work, name="killer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _work(self) -> None:
        pause = (
            self._random.uniform(0, 0.5) * self._every
        )  # the first kill comes early, so that short drills have one
        while not self._stop.wait(pause):
            pause = self._random.uniform(0.5, 1.5) * self._every
            workers = self._gunicorn.workers()
            if workers and self._gunicorn.kill(self._random.choice(workers)):
                self.killed += 1

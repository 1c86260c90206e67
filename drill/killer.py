"""Kills a worker every now and then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from .site import Gunicorn


class Killer:
    """Kills one worker after another, at random moments.

    Args:
        gunicorn: The server whose workers are killed.
        every: How many seconds lie between two kills, on average.
        seed: Decides when, and which.
    """

    def __init__(self, gunicorn: Gunicorn, every: float, seed: int) -> None:
        """Prepare; `at_work` kills."""
        self.killed = 0
        self._gunicorn = gunicorn
        self._every = every
        self._random = Random(f"{seed} kills")
        self._stop = threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Kill for as long as the context lasts."""
        thread = threading.Thread(target=self._work, name="killer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _work(self) -> None:
        pause = self._random.uniform(0, 0.5) * self._every  # the first one dies early
        while not self._stop.wait(pause):
            pause = self._random.uniform(0.5, 1.5) * self._every
            workers = self._gunicorn.workers()
            if workers and self._gunicorn.kill(self._random.choice(workers)):
                self.killed += 1

"""Many simulated users at once, and a record of what went wrong for them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from authlib_kucoin.sandbox import Sandbox

from .person import Person, Unexpected

T = TypeVar("T")


@dataclass
class Crowd:
    """The users of one demo.

    Attributes:
        url: The URL of the demo.
        sandbox: The sandbox that the demo uses.
        slowest: The time that the slowest answer of the demo took, in seconds.
        broken: How often a step of a user had to be repeated, as after a broken connection, by the
            step.
        unexpected: In words, each answer of the demo that it should never give.
    """

    url: str
    sandbox: Sandbox
    slowest: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def user(self, name: str) -> Iterator[Person]:
        """Yield a user. An answer that the demo should never give is noted, and ends the block."""
        with closing(Person(self.url, self.sandbox, name, self._stop)) as person:
            try:
                yield person
            except (Unexpected, OSError, ValueError) as error:
                self.unexpected.append(f"{name}: {error}")
            self.slowest = max(self.slowest, person.slowest)
            self.broken.update(person.broken)

    def for_each(self, items: Iterable[T], act: Callable[[T], None], *, at_once: int) -> None:
        """Call a function with each item, in ``at_once`` threads.

        An exception, such as Ctrl-C, stops the users' retries and skips the remaining items.
        """
        with ThreadPoolExecutor(at_once) as threads:
            try:
                for done in [threads.submit(act, item) for item in items]:
                    done.result()
            except BaseException:
                self._stop.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise


def counts(numbers: Mapping[str, int]) -> str:
    """Return numbers and their names as text, sorted by name."""
    return ", ".join(f"{name} {number}" for name, number in sorted(numbers.items()))

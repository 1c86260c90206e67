"""The measurements.

The machine may be busy with something else. Therefore:

* what can be counted is counted instead of timed;
* contenders that are compared take turns, so that a disturbance affects all of them, and the
  median of many turns counts;
* round trips and imports are measured several times, and the lowest figure counts, because a
  disturbance can only add to it.
"""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, TypeVar

from .backend import ROUND_TRIP, Backend
from .contenders import Contender, Spent

T = TypeVar("T")

#: Connections are counted over this many sign-ins.
SIGN_INS: Final = 20

_IMPORT: Final = """
import sys, time
before, start = len(sys.modules), time.perf_counter()
import {}
print(time.perf_counter() - start, len(sys.modules) - before)
"""


@dataclass(frozen=True)
class Connections:
    """The connections that :data:`SIGN_INS` sign-ins opened.

    Attributes:
        in_a_row: TCP connections, for one sign-in after another.
        handshakes: TLS handshakes, for one sign-in after another.
        at_once: TCP connections, for all sign-ins at the same time.
    """

    in_a_row: int
    handshakes: int
    at_once: int


@dataclass(frozen=True)
class RoundTrips:
    """The time that one sign-in waits, in round trips.

    Attributes:
        warm: The shortest duration of a sign-in right after another one, divided by the duration of
            a round trip.
        cold: As ``warm``, but for a sign-in after all connections were closed.
        counted_warm: The most round trips that the proxy counted for a sign-in right after another.
        counted_cold: As ``counted_warm``, but for a sign-in after all connections were closed.
    """

    warm: float
    cold: float
    counted_warm: int
    counted_cold: int


def connections(kind: type[Contender], backend: Backend) -> Connections:
    """Count the connections that a contender opens."""
    one_by_one = kind(backend.near)
    before = backend.counts(backend.near)
    for _ in range(SIGN_INS):
        one_by_one.sign_in()
    after = backend.counts(backend.near)
    one_by_one.close()
    together = kind(backend.far)
    before_all = backend.counts(backend.far)
    together.sign_in_at_once(SIGN_INS)
    after_all = backend.counts(backend.far)
    together.close()
    return Connections(
        in_a_row=after.connections - before.connections,
        handshakes=after.handshakes - before.handshakes,
        at_once=after_all.connections - before_all.connections,
    )


def round_trips(kind: type[Contender], backend: Backend, turns: int) -> RoundTrips:
    """Measure a contender through a proxy with long round trips."""
    contender = kind(backend.far)
    contender.sign_in()  # not measured: set-up that happens once per process
    warm: list[tuple[float, int]] = []
    cold: list[tuple[float, int]] = []
    for _ in range(turns):
        contender.close()
        for found in (cold, warm):
            before = backend.counts(backend.far).round_trips
            spent = contender.sign_in()
            counted = backend.counts(backend.far).round_trips - before
            found.append((spent.wall / ROUND_TRIP, counted))
    contender.close()
    return RoundTrips(
        warm=min(waited for waited, _ in warm),
        cold=min(waited for waited, _ in cold),
        counted_warm=max(counted for _, counted in warm),
        counted_cold=max(counted for _, counted in cold),
    )


def in_turns(what: Mapping[T, Callable[[], Spent]], turns: int) -> dict[T, Spent]:
    """Measure several things in turns, in a new order each time, and return the medians.

    Before the measured turns there is one that is not measured.
    """
    found: dict[T, list[Spent]] = {name: [] for name in what}
    order = list(what)
    for act in what.values():
        act()
    for _ in range(turns):
        random.shuffle(order)
        for name in order:
            found[name].append(what[name]())
    return {name: _median(spent) for name, spent in found.items()}


def memory(sign_in: Callable[[], object], times: int = 1000, parts: int = 1) -> list[float]:
    """Return how many more bytes are in use than at the start, after each part of the sign-ins.

    ``times`` sign-ins are measured, in ``parts`` equal parts. Up to 1,000 sign-ins run before the
    start, to fill caches such as Python's own.
    """
    used = []
    tracemalloc.start()
    for some in (min(times, 1000), *[times // parts] * parts):
        for _ in range(some):
            sign_in()
        gc.collect()
        used.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    return [each - used[0] for each in used[1:]]


def imports(modules: Sequence[str], turns: int) -> dict[str, tuple[float, int]]:
    """Return, for each module, the shortest time of an import and how many modules it loads.

    Times are in seconds. Each import is in a new interpreter.
    """
    found: dict[str, list[tuple[float, int]]] = {module: [] for module in modules}
    for _ in range(turns):
        for module in modules:
            command = [sys.executable, "-c", _IMPORT.format(module)]
            seconds, loaded = subprocess.check_output(command, text=True).split()
            found[module].append((float(seconds), int(loaded)))
    return {
        module: (min(seconds for seconds, _ in each), each[0][1]) for module, each in found.items()
    }


def _median(spent: Iterable[Spent]) -> Spent:
    walls, cpus = zip(*spent, strict=True)
    return Spent(median(walls), median(cpus))

"""``python -m drill``: run it, print the balance, and fail if it is off by one."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Final

from . import balance, leaks, site
from .faults import FaultPlan
from .killer import Killer
from .person import Person, Unexpected

_AT_ONCE: Final = 16


@dataclass
class Report:
    """What has happened."""

    seconds: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


def main() -> int:
    """Return 0 if the keys balance, 1 if not, 2 if it could not start, 130 if stopped."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="python -m drill", description=__doc__)
    parser.add_argument("--connects", type=int, default=500, help="how many people (500)")
    parser.add_argument("--workers", type=int, default=2, help="how many gunicorn workers (2)")
    parser.add_argument(
        "--kill-every", type=float, default=2, help="a worker dies every so many seconds (2)"
    )
    parser.add_argument("--seed", type=int, help="for the same faults as another time")
    parser.add_argument("--database", help="a PostgreSQL server, if none is to be started")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = SystemRandom().randrange(10**6)
    try:
        with (
            site.database(options.database) as database,
            # Loaded once, so that the next worker is there at once.
            site.running(database, workers=options.workers, preload=True) as running,
        ):
            return _drill(running, options)
    except site.CannotStart as error:
        _print(f"The drill cannot start. {error}")
        return 2
    except KeyboardInterrupt:
        _print("The drill was stopped.")
        return 130


def _drill(running: site.Site, options: argparse.Namespace) -> int:
    _print(
        f"{options.connects} connects, {options.workers} workers, one killed every "
        f"{options.kill_every:g} s, a fault in one call of five, --seed {options.seed}"
    )
    plan = FaultPlan(options.seed, 3 * options.connects)
    plan.queue(running.sandbox)
    killer = Killer(running.gunicorn, options.kill_every, options.seed)
    with killer.at_work():
        report = _connect_all(running, options.connects)
    running.gunicorn.stop()
    running.sandbox.stop()  # so that whatever is under way has come to its end
    drawn = balance.draw(running.settings, running.sandbox.issued_keys)
    totals = running.sandbox.totals
    _print(f"seconds            {report.seconds:.1f}")
    _print(f"workers killed     {killer.killed}")
    _print(f"connections broken {report.broken.total():<6} {_counts(report.broken)}")
    faults = plan.injected(totals)
    _print(f"faults injected    {faults.total():<6} {_counts(faults)}")
    _print(f"requests           {sum(totals.values()):<6} {_counts(totals)}")
    statuses = Counter(map(str, drawn.statuses.values()))
    _print(f"attempts           {statuses.total():<6} {_counts(statuses)}")
    _print(
        f"unknown            {drawn.without_key + drawn.flagged:<6} "
        f"with a key {drawn.flagged}, without one {drawn.without_key}"
    )
    searched = {
        "the demo's pages": report.seen,
        "gunicorn's log": running.gunicorn.log.read_text().splitlines(),
        "the database": leaks.rows(running.settings["DATABASE_URL"]),
    }
    leaked = leaks.find(searched, running.sandbox.issued_keys)
    counts = Counter({place: len(texts) for place, texts in searched.items()})
    _print(f"secrets seen       {len(leaked):<6} {_counts(counts)}")
    problems = [*report.unexpected, *drawn.problems, *leaked]
    for problem in problems:
        _print(f"  ! {problem}")
    _print(drawn.line)
    if problems:
        _print(running.gunicorn.log.read_text()[-10_000:])
    return int(bool(problems))


def _connect_all(running: site.Site, connects: int) -> Report:
    report = Report()
    stop = threading.Event()
    began = time.monotonic()

    def connect(number: int) -> None:
        name = f"person {number}"
        with closing(Person(running.gunicorn.url, running.sandbox, name, stop)) as person:
            try:
                person.connect()
            except (Unexpected, OSError, ValueError) as error:
                report.unexpected.append(f"{name}: {error}")
            report.broken.update(person.broken)
            report.seen += person.seen

    with ThreadPoolExecutor(_AT_ONCE) as people:
        try:
            for done in [people.submit(connect, number) for number in range(connects)]:
                done.result()
        except BaseException:
            stop.set()
            people.shutdown(wait=False, cancel_futures=True)
            raise
    report.seconds = time.monotonic() - began
    return report


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a program speaks by printing


if __name__ == "__main__":
    sys.exit(main())

"""``python -m drill``: run it, print the balance, and fail if it is off by one."""

from __future__ import annotations

import argparse
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

from . import balance, leaks
from .faults import FaultPlan
from .killer import Killer
from .person import Person, Unexpected
from .program import run, say
from .site import Site

_AT_ONCE: Final = 16


@dataclass
class Report:
    """The results of all connects."""

    seconds: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


def main() -> int:
    """Return 0 if the keys balance, and 1 if not; otherwise as :func:`drill.program.run`."""
    parser = argparse.ArgumentParser(prog="python -m drill", description=__doc__)
    parser.add_argument("--connects", type=int, default=500, help="how many people (500)")
    parser.add_argument(
        "--kill-every", type=float, default=2, help="a worker dies every so many seconds (2)"
    )
    parser.add_argument("--seed", type=int, help="for the same faults as another time")
    return run(parser, _drill)


def _drill(running: Site, options: argparse.Namespace) -> int:
    if options.seed is None:
        options.seed = SystemRandom().randrange(10**6)
    say(
        f"{options.connects} connects, {options.workers} workers, one killed every "
        f"{options.kill_every:g} s, a fault in one call of five, --seed {options.seed}"
    )
    plan = FaultPlan(options.seed, 3 * options.connects)
    plan.queue(running.sandbox)
    killer = Killer(running.gunicorn, options.kill_every, options.seed)
    with killer.at_work():
        report = _connect_all(running, options.connects)
    running.gunicorn.stop()
    running.sandbox.stop()  # waits for the calls in flight
    drawn = balance.draw(running.settings, running.sandbox.issued_keys)
    totals = running.sandbox.totals
    say(f"seconds            {report.seconds:.1f}")
    say(f"workers killed     {killer.killed}")
    say(f"connections broken {report.broken.total():<6} {_counts(report.broken)}")
    faults = plan.injected(totals)
    say(f"faults injected    {faults.total():<6} {_counts(faults)}")
    say(f"requests           {sum(totals.values()):<6} {_counts(totals)}")
    statuses = Counter(map(str, drawn.statuses.values()))
    say(f"attempts           {statuses.total():<6} {_counts(statuses)}")
    say(
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
    say(f"secrets seen       {len(leaked):<6} {_counts(counts)}")
    problems = [*report.unexpected, *drawn.problems, *leaked]
    for problem in problems:
        say(f"  ! {problem}")
    say(drawn.line)
    if problems:
        say(running.gunicorn.log.read_text()[-10_000:])
    return int(bool(problems))


def _connect_all(running: Site, connects: int) -> Report:
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


if __name__ == "__main__":
    sys.exit(main())

"""``python -m drill``: users connect while calls fail and workers die; then the keys are counted.

The program prints the balance of the keys: each key that the sandbox issued must be stored in the
demo's vault, or its attempt must be flagged as unknown. The exit status is 1 if the keys do not
balance, if the demo gives an answer that it should never give, or if a secret is found in a page,
in gunicorn's log or in the database.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from random import SystemRandom
from typing import Final

from . import balance, leaks, site
from .crowd import Crowd, counts
from .faults import FaultPlan
from .killer import Killer
from .program import run, say, verdict

_AT_ONCE: Final = 16


def main() -> int:
    """Return 0 if no problem was found, otherwise 1. For 2, 130 see :func:`drill.program.run`."""
    parser = argparse.ArgumentParser(prog="python -m drill", description=__doc__)
    parser.add_argument("--connects", type=int, default=500, help="how many users (500)")
    parser.add_argument(
        "--kill-every", type=float, default=2, help="seconds between two kills of a worker (2)"
    )
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    return run(parser, site.running, _drill)


def _drill(running: site.Site, options: argparse.Namespace) -> int:
    say(
        f"{options.connects} connects, {options.workers} workers, one killed every "
        f"{options.kill_every:g} s, a fault in one call of five, --seed {options.seed}"
    )
    plan = FaultPlan(options.seed, 3 * options.connects)
    plan.queue(running.sandbox)
    crowd = Crowd(running.gunicorn.url, running.sandbox)
    pages: list[list[str]] = []

    def connect(number: int) -> None:
        with crowd.user(f"user {number}") as person:
            pages.append(person.seen)
            person.connect()

    killer = Killer(running.gunicorn, options.kill_every, options.seed)
    began = time.monotonic()
    with killer.at_work():
        crowd.for_each(range(options.connects), connect, at_once=_AT_ONCE)
    seconds = time.monotonic() - began
    running.gunicorn.stop()
    running.sandbox.stop()  # waits for the calls in flight
    drawn = balance.draw(running.settings, running.sandbox.issued_keys)
    totals = running.sandbox.totals
    faults = plan.injected(totals)
    statuses = Counter(map(str, drawn.statuses.values()))
    searched = {
        "the demo's pages": [text for seen in pages for text in seen],
        "gunicorn's log": running.gunicorn.log.read_text().splitlines(),
        "the database": leaks.rows(running.settings["DATABASE_URL"]),
    }
    leaked = leaks.find(searched, running.sandbox.issued_keys)
    places = {place: len(texts) for place, texts in searched.items()}
    say(f"seconds            {seconds:.1f}")
    say(f"workers killed     {killer.killed}")
    say(f"connections broken {crowd.broken.total():<6} {counts(crowd.broken)}")
    say(f"faults injected    {faults.total():<6} {counts(faults)}")
    say(f"requests           {sum(totals.values()):<6} {counts(totals)}")
    say(f"attempts           {statuses.total():<6} {counts(statuses)}")
    say(
        f"unknown            {drawn.without_key + drawn.flagged:<6} "
        f"with a key {drawn.flagged}, without one {drawn.without_key}"
    )
    say(f"secrets seen       {len(leaked):<6} {counts(places)}")
    problems = [*crowd.unexpected, *drawn.problems, *leaked]
    if problems:
        say(running.gunicorn.log.read_text()[-10_000:])
    return verdict(drawn.line, problems)


if __name__ == "__main__":
    sys.exit(main())

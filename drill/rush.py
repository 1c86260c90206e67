"""``python -m drill.rush``: everybody comes back from KuCoin at the same moment.

It prints how long they wait, beside how long the same number of clients wait that ask the sandbox
alone, without the demo and its database. The clients and the sandbox share one process in both, so
the second line is the limit of what the first can show. Fails unless everybody gets a key.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from math import ceil
from typing import Final

from authlib_kucoin import KuCoinOAuth2Session
from authlib_kucoin.sandbox import Sandbox
from flask_demo.models import Status

from . import balance
from .person import Person
from .program import run, say
from .site import Site

_REDIRECT_URI: Final = "http://127.0.0.1/callback"


@dataclass(frozen=True)
class Waited:
    """How long everybody waited.

    Attributes:
        total: Seconds from the first who came to the last who was served.
        each: Seconds that each of them waited.
    """

    total: float
    each: Sequence[float]

    def __str__(self) -> str:
        """Return it in words."""
        ordered = sorted(self.each)
        p50, p99 = (ordered[ceil(part * len(ordered)) - 1] for part in (0.5, 0.99))
        return (
            f"{len(ordered) / self.total:6.1f} sign-ins/s   p50 {p50:5.2f} s   "
            f"p99 {p99:5.2f} s   slowest {ordered[-1]:5.2f} s"
        )


def main() -> int:
    """Return 0 if everybody was served, and 1 if not; otherwise as :func:`drill.program.run`."""
    parser = argparse.ArgumentParser(prog="python -m drill.rush", description=__doc__)
    parser.add_argument("--at-once", type=int, default=200, help="how many people (200)")
    return run(parser, _rush)


def _rush(running: Site, options: argparse.Namespace) -> int:
    number = options.at_once
    alone = _ask_the_sandbox(running.sandbox, number)
    without_demo = len(running.sandbox.issued_keys)
    served, problems = _connect(running, number)
    running.gunicorn.stop()
    issued = running.sandbox.issued_keys[without_demo:]
    drawn = balance.draw(running.settings, issued)
    stored = sum(status == Status.STORED for status in drawn.statuses.values())
    problems += drawn.problems
    if stored != number:
        problems.append(f"{stored} of {number} are connected")
    say(f"{number} at once, {len(problems)} errors")
    say(f"through the demo   {served}")
    say(f"the sandbox alone  {alone}")
    for problem in problems:
        say(f"  ! {problem}")
    if problems:
        say(running.gunicorn.log.read_text()[-10_000:])
    return int(bool(problems))


def _connect(running: Site, number: int) -> tuple[Waited, list[str]]:
    """Let everybody go as far as KuCoin, and come back together."""
    with ExitStack() as stack:
        people = [
            stack.enter_context(
                closing(Person(running.gunicorn.url, running.sandbox, f"person {each}"))
            )
            for each in range(number)
        ]
        callbacks = [_approved(person) for person in people]
        answers: list[int | None] = [None] * number

        def come_back(each: int) -> None:
            answers[each] = people[each].open_callback_once(callbacks[each])

        waited = _at_once(number, come_back)
    return waited, [
        f"person {each}: {answer or 'no answer'} instead of 303"
        for each, answer in enumerate(answers)
        if answer != 303
    ]


def _approved(person: Person) -> str:
    person.sign_in()
    callback = person.sandbox.approve(person.begin())
    person.close()  # as a browser does while its user is elsewhere
    return callback


def _ask_the_sandbox(sandbox: Sandbox, number: int) -> Waited:
    """Make the calls of as many sign-ins, all at once, and nothing else."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                KuCoinOAuth2Session(
                    sandbox.client_id, site=sandbox.url, redirect_uri=_REDIRECT_URI, timeout=60
                )
            )
            for _ in range(number)
        ]
        codes = [
            sandbox.approve(client.create_authorization_url()[0]).fields["code"]
            for client in clients
        ]

        def connect(each: int) -> None:
            clients[each].fetch_token(code=codes[each])
            clients[each].get_api_key_info(clients[each].create_api_key())

        return _at_once(number, connect)


def _at_once(number: int, act: Callable[[int], None]) -> Waited:
    """Let everybody act at the same moment, each in a thread."""
    ready = threading.Barrier(number + 1)

    def timed(each: int) -> float:
        ready.wait()
        began = time.perf_counter()
        act(each)
        return time.perf_counter() - began

    with ThreadPoolExecutor(number) as pool:
        all_of_them = [pool.submit(timed, each) for each in range(number)]
        ready.wait()
        began = time.perf_counter()
        each = [done.result() for done in all_of_them]
        return Waited(time.perf_counter() - began, each)


if __name__ == "__main__":
    sys.exit(main())

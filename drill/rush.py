"""``python -m drill.rush``: many users come back from KuCoin at the same moment.

The program prints how long the users wait for the demo. For comparison it prints how long the same
number of clients wait that call the sandbox directly. Clients and sandbox share one process, so the
demo cannot be faster than that. Then each call to KuCoin takes some seconds, and the program prints
how long one user waits alone, how long all users wait at once, and how long the front page takes
meanwhile. The exit status is 1 unless every user gets a key and the keys balance, and with
``--check`` also if the users wait too long while each call is slow.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Final

import requests

from authlib_kucoin import KuCoinOAuth2Session
from authlib_kucoin.sandbox import Sandbox
from flask_demo.models import Status

from . import balance, site
from .person import Person
from .program import run, say

#: The target for --check: the slow p99, as a multiple of what one user alone waits.
_MOST: Final = 1.3
_REDIRECT_URI: Final = "http://127.0.0.1/callback"


@dataclass(frozen=True)
class Waited:
    """How long the users waited.

    Attributes:
        total: The time from the first request to the last answer, in seconds.
        each: The time that each user waited, in seconds.
    """

    total: float
    each: Sequence[float]

    def part(self, part: float) -> float:
        """Return the longest wait among the fastest users; ``part`` is their share of all users."""
        ordered = sorted(self.each)
        return ordered[ceil(part * len(ordered)) - 1]

    def __str__(self) -> str:
        """Return the figures as a line."""
        return (
            f"{len(self.each) / self.total:6.1f} sign-ins/s   p50 {self.part(0.5):5.2f} s   "
            f"p99 {self.part(0.99):5.2f} s   slowest {self.part(1):5.2f} s"
        )


def main() -> int:
    """Return 0 if no problem was found, otherwise 1. For 2, 130 see :func:`drill.program.run`."""
    parser = argparse.ArgumentParser(prog="python -m drill.rush", description=__doc__)
    parser.add_argument("--at-once", type=int, default=200, help="how many users (200)")
    parser.add_argument("--slow", type=float, default=2, help="seconds of a slow call (2)")
    parser.add_argument(
        "--check", action="store_true", help="fail if the slow p99 is above 1.3 times one alone"
    )
    return run(parser, site.running, _rush)


def _rush(running: site.Site, options: argparse.Namespace) -> int:
    number = options.at_once
    sandbox = running.sandbox
    alone = _ask_the_sandbox(sandbox, number)
    without_demo = len(sandbox.issued_keys)
    served, problems = _connect(running, number, "person")
    _slow_down(sandbox, 1, options.slow)
    one, more = _connect(running, 1, "patient")
    problems += more
    _slow_down(sandbox, number, options.slow)
    with _front_page(running) as front:
        slow, more = _connect(running, number, "slow")
        problems += more
    ratio = slow.part(0.99) / one.part(1)
    if options.check and ratio > _MOST:
        problems.append(f"the slow p99 is {ratio:.2f} times one alone, more than {_MOST}")
    running.gunicorn.stop()
    issued = running.sandbox.issued_keys[without_demo:]
    drawn = balance.draw(running.settings, issued)
    stored = sum(status == Status.STORED for status in drawn.statuses.values())
    problems += drawn.problems
    if stored != 2 * number + 1:
        problems.append(f"{stored} of {2 * number + 1} are connected")
    say(f"{number} at once, {len(problems)} errors")
    say(f"through the demo   {served}")
    say(f"the sandbox alone  {alone}")
    say(f"each call {options.slow:g} s     {slow}")
    say(f"  one alone {one.part(1):.2f} s, so the p99 is {ratio:.2f} times that")
    say(f"  front page meanwhile: p50 {front.part(0.5):.2f} s   slowest {front.part(1):.2f} s")
    for problem in problems:
        say(f"  ! {problem}")
    if problems:
        say(running.gunicorn.log.read_text()[-10_000:])
    return int(bool(problems))


def _slow_down(sandbox: Sandbox, number: int, seconds: float) -> None:
    """Delay the next ``number`` calls of each operation by ``seconds``."""
    for operation in ("token", "create_api_key", "api_key_info"):
        for _ in range(number):
            sandbox.fail_next(operation, f"delay:{seconds:g}")


@contextmanager
def _front_page(running: site.Site) -> Iterator[Waited]:
    """Load the front page again and again during the block, without a sign-in.

    The time of each load is added to what is yielded, whose ``total`` means nothing.
    """
    times: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            began = time.perf_counter()
            requests.get(running.gunicorn.url, timeout=60).raise_for_status()
            times.append(time.perf_counter() - began)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield Waited(1, times)
    finally:
        done.set()
        thread.join()


def _connect(running: site.Site, number: int, name: str) -> tuple[Waited, list[str]]:
    """Let users sign in and approve one by one, then open all callbacks at the same moment.

    Returns:
        How long the users waited, and a text for each callback whose answer was not a redirect.
    """
    with ExitStack() as stack:
        people = [
            stack.enter_context(
                closing(Person(running.gunicorn.url, running.sandbox, f"{name} {each}"))
            )
            for each in range(number)
        ]
        callbacks = [_approved(person) for person in people]
        answers: list[int | None] = [None] * number

        def come_back(each: int) -> None:
            answers[each] = people[each].open_callback_once(callbacks[each])

        waited = _at_once(number, come_back)
    return waited, [
        f"{name} {each}: {answer or 'no answer'} instead of 303"
        for each, answer in enumerate(answers)
        if answer != 303
    ]


def _approved(person: Person) -> str:
    person.sign_in()
    callback = person.sandbox.approve(person.begin())
    person.close()  # a browser closes idle connections while its user is at KuCoin
    return callback


def _ask_the_sandbox(sandbox: Sandbox, number: int) -> Waited:
    """Make the calls of ``number`` connects at the same moment, without the demo."""
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
    """Call a function in ``number`` threads at the same moment."""
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

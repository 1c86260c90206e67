"""``python -m drill.fleet``: three machines behind nginx, each killed and brought back in turn.

A machine is a gunicorn with its workers. One nginx stands in front of the machines, and one
PostgreSQL behind them. Users connect while machines lose power and one call in five to KuCoin has
a fault. Then kept tokens expire, and their users ask for new keys in three tabs at once. The
program prints the balance of the keys, the time of the slowest page, and how often tokens were
refreshed. The exit status is 1 if a key is lost, if a token was refreshed twice, or if the demo
gives an answer that it should never give.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from typing import Final
from unittest.mock import patch

from sqlalchemy import select

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from authlib_kucoin.sandbox._model import Pair
from authlib_kucoin.sandbox._state import State
from flask_demo.extensions import db
from flask_demo.models import ConnectAttempt, ConnectedKey, Status, User, now
from flask_demo.vault import vault

from . import balance, nginx, site
from .crowd import Crowd, counts
from .faults import FaultPlan
from .program import run, say, verdict

_MACHINES: Final = 3
_AT_ONCE: Final = 32
_TABS: Final = 3


class Machines:
    """Three gunicorns, which stand for three machines.

    Args:
        settings: The demo's settings.
        workers: How many workers each machine has.
        stack: When this stack is closed, the machines are stopped.
    """

    def __init__(self, settings: dict[str, str], workers: int, stack: ExitStack) -> None:
        """Start the machines."""
        self.ports = [site.free_port() for _ in range(_MACHINES)]
        self.killed = 0
        self._settings = settings
        self._workers = workers
        self._stacks = [stack.enter_context(ExitStack()) for _ in range(_MACHINES)]
        self._gunicorns = [self._start(number) for number in range(_MACHINES)]

    @contextmanager
    def losing_power(self, every: float, random: Random) -> Iterator[None]:
        """During the block, kill one machine after another, and start each again a second later."""
        done = threading.Event()

        def work() -> None:
            while not done.wait(random.uniform(0.5, 1.5) * every):
                number = self.killed % _MACHINES
                self._gunicorns[number].lose_power()
                self.killed += 1
                time.sleep(1)
                self._gunicorns[number] = self._start(number)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def stop(self) -> None:
        """Stop the machines; each one has a second to finish the requests that it has begun."""
        for stack in self._stacks:
            stack.close()

    def _start(self, number: int) -> site.Gunicorn:
        self._stacks[number].close()
        log = Path(self._settings["DEMO_INSTANCE"], f"machine-{number}")
        return self._stacks[number].enter_context(
            site.serving(self._settings, log, workers=self._workers, port=self.ports[number])
        )


@dataclass(frozen=True)
class Fleet:
    """Everything that runs.

    Attributes:
        machines: The machines.
        sandbox: The sandbox of KuCoin.
        url: The URL of nginx.
        settings: The demo's settings.
    """

    machines: Machines
    sandbox: Sandbox
    url: str
    settings: dict[str, str]


def main() -> int:
    """Return 0 if no problem was found, otherwise 1. For 2, 130 see :func:`drill.program.run`."""
    parser = argparse.ArgumentParser(prog="python -m drill.fleet", description=__doc__)
    parser.add_argument("--connects", type=int, default=1000, help="how many users (1000)")
    parser.add_argument("--renewals", type=int, default=100, help="how many expired tokens (100)")
    parser.add_argument(
        "--kill-every", type=float, default=5, help="seconds between two kills of a machine (5)"
    )
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    return run(parser, _running, _drill)


@contextmanager
def _running(database: str, workers: int) -> Iterator[Fleet]:
    if nginx.find() is None:
        raise site.CannotStart("There is no nginx: apt-get install nginx-light")
    with (
        tempfile.TemporaryDirectory(prefix="fleet-") as folder,
        run_sandbox(max_keys=10**6) as sandbox,
        ExitStack() as stack,
    ):
        settings = site.settings(database, folder, sandbox)
        settings |= {"KUCOIN_KEEP_TOKENS": "1", "TRUSTED_PROXIES": "1"}
        machines = Machines(settings, workers, stack)
        front = Path(folder, "nginx")
        front.mkdir()
        url = stack.enter_context(nginx.running(site.free_port(), machines.ports, front))
        yield Fleet(machines, sandbox, url, settings)


def _drill(fleet: Fleet, options: argparse.Namespace) -> int:
    say(
        f"{options.connects} users, {_MACHINES} machines, one killed every "
        f"{options.kill_every:g} s, a fault in one call of five, --seed {options.seed}"
    )
    FaultPlan(options.seed, 3 * (options.connects + options.renewals)).queue(fleet.sandbox)
    random, crowd = Random(f"{options.seed} fleet"), Crowd(fleet.url, fleet.sandbox)
    refreshes: Counter[str] = Counter()

    def connect(number: int) -> None:
        with crowd.user(f"user {number}") as person:
            person.connect()

    def renew(name: str) -> None:
        with crowd.user(name) as person:
            person.sign_in()
            person.renew(_TABS)

    began = time.monotonic()
    with fleet.machines.losing_power(options.kill_every, random):
        crowd.for_each(range(options.connects), connect, at_once=_AT_ONCE)
    drawn = balance.draw(fleet.settings, fleet.sandbox.issued_keys)
    before = len(fleet.sandbox.issued_keys)
    names = _expire_tokens(fleet.settings, options.renewals)
    with _counted(refreshes), fleet.machines.losing_power(options.kill_every, random):
        crowd.for_each(names, renew, at_once=_AT_ONCE)
    seconds = time.monotonic() - began
    fleet.machines.stop()
    fleet.sandbox.stop()  # waits for the calls in flight
    issued = {key.api_key for key in fleet.sandbox.issued_keys[before:]}
    renewed, problems = _renewals(fleet.settings, issued)
    most = max(refreshes.values(), default=0)
    if most > 1:
        problems.append(f"a token was refreshed {most} times")
    statuses = Counter(map(str, drawn.statuses.values()))
    say(f"seconds            {seconds:.1f}")
    say(f"machines killed    {fleet.machines.killed}")
    say(f"connections broken {crowd.broken.total():<6} {counts(crowd.broken)}")
    say(f"attempts           {statuses.total():<6} {counts(statuses)}")
    say(f"slowest page       {crowd.slowest:.2f} s")
    say(
        f"expired tokens     {len(names):<6} {refreshes.total()} refreshes, at most {most} of each "
        f"token; {renewed}"
    )
    return verdict(drawn.line, [*crowd.unexpected, *drawn.problems, *problems])


def _expire_tokens(settings: dict[str, str], number: int) -> list[str]:
    """Let up to ``number`` kept tokens expire now, and return the names of their users."""
    with balance.app_with(settings):
        keys = db.session.scalars(
            select(ConnectedKey).where(ConnectedKey.sealed_token.is_not(None)).limit(number)
        ).all()
        for key in keys:
            token = vault().token(key)
            vault().put_token(key, {**(token or {}), "expires_at": now()})
        db.session.commit()
        ids = [key.user_id for key in keys]
        return [*db.session.scalars(select(User.name).where(User.id.in_(ids)))]


def _renewals(settings: dict[str, str], issued: set[str]) -> tuple[str, list[str]]:
    """Count what became of the keys that were issued for the expired tokens.

    An attempt counts as flagged even if no key was issued for it. So a lost key can be missed here.

    Returns:
        The counts in words, and a list with the problem if a key is lost.
    """
    with balance.app_with(settings):
        rows = db.session.scalars(select(ConnectedKey)).all()
        stored = {vault().key(row).api_key for row in rows} & issued
        attempts = db.session.scalars(select(ConnectAttempt).where(ConnectAttempt.is_renewal)).all()
        # An attempt that was left in "provisioning" will read as unknown in a minute.
        flagged = sum(each.status in (Status.UNKNOWN, Status.PROVISIONING) for each in attempts)
    lost = len(issued) - len(stored) - flagged
    problems = [f"{lost} new keys are neither stored nor flagged"] if lost > 0 else []
    return f"{len(issued)} new keys, {len(stored)} stored, {flagged} flagged as unknown", problems


@contextmanager
def _counted(refreshes: Counter[str]) -> Iterator[None]:
    """Count how often the sandbox exchanges each refresh token for a new pair, during the block."""
    rotate = State.rotate

    def counted(state: State, refresh_token: str) -> Pair:
        pair = rotate(state, refresh_token)
        refreshes[refresh_token] += 1
        return pair

    with patch.object(State, "rotate", counted):
        yield


if __name__ == "__main__":
    sys.exit(main())

"""``python -m drill.fleet``: three machines behind nginx, each killed and brought back in turn.

Each machine is a gunicorn with its workers; one nginx stands in front of them, and one PostgreSQL
behind. Users connect while machines lose their power and KuCoin fails one call in five. Then kept
tokens expire, and their users ask for new keys in three tabs at once. It prints the balance of
the keys, the slowest page, and how many refreshes each kept token had. It fails if a key is lost
or if a token was refreshed twice.
"""

from __future__ import annotations

import argparse
import secrets
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom
from typing import Final, TypeVar
from unittest.mock import patch

from sqlalchemy import select

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from authlib_kucoin.sandbox._model import Pair
from authlib_kucoin.sandbox._state import State
from flask_demo import create_app
from flask_demo.config import new_vault_key
from flask_demo.extensions import db
from flask_demo.models import ConnectAttempt, ConnectedKey, Status, User, now
from flask_demo.vault import vault

from . import balance, nginx, site
from .faults import FaultPlan
from .person import Person, Unexpected
from .program import say

T = TypeVar("T")

_MACHINES: Final = 3
_AT_ONCE: Final = 32
_TABS: Final = 3


@dataclass
class Seen:
    """What users have met with."""

    slowest: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)

    def add(self, person: Person) -> None:
        """Add what one of them has met with."""
        self.slowest = max(self.slowest, person.slowest)
        self.broken.update(person.broken)


class Fleet:
    """The machines.

    Args:
        settings: The demo's settings.
        folder: Where they write their logs.
        stack: Ends them.
    """

    def __init__(self, settings: dict[str, str], folder: Path, stack: ExitStack) -> None:
        """Start them."""
        self.ports = [_free_port() for _ in range(_MACHINES)]
        self.killed = 0
        self._settings = settings
        self._logs = [folder / f"machine-{number}" for number in range(_MACHINES)]
        self._stacks = [stack.enter_context(ExitStack()) for _ in range(_MACHINES)]
        self._machines = [self._start(number) for number in range(_MACHINES)]

    @contextmanager
    def losing_power(self, every: float, random: Random) -> Iterator[None]:
        """Kill one machine after another, and bring each back a second later."""
        done = threading.Event()

        def work() -> None:
            turn = 0
            while not done.wait(random.uniform(0.5, 1.5) * every):
                number = turn % _MACHINES
                self._machines[number].lose_power()
                self.killed += 1
                turn += 1
                time.sleep(1)
                self._machines[number] = self._start(number)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def stop(self) -> None:
        """Let them finish what they do."""
        for stack in self._stacks:
            stack.close()

    def _start(self, number: int) -> site.Gunicorn:
        self._stacks[number].close()
        log, port = self._logs[number], self.ports[number]
        return self._stacks[number].enter_context(
            site.serving(self._settings, log, workers=2, port=port)
        )


def main() -> int:
    """Return 0 if no key is lost and no token refreshed twice, 1 if not, 2 if it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m drill.fleet", description=__doc__)
    parser.add_argument("--connects", type=int, default=1000, help="how many users (1000)")
    parser.add_argument("--renewals", type=int, default=100, help="how many expired tokens (100)")
    parser.add_argument("--kill-every", type=float, default=5, help="seconds between kills (5)")
    parser.add_argument("--database", help="a PostgreSQL server, if none is to be started")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    options = parser.parse_args()
    if nginx.find() is None:
        say("It cannot start. There is no nginx: apt-get install nginx-light")
        return 2
    try:
        with (
            site.database(options.database) as database,
            tempfile.TemporaryDirectory(prefix="fleet-") as folder,
            run_sandbox(max_keys=100 * options.connects) as sandbox,
            ExitStack() as stack,
        ):
            settings = {
                "DATABASE_URL": database,
                "DEMO_INSTANCE": folder,
                "KUCOIN_CLIENT_ID": sandbox.client_id,
                "KUCOIN_KEEP_TOKENS": "1",
                "KUCOIN_SITE": sandbox.url,
                "KUCOIN_VAULT_KEYS": new_vault_key(),
                "SECRET_KEY": secrets.token_hex(),
                "TRUSTED_PROXIES": "1",
            }
            fleet = Fleet(settings, Path(folder), stack)
            front = Path(folder, "nginx")
            front.mkdir()
            url = stack.enter_context(nginx.running(_free_port(), fleet.ports, front))
            return _drill(fleet, sandbox, url, settings, options)
    except site.CannotStart as error:
        say(f"It cannot start. {error}")
        return 2


def _drill(
    fleet: Fleet, sandbox: Sandbox, url: str, settings: dict[str, str], options: argparse.Namespace
) -> int:
    say(
        f"{options.connects} users, {_MACHINES} machines, one killed every "
        f"{options.kill_every:g} s, a fault in one call of five, --seed {options.seed}"
    )
    FaultPlan(options.seed, 3 * (options.connects + options.renewals)).queue(sandbox)
    random, seen = Random(f"{options.seed} fleet"), Seen()
    began = time.monotonic()
    with fleet.losing_power(options.kill_every, random):
        _for_each(range(options.connects), lambda number: _connect(url, sandbox, number, seen))
    drawn = balance.draw(settings, sandbox.issued_keys)
    before = len(sandbox.issued_keys)
    names = _expire_tokens(settings, options.renewals)
    refreshes: Counter[str] = Counter()
    with _counted(refreshes), fleet.losing_power(options.kill_every, random):
        _for_each(names, lambda name: _renew(url, sandbox, name, seen))
    seconds = time.monotonic() - began
    fleet.stop()
    sandbox.stop()  # waits for the calls in flight
    statuses = Counter(map(str, drawn.statuses.values()))
    say(f"seconds            {seconds:.1f}")
    say(f"machines killed    {fleet.killed}")
    say(f"connections broken {seen.broken.total():<6} {_counts(seen.broken)}")
    say(f"attempts           {statuses.total():<6} {_counts(statuses)}")
    say(f"slowest page       {seen.slowest:.2f} s")
    problems = [*seen.unexpected, *drawn.problems]
    renewed, more = _renewals(settings, {key.api_key for key in sandbox.issued_keys[before:]})
    problems += more
    most = max(refreshes.values(), default=0)
    if most > 1:
        problems.append(f"a token was refreshed {most} times")
    say(
        f"expired tokens     {len(names):<6} {refreshes.total()} refreshes, at most {most} of each "
        f"token; {renewed}"
    )
    for problem in problems:
        say(f"  ! {problem}")
    say(drawn.line)
    return int(bool(problems))


def _for_each(items: Iterable[T], act: Callable[[T], None]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as people:
        for done in [people.submit(act, item) for item in items]:
            done.result()


def _connect(url: str, sandbox: Sandbox, number: int, seen: Seen) -> None:
    with closing(Person(url, sandbox, f"user {number}")) as person:
        try:
            person.connect()
        except (Unexpected, OSError, ValueError) as error:
            seen.unexpected.append(f"{person.name}: {error}")
        seen.add(person)


def _renew(url: str, sandbox: Sandbox, name: str, seen: Seen) -> None:
    with closing(Person(url, sandbox, name)) as person:
        try:
            person.sign_in()
            person.renew(_TABS)
        except (Unexpected, OSError, ValueError) as error:
            seen.unexpected.append(f"{name}: {error}")
        seen.add(person)


def _expire_tokens(settings: dict[str, str], number: int) -> list[str]:
    """Let kept tokens end now, and return the names of their users."""
    with _app(settings):
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
    """Return what became of the new keys, in words, and what does not fit."""
    with _app(settings):
        rows = db.session.scalars(select(ConnectedKey)).all()
        stored = {vault().key(row).api_key for row in rows} & issued
        attempts = db.session.scalars(select(ConnectAttempt).where(ConnectAttempt.is_renewal)).all()
        flagged = sum(
            each.status in (Status.UNKNOWN, Status.PROVISIONING) for each in attempts
        )  # the latter will read as unknown in a minute
    lost = len(issued) - len(stored) - flagged
    problems = [f"{lost} new keys are neither stored nor flagged"] if lost > 0 else []
    return f"{len(issued)} new keys, {len(stored)} stored, {flagged} flagged as unknown", problems


@contextmanager
def _app(settings: dict[str, str]) -> Iterator[None]:
    app = create_app(settings)
    with app.app_context():
        yield
        db.engine.dispose()
    app.extensions["authlib.integrations.flask_client"].kucoin.close()


@contextmanager
def _counted(refreshes: Counter[str]) -> Iterator[None]:
    """Count how often each refresh token is exchanged for a new pair."""
    rotate = State.rotate

    def counted(state: State, refresh_token: str) -> Pair:
        pair = rotate(state, refresh_token)
        refreshes[refresh_token] += 1
        return pair

    with patch.object(State, "rotate", counted):
        yield


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())

"""The balance: each key that the sandbox issued is stored, or its attempt is flagged as unknown."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from unittest.mock import patch

from sqlalchemy import select

from authlib_kucoin.sandbox import IssuedKey
from flask_demo import create_app, ledger, limits, models
from flask_demo.extensions import db, oauth
from flask_demo.models import ConnectAttempt, ConnectedKey, Status
from flask_demo.vault import vault

_LATER: Final = limits.LOGIN_SECONDS + limits.WORKER_SECONDS
_UNFINISHED: Final = (Status.STARTED, Status.CLAIMED, Status.PROVISIONING)


@dataclass(frozen=True)
class Balance:
    """The counts of keys and attempts.

    Attributes:
        statuses: The status of each attempt, by the id of the attempt.
        issued: How many keys the sandbox has issued.
        stored: How many keys are in the vault.
        flagged: How many issued keys are not stored, but their attempts are unknown.
        without_key: How many attempts are unknown although the sandbox issued no key for them.
        problems: Each contradiction, in words; empty if the keys balance.
    """

    statuses: Mapping[int, Status]
    issued: int
    stored: int
    flagged: int
    without_key: int
    problems: Sequence[str]

    @property
    def line(self) -> str:
        """The balance in one line."""
        sign = "=" if self.issued == self.stored + self.flagged else "≠"
        verdict = "BALANCED" if not self.problems else "OFF"
        return (
            f"{verdict}: {self.issued} keys issued {sign} {self.stored} stored "
            f"+ {self.flagged} flagged as unknown"
        )


def draw(settings: Mapping[str, str], issued: Sequence[IssuedKey]) -> Balance:
    """Draw the balance: compare the demo's database with the issued keys.

    First, unfinished attempts get the final status that they would get when their time is up.

    Args:
        settings: The demo's settings.
        issued: The keys that the sandbox has issued.
    """
    later = models.now() + _LATER + 1
    with app_with(settings), patch.object(ledger, "now", lambda: later):
        attempts = db.session.scalars(select(ConnectAttempt)).all()
        ledger.settle(attempts)
        rows = db.session.scalars(select(ConnectedKey)).all()
        return tally(
            {attempt.id: attempt.status for attempt in attempts},
            [(vault().key(row).api_key, row.attempt_id) for row in rows],
            {key.api_key: _attempt_of(key) for key in issued},
        )


@contextmanager
def app_with(settings: Mapping[str, str]) -> Iterator[None]:
    """Make an app with the demo's settings, and enter its context for a ``with`` block."""
    app = create_app(settings)
    app.logger.setLevel(logging.WARNING)  # log no line for each settled attempt
    try:
        with app.app_context():
            yield
    finally:
        with app.app_context():  # a new context: the end of the first has closed the session
            db.engine.dispose()
            oauth.kucoin.close()


def _attempt_of(key: IssuedKey) -> int | None:
    """Return the id of the attempt that a key was issued for; None if the demo has none."""
    attempt = ledger.find(key.state)
    return attempt.id if attempt else None


def tally(
    statuses: dict[int, Status],
    stored: Sequence[tuple[str, int]],
    issued: Mapping[str, int | None],
) -> Balance:
    """Compare stored keys, issued keys and the attempts' statuses.

    Args:
        statuses: The status of each attempt, by the id of the attempt.
        stored: A pair for each key in the vault: the key, and the attempt id in its row.
        issued: The id of the attempt that the sandbox issued a key for, by the key; None if the
            demo has no such attempt.
    """
    problems = [
        f"attempt {number} is left {status}"
        for number, status in statuses.items()
        if status in _UNFINISHED
    ]
    times = Counter(name for name, _ in stored)
    problems += [
        f"key {name} is stored {count} times" for name, count in times.items() if count > 1
    ]
    for name, claimed in stored:
        if name not in issued:
            problems.append(f"key {name} is stored, and was never issued")
        elif issued[name] != claimed:
            problems.append(f"key {name} is stored for attempt {claimed}, not {issued[name]}")
    asked = Counter(issued.values())
    problems += [f"attempt {n} asked for {count} keys" for n, count in asked.items() if count > 1]
    flagged = 0
    for name, number in issued.items():
        reads = None if number is None else statuses.get(number)
        if reads == (Status.STORED if name in times else Status.UNKNOWN):
            flagged += name not in times
        else:
            where = "stored" if name in times else "lost"
            problems.append(f"key {name} is {where}, and attempt {number} is {reads}")
    came_of = {number for name, number in issued.items() if name in times}
    problems += [
        f"attempt {number} reads as stored, and has no key"
        for number, status in statuses.items()
        if status == Status.STORED and number not in came_of
    ]
    unknown = {number for number, status in statuses.items() if status == Status.UNKNOWN}
    return Balance(
        statuses=statuses,
        issued=len(issued),
        stored=len(stored),
        flagged=flagged,
        without_key=len(unknown - set(issued.values())),
        problems=problems,
    )

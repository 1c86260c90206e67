"""The balance: every key that was issued is stored, or its attempt is flagged as unknown."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from unittest.mock import patch

from sqlalchemy import select

from authlib_kucoin.sandbox import IssuedKey
from flask_demo import create_app, ledger, limits, models
from flask_demo.extensions import db
from flask_demo.models import ConnectAttempt, ConnectedKey, Status
from flask_demo.vault import vault

_LATER: Final = limits.LOGIN_SECONDS + limits.WORKER_SECONDS
_UNFINISHED: Final = (Status.STARTED, Status.CLAIMED, Status.PROVISIONING)


@dataclass(frozen=True)
class Balance:
    """What came of it all.

    Attributes:
        statuses: What each attempt reads as, by its number.
        issued: How many keys KuCoin has issued.
        stored: How many of them can be taken out of the vault.
        flagged: How many of the others belong to an attempt that reads as unknown.
        without_key: How many attempts read as unknown, and there is no key.
        problems: What does not fit, in words; nothing if it balances.
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
    """Draw the balance of the demo's database as it reads once all life times are over.

    Args:
        settings: The demo's settings.
        issued: The keys that KuCoin has issued.
    """
    app = create_app(settings)
    app.logger.setLevel(logging.WARNING)  # settling attempts is no news here
    later = models.now() + _LATER + 1
    try:
        with app.app_context(), patch.object(ledger, "now", lambda: later):
            attempts = db.session.scalars(select(ConnectAttempt)).all()
            ledger.settle(attempts)
            rows = db.session.scalars(select(ConnectedKey)).all()
            stored = [(vault().key(row).api_key, row.attempt_id) for row in rows]
            return tally(
                {attempt.id: attempt.status for attempt in attempts},
                stored,
                {key.api_key: _attempt_of(key) for key in issued},
            )
    finally:
        with app.app_context():
            db.engine.dispose()
        app.extensions["authlib.integrations.flask_client"].kucoin.close()


def _attempt_of(key: IssuedKey) -> int | None:
    """Return the attempt whose login a key comes of; None if we have not begun that."""
    attempt = ledger.find(key.state)
    return attempt.id if attempt else None


def tally(
    statuses: dict[int, Status],
    stored: Sequence[tuple[str, int]],
    issued: Mapping[str, int | None],
) -> Balance:
    """Draw the balance.

    Args:
        statuses: What each attempt reads as.
        stored: Each key in the vault, and the attempt that it is said to come from.
        issued: Each key of KuCoin, and the attempt whose login it comes from.
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

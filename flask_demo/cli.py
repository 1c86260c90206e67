"""The commands ``flask kucoin check``, ``flask kucoin rekey`` and ``flask kucoin doctor``."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import select

from authlib_kucoin.__main__ import main

from .checks import check, due_keys
from .errors import VaultError
from .extensions import db
from .models import ConnectedKey, lock_keys, now
from .tokens import drop_old_token
from .vault import vault

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}

commands = AppGroup("kucoin", help="Look after the connected keys.")


@commands.command("check")
@click.option("--older-than", default="24h", help="The age of the last check (24h, 30m).")
@click.option("--limit", type=click.IntRange(1), help="Check at most this many keys.")
@click.option("--per-second", type=click.FloatRange(0.1), default=5.0, help="Checks per second.")
def check_keys(older_than: str, limit: int | None, per_second: float) -> None:
    """Check connected keys: KuCoin does not tell us when a user deletes or changes a key.

    Run this command regularly, on one or several machines. Machines that run it at once share the
    keys among them. Each check counts against KuCoin's rate limit, so choose --per-second such that
    all machines together stay below the limit.
    """
    states: Counter[str] = Counter()
    for key in due_keys(now() - _seconds(older_than), limit):
        states[check(key)] += 1
        time.sleep(1 / per_second)
    counts = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    click.echo(f"Checked {states.total()} keys: {counts or 'none was due'}.")


@commands.command(
    "doctor", context_settings={"ignore_unknown_options": True}, add_help_option=False
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def doctor(options: tuple[str, ...]) -> None:
    """Check the settings and the surroundings before going live; --help lists the options."""
    raise SystemExit(main(["doctor", *options], app=current_app))


@commands.command("rekey")
def rekey() -> None:
    """Encrypt all credentials with the first of KUCOIN_VAULT_KEYS.

    Tokens are deleted if they can no longer be used or KUCOIN_KEEP_TOKENS is off.

    To replace a vault key: put the new key in front of the old key, and restart all workers. Run
    this command; the workers can keep running. If it reports no failure, remove the old key.
    """
    failed = 0
    ids = db.session.scalars(select(ConnectedKey.id).order_by(ConnectedKey.id)).all()
    for key_id in ids:
        # Read each row under its lock: otherwise this could overwrite a key stored meanwhile.
        for row in lock_keys(ConnectedKey.id == key_id):
            drop_old_token(row)
            try:
                vault().reseal(row)
            except VaultError as error:
                failed += 1
                click.echo(f"Key {key_id} was not sealed again. {error}", err=True)
        db.session.commit()
    click.echo(f"{len(ids) - failed} of {len(ids)} keys are sealed with the first key.")
    if failed:
        raise SystemExit(1)


def _seconds(duration: str) -> int:
    number, unit = duration[:-1], duration[-1:]
    if not number.isdecimal() or unit not in _UNITS:
        raise click.BadParameter(f"{duration!r} is not a duration. Write it as 24h, 30m or 7d.")
    return int(number) * _UNITS[unit]

"""``flask kucoin …``: keys for the vault."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from sqlalchemy import select

from .keys import drop_old_token
from .models import ConnectedKey, db, lock_keys
from .vault import VaultError, vault

commands = AppGroup("kucoin", help="Keys for the vault.")


@commands.command("rekey")
def rekey() -> None:
    """Seal everything with the first key of KUCOIN_VAULT_KEYS, but tokens that are past their time.

    To rotate: put a new key in front of the old one and restart every worker, so that all of
    them can open what it seals; run this, while they work; then take the old key out.
    """
    failed = 0
    ids = db.session.scalars(select(ConnectedKey.id).order_by(ConnectedKey.id)).all()
    for key_id in ids:
        # One row at a time, each read under its lock: nothing newer is overwritten.
        for row in lock_keys(ConnectedKey.id == key_id):
            drop_old_token(row)
            try:
                vault().reseal(row)
            except VaultError as error:
                failed += 1
                click.echo(f"Key {key_id} stays as it is. {error}", err=True)
        db.session.commit()
    click.echo(f"{len(ids) - failed} of {len(ids)} keys are sealed with the first key.")
    if failed:
        raise SystemExit(1)

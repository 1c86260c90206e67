"""The command ``flask kucoin rekey``."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from sqlalchemy import select

from .errors import VaultError
from .extensions import db
from .models import ConnectedKey, lock_keys
from .tokens import drop_old_token
from .vault import vault

commands = AppGroup("kucoin", help="Look after the connected keys.")


@commands.command("rekey")
def rekey() -> None:
    """Encrypt all credentials with the first of KUCOIN_VAULT_KEYS. Expired tokens are dropped.

    To replace a vault key: put the new key in front of the old one and restart all workers. Run
    this command; the workers can go on meanwhile. Then remove the old key.
    """
    failed = 0
    ids = db.session.scalars(select(ConnectedKey.id).order_by(ConnectedKey.id)).all()
    for key_id in ids:
        # Each row is read under its own lock, so no newer key is overwritten.
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

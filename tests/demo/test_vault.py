"""The vault: what it seals, in which row a blob opens, and how vault keys are replaced."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select, text

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from flask_demo.config import new_vault_key
from flask_demo.errors import SettingsError, VaultError
from flask_demo.extensions import db
from flask_demo.models import ConnectAttempt, ConnectedKey
from flask_demo.vault import vault
from tests.demo.apps import MakeApp, row_of
from tests.demo.visitor import Visitor, text_of


def test_sealed_blob(alice: Visitor, settings: dict[str, Any], sandbox: Sandbox) -> None:
    """A row holds its credentials as one blob, bound to the row, and by default no token."""
    alice.connect()
    row, issued = row_of(alice.app), sandbox.issued_keys[0]
    opened = json.loads(Fernet(settings["KUCOIN_VAULT_KEYS"]).decrypt(row.sealed_key))
    assert opened["place"] == ["key", 1, 1, 1]
    assert opened["content"]["secret"] == issued.secret
    assert opened["content"]["passphrase"] == issued.passphrase
    assert row.sealed_token is None
    assert row.hint == f"{issued.api_key[:4]}…{issued.api_key[-4:]}"


def test_blob_opens_in_its_row_only(make_app: MakeApp, sandbox: Sandbox) -> None:
    """A blob that was copied to another row or column is refused."""
    app = make_app(KUCOIN_KEEP_TOKENS="1")
    alice, bob = Visitor(app, sandbox, "alice"), Visitor(app, sandbox, "bob")
    alice.connect()
    bob.connect()
    with app.app_context():
        hers, his = db.session.scalars(select(ConnectedKey).order_by(ConnectedKey.id)).all()
        his.sealed_token = his.sealed_key
        his.sealed_key = hers.sealed_key
        db.session.commit()
        with pytest.raises(VaultError, match="sealed for another row"):
            vault().key(his)
        with pytest.raises(VaultError, match="sealed for another row"):
            vault().token(his)
        assert vault().key(hers).secret == sandbox.issued_keys[0].secret
    page = text_of(bob.follow(bob.post("/kucoin/keys/2/check")))
    assert "We cannot open the stored key any more" in page
    # The token cannot be opened, so the user has to approve.
    assert bob.post("/kucoin/keys/2/rotate").location.startswith(f"{sandbox.url}/oauth?")


def test_older_blob_of_the_same_row(alice: Visitor, sandbox: Sandbox) -> None:
    """A blob of an earlier key of the same row is refused."""
    alice.connect()
    old = row_of(alice.app).sealed_key
    alice.connect()
    with alice.app.app_context():
        row = db.session.get_one(ConnectedKey, 1)
        assert vault().key(row).secret == sandbox.issued_keys[1].secret
        row.sealed_key = old
        with pytest.raises(VaultError, match="earlier attempt"):
            vault().key(row)


@pytest.mark.parametrize("content", ["7", "[]", "{}", '{"place": 1}', "not JSON", '"text"'])
def test_blob_of_another_type(alice: Visitor, settings: dict[str, Any], content: str) -> None:
    """Decrypted data of another form than the vault's is refused."""
    alice.connect()
    with alice.app.app_context():
        row = db.session.get_one(ConnectedKey, 1)
        row.sealed_key = Fernet(settings["KUCOIN_VAULT_KEYS"]).encrypt(content.encode())
        with pytest.raises(VaultError, match="cannot be opened"):
            vault().key(row)


def test_lost_vault_key(alice: Visitor, make_app: MakeApp, sandbox: Sandbox) -> None:
    """Without the vault key, a page says that the stored key cannot be opened.

    A new connect replaces the stored key.
    """
    alice.connect()
    other = Visitor(make_app(KUCOIN_VAULT_KEYS=new_vault_key()), sandbox, "alice")
    page = text_of(other.follow(other.post("/kucoin/keys/1/check")))
    assert "We cannot open the stored key any more" in page
    assert "is connected" in text_of(other.connect())
    page = text_of(other.get("/"))
    assert page.count("Account 165111215") == 1
    assert "Check failed" not in page.partition("Recent")[0]


@pytest.mark.parametrize("keys", ["", ",", "short", f"{'A' * 43}=,", "ä"])
def test_bad_vault_keys(make_app: MakeApp, keys: str) -> None:
    """A value that is not a list of Fernet keys is refused at the start and not repeated."""
    with pytest.raises(SettingsError, match="KUCOIN_VAULT_KEYS") as caught:
        make_app(KUCOIN_VAULT_KEYS=keys)
    assert not keys.strip(",") or keys not in str(caught.value)


def test_rekey(make_app: MakeApp, settings: dict[str, Any], sandbox: Sandbox) -> None:
    """`rekey` seals all rows with the new key, and they open without the old one."""
    app = make_app(KUCOIN_KEEP_TOKENS="1")
    visitors = [Visitor(app, sandbox, name) for name in ("alice", "bob", "carol")]
    for visitor in visitors:
        visitor.connect()
    old, new = settings["KUCOIN_VAULT_KEYS"], new_vault_key()
    rotating = make_app(KUCOIN_VAULT_KEYS=f"{new}, {old}", KUCOIN_KEEP_TOKENS="1")
    result = rotating.test_cli_runner().invoke(args=["kucoin", "rekey"])
    assert result.output == "3 of 3 keys are sealed with the first key.\n"
    assert result.exit_code == 0
    for key_id in (1, 2, 3):
        row = row_of(app, key_id)
        assert row.sealed_token
        Fernet(new).decrypt(row.sealed_key)
        Fernet(new).decrypt(row.sealed_token)
    after = Visitor(make_app(KUCOIN_VAULT_KEYS=new), sandbox, "bob")
    assert "failed" not in text_of(after.follow(after.post("/kucoin/keys/2/check")))


def test_rekey_with_a_row_that_does_not_open(
    alice: Visitor, make_app: MakeApp, settings: dict[str, Any]
) -> None:
    """`rekey` names a row that it cannot open, seals the others again, and ends with status 1."""
    alice.connect()
    Visitor(alice.app, alice.sandbox, "bob").connect()
    with alice.app.app_context():
        db.session.execute(text("UPDATE connected_key SET sealed_key = 'x' WHERE id = 1"))
        db.session.commit()
    new = new_vault_key()
    rotating = make_app(KUCOIN_VAULT_KEYS=f"{new},{settings['KUCOIN_VAULT_KEYS']}")
    result = rotating.test_cli_runner().invoke(args=["kucoin", "rekey"])
    assert result.exit_code == 1
    assert "Key 1 was not sealed again." in result.output
    assert "1 of 2 keys are sealed with the first key." in result.output
    Fernet(new).decrypt(row_of(alice.app, 2).sealed_key)


def test_rekey_while_keys_are_made(
    make_app: MakeApp, settings: dict[str, Any], postgres_database: str
) -> None:
    """`rekey` in a loop, while users replace their keys, overwrites no newer key."""
    new = new_vault_key()
    with run_sandbox(max_keys=1000) as sandbox:
        app = make_app(
            DATABASE_URL=postgres_database,
            KUCOIN_SITE=sandbox.url,
            KUCOIN_KEEP_TOKENS="1",
            KUCOIN_VAULT_KEYS=f"{new},{settings['KUCOIN_VAULT_KEYS']}",
        )
        visitors = [Visitor(app, sandbox, f"user {number}") for number in range(4)]
        for visitor in visitors:
            visitor.connect()

        def get_keys(key_id: int, visitor: Visitor) -> None:
            for _ in range(5):
                visitor.post(f"/kucoin/keys/{key_id}/rotate")

        threads = [
            threading.Thread(target=get_keys, args=pair) for pair in enumerate(visitors, start=1)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            result = app.test_cli_runner().invoke(args=["kucoin", "rekey"])
            assert result.exit_code == 0, result.output
        secrets = {key.api_name: key.secret for key in sandbox.issued_keys}
        assert len(secrets) == 4 * 6
        with app.app_context():
            rows = db.session.scalars(select(ConnectedKey)).all()
            newest = select(func.max(ConnectAttempt.id)).group_by(ConnectAttempt.user_id)
            assert {row.attempt_id for row in rows} == set(db.session.scalars(newest))
            for row in rows:
                assert vault().key(row).secret == secrets[row.api_name]

"""Store keys and tokens with SQLAlchemy: encrypted, and refreshed by one worker at a time."""

import json
import os
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from authlib_kucoin import ApiKey, KuCoinOAuth2Session

engine = create_engine(os.environ["DATABASE_URL"])
# Keys from Fernet.generate_key(). The first key encrypts; each of them can decrypt.
vault = MultiFernet([Fernet(key) for key in os.environ["KUCOIN_VAULT_KEYS"].split()])


class Base(DeclarativeBase):
    """The base class of the tables."""


class KuCoinAccount(Base):
    """A user's connected account. Encrypted values hold the row's id: no other row opens them."""

    __tablename__ = "kucoin_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(index=True)
    uid: Mapped[str | None]
    api_key: Mapped[str | None] = mapped_column(unique=True)  # the public half
    sealed_key: Mapped[bytes | None]
    sealed_token: Mapped[bytes | None]

    def seal(self, values: Mapping[str, Any]) -> bytes:
        """Encrypt credentials or a token for this row."""
        return vault.encrypt(json.dumps([self.id, dict(values)]).encode())

    def unseal(self, sealed: bytes | None) -> dict[str, Any]:
        """Decrypt a value that was encrypted for this row."""
        row, values = json.loads(vault.decrypt(sealed or b""))
        if row != self.id:
            raise ValueError(f"this value was encrypted for row {row}, not for {self.id}")
        return dict(values)


def put_key(session: Session, account: KuCoinAccount, key: ApiKey) -> None:
    """Store a new key at once: KuCoin shows its secret only now."""
    account.api_key = key.api_key
    credentials = {"secret": key.secret, "passphrase": key.passphrase, "api_name": key.api_name}
    account.sealed_key = account.seal(credentials)
    session.commit()


def get_key(account: KuCoinAccount) -> ApiKey:
    """Return a stored key, to sign requests with."""
    return ApiKey(api_key=account.api_key or "", **account.unseal(account.sealed_key))


def active_token(account_id: int) -> dict[str, Any]:
    """Return a current token. If several workers need it, only one of them refreshes it.

    The row stays locked until KuCoin has answered. The other workers wait for the lock, and then
    read the pair that the first worker has stored.
    """
    with Session(engine) as session:
        account = session.get_one(KuCoinAccount, account_id, with_for_update=True)
        token = account.unseal(account.sealed_token)

        def store(fresh: Mapping[str, Any], **_old: object) -> None:
            account.sealed_token = account.seal(fresh)
            session.commit()  # this also unlocks the row

        with KuCoinOAuth2Session(
            os.environ["KUCOIN_CLIENT_ID"],
            site=os.environ["KUCOIN_SITE"],
            token=token,
            update_token=store,
        ) as kucoin:
            kucoin.ensure_active_token()
            return dict(kucoin.token)

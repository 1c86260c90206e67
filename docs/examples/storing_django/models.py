"""Store keys and tokens with Django: encrypted, and refreshed by one worker at a time."""
# pyright: basic
# (django-stubs tells the types of fields to mypy's plugin alone.)

import json
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models, transaction

from authlib_kucoin import ApiKey, KuCoinOAuth2Session


class KuCoinAccount(models.Model):
    """A user's connected account. Encrypted values hold the row's id: no other row opens them."""

    user_id = models.BigIntegerField(db_index=True)
    uid = models.CharField(max_length=32, blank=True)
    api_key = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 - many rows have none yet, and it is unique
    sealed_key = models.BinaryField(null=True)
    sealed_token = models.BinaryField(null=True)

    def __str__(self) -> str:
        """Name the account."""
        return self.uid or "not connected"

    def seal(self, values: Mapping[str, Any]) -> bytes:
        """Encrypt credentials or a token for this row."""
        return vault().encrypt(json.dumps([self.pk, dict(values)]).encode())

    def unseal(self, sealed: bytes) -> dict[str, Any]:
        """Decrypt a value that was encrypted for this row."""
        row, values = json.loads(vault().decrypt(bytes(sealed)))
        if row != self.pk:
            raise ValueError(f"this value was encrypted for row {row}, not for {self.pk}")
        return dict(values)

    def put_key(self, key: ApiKey) -> None:
        """Store a new key at once: KuCoin shows its secret only now."""
        credentials = {
            "api_name": key.api_name,
            "secret": key.secret,
            "passphrase": key.passphrase,
        }
        with transaction.atomic(durable=True):
            self.api_key = key.api_key
            self.sealed_key = self.seal(credentials)
            self.save(update_fields=["api_key", "sealed_key"])

    def get_key(self) -> ApiKey:
        """Return the stored key, to sign requests with."""
        return ApiKey(api_key=self.api_key or "", **self.unseal(self.sealed_key))


def vault() -> MultiFernet:
    """Return the object that encrypts with the first key, and decrypts with each of the keys."""
    return MultiFernet([Fernet(key) for key in settings.KUCOIN_VAULT_KEYS])


def active_token(account_id: int) -> dict[str, Any]:
    """Return a current token. If several workers need it, only one of them refreshes it.

    The row stays locked until KuCoin has answered. The other workers wait for the lock, and then
    read the pair that the first worker has stored.
    """
    with transaction.atomic(durable=True):
        account = KuCoinAccount.objects.select_for_update().get(pk=account_id)

        def store(fresh: Mapping[str, Any], **_old: object) -> None:
            account.sealed_token = account.seal(fresh)
            account.save(update_fields=["sealed_token"])

        with KuCoinOAuth2Session(
            settings.KUCOIN_CLIENT_ID,
            site=settings.KUCOIN_SITE,
            token=account.unseal(account.sealed_token),
            update_token=store,
        ) as kucoin:
            kucoin.ensure_active_token()
            return dict(kucoin.token)

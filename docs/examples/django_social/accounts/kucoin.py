"""Stores a new key, encrypted, as soon as it arrives, and marks it as connected at the end."""

import json

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from accounts.models import KuCoinKey
from authlib_kucoin import ApiKey


def keep_api_key(user: User, api_key: ApiKey, **_kwargs: object) -> None:
    """Store a new key as pending. If something fails later, the key stays pending.

    Commit at once, so that no later failure undoes the change. With ATOMIC_REQUESTS, ``durable``
    raises an error here; then store the key in another database.
    """
    with transaction.atomic(durable=True):
        KuCoinKey.objects.create(user=user, api_key=api_key.api_key, credentials=encrypt(api_key))


def approve_api_key(user: User, uid: str, response: dict[str, str], **_kwargs: object) -> None:
    """Mark the key as connected, because the account now belongs to this user."""
    keys = KuCoinKey.objects.filter(user=user, api_key=response["api_key"])
    keys.update(uid=uid, state="connected")


def encrypt(key: ApiKey) -> bytes:
    """Encrypt a key's credentials, with the public half of the key among them."""
    credentials = [key.api_key, key.secret, key.passphrase]
    return vault().encrypt(json.dumps(credentials).encode())


def vault() -> MultiFernet:
    """Return the object that encrypts and decrypts credentials."""
    return MultiFernet([Fernet(key) for key in settings.KUCOIN_VAULT_KEYS])

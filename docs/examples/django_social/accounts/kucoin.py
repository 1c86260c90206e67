"""Our two steps: a new key is kept before anything else, and approved when all went well."""

import json

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from accounts.models import KuCoinKey
from authlib_kucoin import ApiKey


def keep_api_key(user: User, api_key: ApiKey, **_kwargs: object) -> None:
    """Keep a new key: what fails from here on leaves it pending.

    It has to be committed at once. With ATOMIC_REQUESTS a later failure would undo it, so then
    keep it in a database of its own; ``durable`` makes sure that you notice.
    """
    with transaction.atomic(durable=True):
        KuCoinKey.objects.create(user=user, api_key=api_key.api_key, credentials=encrypt(api_key))


def approve_api_key(user: User, uid: str, response: dict[str, str], **_kwargs: object) -> None:
    """Mark the key as connected: the account is this user's."""
    keys = KuCoinKey.objects.filter(user=user, api_key=response["api_key"])
    keys.update(uid=uid, state="connected")


def encrypt(key: ApiKey) -> bytes:
    """Seal a key's credentials; they are bound to the key by holding its public half."""
    credentials = [key.api_key, key.secret, key.passphrase]
    return vault().encrypt(json.dumps(credentials).encode())


def vault() -> MultiFernet:
    """Return what seals and opens credentials."""
    return MultiFernet([Fernet(key) for key in settings.KUCOIN_VAULT_KEYS])

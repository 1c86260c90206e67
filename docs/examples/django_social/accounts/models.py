"""The keys that KuCoin has issued to our users."""
# pyright: basic
# (django-stubs tells the types of fields to mypy's plugin alone.)

from django.contrib.auth.models import User
from django.db import models


class KuCoinKey(models.Model):
    """A key, with encrypted credentials.

    A new key is pending. If a key stays pending, its account was not connected: the account belongs
    to another user, or something failed. Then tell the user to delete the key at KuCoin.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    api_key = models.CharField(max_length=64, unique=True)
    credentials = models.BinaryField()
    uid = models.CharField(max_length=32, blank=True)
    state = models.CharField(max_length=16, default="pending")
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        """Return the public half of the key, and its state."""
        return f"{self.api_key} ({self.state})"

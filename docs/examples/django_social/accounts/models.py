"""The keys that KuCoin has issued to our users."""
# pyright: basic
# (django-stubs tells the types of fields to mypy's plugin alone.)

from django.contrib.auth.models import User
from django.db import models


class KuCoinKey(models.Model):
    """A key; its credentials are encrypted.

    It begins as pending. One that stays so belongs to an account that was not connected: the
    account is another user's, or something failed. Tell the user to delete it at KuCoin.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    api_key = models.CharField(max_length=64, unique=True)
    credentials = models.BinaryField()
    uid = models.CharField(max_length=32, blank=True)
    state = models.CharField(max_length=16, default="pending")
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        """Show which key it is."""
        return f"{self.api_key} ({self.state})"

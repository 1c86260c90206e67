"""What the user should do about a key, judged by KuCoin's description of the key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from flask import current_app

from .models import ConnectedKey, now
from .permissions import WITHDRAWAL

_SOON: Final = 30 * 24 * 3600
#: What key info calls the site, by the value of ``KUCOIN_SITE``.
_SITE_TYPES: Final = {"eu": "europe", "global": "global", "australia": "australia"}


class Finding(NamedTuple):
    """Something that the user should do about a key."""

    text: str
    is_serious: bool = False


def findings(key: ConnectedKey) -> Iterator[Finding]:
    """Yield what the user should do about a key; nothing if it is gone or not yet described."""
    if key.uid is None or key.is_gone:
        return
    expected, found = set(current_app.config["KUCOIN_EXPECTED_PERMISSIONS"]), set(key.permissions)
    if withdrawal := _words(found & WITHDRAWAL):
        yield Finding(
            f"This key can withdraw funds ({withdrawal}), which we never need. Delete it at "
            "KuCoin, in API management, and disconnect it here.",
            is_serious=True,
        )
    site = _SITE_TYPES.get(current_app.config["KUCOIN_SITE"])
    if site and key.site_type and key.site_type != site:
        yield Finding(
            f"This key belongs to another KuCoin site ({key.site_type}), where we cannot use it. "
            "Disconnect it, and connect an account of the right site.",
            is_serious=True,
        )
    if key.expires_at and key.expires_at < now() + _SOON:
        yield Finding("This key expires within 30 days. Get a new key before that.")
    if more := _words(found - expected - WITHDRAWAL):
        yield Finding(
            f"This key can do more than we need: {more}. If you do not want that, edit the key at "
            "KuCoin, in API management, and press Check on the page of your accounts."
        )
    if missing := _words(expected - found):
        yield Finding(
            f"This key lacks {missing}, so some things here will not work. Get a new key, and "
            "approve everything that KuCoin lists."
        )
    if not key.ip_whitelist:
        yield Finding(
            "This key works from any IP address, and KuCoin stops such a key from trading after "
            "30 days without use. Ask our support for our addresses, and add them to the key at "
            "KuCoin, in API management."
        )


def _words(names: set[str]) -> str:
    return ", ".join(sorted(names))

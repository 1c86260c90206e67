"""What the user should know about a key, and what they can do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from flask import current_app

from .models import ConnectedKey, now
from .permissions import WITHDRAWAL

_SOON: Final = 30 * 24 * 3600
#: What key info calls the sites.
_SITE_TYPES: Final = {"eu": "europe", "global": "global", "australia": "australia"}


class Finding(NamedTuple):
    """Something that the user should do about a key."""

    is_serious: bool
    text: str


def findings(key: ConnectedKey) -> Iterator[Finding]:
    """Yield what follows from KuCoin's description of a key; nothing if all is well."""
    if key.uid is None:
        return
    expected, found = set(current_app.config["KUCOIN_EXPECTED_PERMISSIONS"]), set(key.permissions)
    if withdrawal := found & WITHDRAWAL:
        yield Finding(
            is_serious=True,
            text=f"This key can withdraw funds ({_words(withdrawal)}), which we never need. Delete "
            "it at KuCoin, in API management, and disconnect it here.",
        )
    site = _SITE_TYPES.get(current_app.config["KUCOIN_SITE"])
    if site and key.site_type and key.site_type != site:
        yield Finding(
            is_serious=True,
            text=f"This key belongs to another KuCoin site ({key.site_type}), where we cannot use "
            "it. Disconnect it, and connect an account of the right site.",
        )
    if key.expires_at and key.expires_at < now() + _SOON:
        yield Finding(
            is_serious=False, text="It expires within 30 days. Get a new key before that."
        )
    if more := found - expected - WITHDRAWAL:
        yield Finding(
            is_serious=False,
            text=f"It can do more than we need: {_words(more)}. If you do not want that, edit the "
            "key at KuCoin, in API management, and press Check here.",
        )
    if missing := expected - found:
        yield Finding(
            is_serious=False,
            text=f"It lacks {_words(missing)}, so some things here will not work. Get a new key, "
            "and approve everything that is listed.",
        )
    if not key.ip_whitelist:
        yield Finding(
            is_serious=False,
            text="It works from any IP address, and KuCoin takes trading away from such a key "
            "after 30 days without use. Ask our support for our addresses, and add them to the key "
            "at KuCoin, in API management.",
        )


def _words(names: set[str]) -> str:
    return ", ".join(sorted(names))

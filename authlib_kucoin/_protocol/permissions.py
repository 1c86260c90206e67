"""The permissions of a key in Fast API 2, and the body of the request that asks for them.

KuCoin's global page describes "FastAPI 2.0". The form of the request is known from one broker's
published client only: ask KuCoin whether your client id can use version 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from authlib_kucoin._errors import ConfigurationError

from .sites import Site

_WITHDRAW: Final = "API_WITHDRAW_OAUTH"
#: Every permission group, in the order of the published client. A request names all of them, each
#: with true or false.
_GROUPS: Final = (
    "API_COMMON",
    "API_SPOT",
    "API_FUTURES",
    "API_MARGIN",
    "API_EARN",
    "API_TRANSFER",
    _WITHDRAW,
)
_DEFAULT: Final = ("API_COMMON", "API_SPOT")


def api_key_body(site: Site, permissions: Iterable[str] | None) -> str:
    """Return the body of a request for a key: empty for Fast API 1, JSON for 2.

    Args:
        site: The site, whose ``fast_api`` is the version.
        permissions: KuCoin's names of the permissions; ``API_COMMON`` and ``API_SPOT`` if None.

    Raises:
        ConfigurationError: If permissions are given for Fast API 1. For Fast API 2, if they are a
            string, empty or not iterable, or if one of them is unknown or for withdrawals.
    """
    if site.fast_api == 1:
        if permissions is not None:
            raise _refused("Fast API 1 has no permissions=: leave it out, or set fast_api=2.")
        return ""
    wanted = _checked(_DEFAULT if permissions is None else permissions)
    groups = {group: group in wanted for group in _GROUPS}
    return json.dumps({"authGroupMap": groups, "isAddressbookOnly": False})


def _checked(permissions: Iterable[str]) -> set[str]:
    known = [group for group in _GROUPS if group != _WITHDRAW]
    if isinstance(permissions, str):
        raise _refused(f"permissions= is a list of names, not one text: [{permissions!r}].")
    try:
        wanted = set(permissions)
    except TypeError:
        wanted = set()
    if not wanted:
        raise _refused(f"permissions= names none: choose from {', '.join(known)}.")
    if _WITHDRAW in wanted:
        raise _refused(
            f"{_WITHDRAW} is never asked for, so leave it out: no bot needs to withdraw."
        )
    if unknown := sorted(map(str, wanted.difference(known))):
        raise _refused(
            f"Unknown permissions {', '.join(map(repr, unknown))}: choose from {', '.join(known)}."
        )
    return wanted


def _refused(text: str) -> ConfigurationError:
    return ConfigurationError(text, operation="create_api_key")

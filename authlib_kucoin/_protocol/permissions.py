"""The permissions of a key in Fast API 2, and the request that asks for them.

KuCoin's global page describes "FastAPI 2.0". The form of the request is known from one broker's
published client alone: confirm with KuCoin that your client id is for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from authlib_kucoin._errors import ConfigurationError

from .sites import Site

_WITHDRAW: Final = "API_WITHDRAW_OAUTH"
#: Every permission group, in the order of the published client. All are named in a request.
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
        site: The site, which tells the version.
        permissions: KuCoin's names of the permissions; ``API_COMMON`` and ``API_SPOT`` if None.

    Raises:
        ConfigurationError: If the version has no permissions, one is unknown, or one is for
            withdrawals.
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
        raise _refused(f"{_WITHDRAW} is never asked for: no bot needs a key that can withdraw.")
    if unknown := sorted(map(str, wanted.difference(known))):
        raise _refused(
            f"Unknown permissions {', '.join(map(repr, unknown))}: choose from {', '.join(known)}."
        )
    return wanted


def _refused(text: str) -> ConfigurationError:
    return ConfigurationError(text, operation="create_api_key")

"""The permissions of an API key: their names in each call, and what they allow."""

from __future__ import annotations

from typing import Final

#: For each permission that the sandbox can grant, by its name in ``authGroup`` (document section
#: 4): its name in key info, and what it allows. The example of section 4 has no API_FUTURES; Fast
#: API 2.0 has it. In key info, "Transfer" is the permission to withdraw, and "InnerTransfer" the
#: one to move funds between the user's own accounts.
PERMISSIONS: Final[dict[str, tuple[str, str]]] = {
    "API_COMMON": ("General", "Read your account: balances, orders and trade history"),
    "API_SPOT": ("Spot", "Place and cancel spot orders"),
    "API_FUTURES": ("Futures", "Place and cancel futures orders"),
    "API_MARGIN": ("Margin", "Place and cancel margin orders, borrow and repay"),
    "API_EARN": ("Earn", "Subscribe to and redeem Earn products"),
    "API_TRANSFER": ("InnerTransfer", "Move funds between your own KuCoin accounts"),
}

#: Fast API 2.0 names this group as well. The sandbox never grants it.
WITHDRAW: Final = "API_WITHDRAW_OAUTH"

#: In Fast API 2.0, a request for a key names each of these groups, with true or false.
GROUPS: Final = (*PERMISSIONS, WITHDRAW)


def in_key_info(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return permissions in the words of ``GET /api/v1/user/api-key``."""
    return tuple(PERMISSIONS[name][0] for name in names)

"""KuCoin's permissions: their names in key info, and other names to ask for some of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_WITHDRAW: Final = "Withdraw funds"

#: What each permission allows, by its name in key info. "Transfer" means withdrawing.
PERMISSIONS: Final = {
    "General": "Read balances, orders and history",
    "Spot": "Place and cancel spot orders",
    "Margin": "Place margin orders, borrow and repay",
    "Futures": "Place and cancel futures orders",
    "Earn": "Subscribe to and redeem Earn products",
    "InnerTransfer": "Move funds between the account's own wallets",
    "Transfer": _WITHDRAW,
    "Withdraw": _WITHDRAW,
    "Withdrawal": _WITHDRAW,
}
#: The name in key info, by the name to ask for (``KUCOIN_PERMISSIONS``).
NAMES: Final = {
    "API_COMMON": "General",
    "API_SPOT": "Spot",
    "API_FUTURES": "Futures",
    "API_MARGIN": "Margin",
    "API_EARN": "Earn",
    "API_TRANSFER": "InnerTransfer",
}
_BASIC: Final = ("API_COMMON", "API_SPOT")
WITHDRAWAL: Final = {name for name, meaning in PERMISSIONS.items() if meaning == _WITHDRAW}


def fewer(asked: Sequence[str]) -> list[str]:
    """Return fewer permissions to ask for after KuCoin refused ``asked``; empty if none is left.

    The order of ``asked`` does not matter.
    """
    basic = [name for name in _BASIC if name in asked]
    return basic if set(asked) - set(basic) else basic[:-1]

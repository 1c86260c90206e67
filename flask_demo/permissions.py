"""KuCoin's permissions, which have one name when a key is made and another in its description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_WITHDRAW: Final = "Withdraw funds"

#: What each permission allows. "Transfer" is KuCoin's word for withdrawing.
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
#: The names when a key is made (``KUCOIN_PERMISSIONS``), and those in key info.
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
    """Return fewer permissions to ask for if KuCoin refused; an empty list if none is left."""
    basic = [name for name in asked if name in _BASIC]
    if len(basic) == len(asked):
        basic = basic[:-1]
    return basic

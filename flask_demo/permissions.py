"""The permissions of a key, in the words of KuCoin's key info."""

from __future__ import annotations

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
WITHDRAWAL: Final = {name for name, meaning in PERMISSIONS.items() if meaning == _WITHDRAW}

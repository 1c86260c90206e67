"""Scenarios for people to choose on the start page: options that change together, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ._options import SandboxOptions


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is different at KuCoin, and what a broker's site has to cope with then."""

    title: str
    text: str
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])


#: The scenario that changes nothing.
AS_STARTED: Final = "as-started"

#: Every scenario, by name.
SCENARIOS: Final[dict[str, Scenario]] = {
    AS_STARTED: Scenario("As started", "The options that the sandbox was started with."),
    "no-address": Scenario(
        "Keys bound to no address",
        "A new key works from anywhere, and KuCoin ends it after 30 days without use.",
        {"ip_whitelist": ()},
    ),
    "other-address": Scenario(
        "Keys bound to another address",
        "A new key is bound to 203.0.113.9, so each call that it signs is refused with 400006.",
        {"ip_whitelist": ("203.0.113.9",)},
    ),
    "more-permissions": Scenario(
        "More permissions than asked for",
        "Key info reports futures and margin trading, whatever the broker asked for.",
        {"reported_permissions": ("General", "Spot", "Futures", "Margin")},
    ),
    "withdrawals": Scenario(
        "Keys that can withdraw",
        "Key info reports Transfer, which is KuCoin's word for withdrawing.",
        {"reported_permissions": ("General", "Spot", "Transfer")},
    ),
    "no-futures": Scenario(
        "Account without futures",
        "A request of Fast API 2.0 for a key with API_FUTURES is refused with 40503.",
        {"futures_opened": False},
    ),
    "refused": Scenario(
        "No key is granted",
        "Each request for a key is refused with 40503, risk validation.",
        {"permission_mismatch": True},
    ),
    "full": Scenario(
        "Account full of keys",
        "The user has as many keys as KuCoin allows, and has to delete one first.",
        {"max_keys": 0},
    ),
    "ending": Scenario(
        "Keys that end",
        "A new key ends after 7 days; wind the clock forward to see it end.",
        {"key_days": 7},
    ),
    "sub-account": Scenario(
        "Sub-account",
        "The user connects a sub-account, named savings.",
        {"sub_name": "savings"},
    ),
    "two-accounts": Scenario(
        "Two accounts",
        "The consent page asks which account to connect: alice@example.com or bob@example.com.",
        {"account": ("alice@example.com", "bob@example.com")},
    ),
}


def options_of(name: str, options: SandboxOptions) -> SandboxOptions:
    """Return options as a scenario changes them.

    Raises:
        ValueError: There is no such scenario; the text lists those there are.
    """
    if name not in SCENARIOS:
        raise ValueError(f"unknown scenario {name[:100]!r}; known are {', '.join(SCENARIOS)}")
    changes = SCENARIOS[name].changes
    return replace(options, **changes) if changes else options

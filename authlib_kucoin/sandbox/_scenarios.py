"""Scenarios: changes of options, chosen by name while the sandbox runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ._options import SandboxOptions


@dataclass(frozen=True, slots=True)
class Scenario:
    """A case that a broker's site has to cope with.

    Attributes:
        title: The case in a few words.
        text: The case in a sentence or two.
        changes: The options that differ, by name.
    """

    title: str
    text: str
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])


#: The scenario that changes nothing.
AS_STARTED: Final = "as-started"

#: Every scenario, by name.
SCENARIOS: Final[dict[str, Scenario]] = {
    AS_STARTED: Scenario("As started", "The sandbox has the options that it was started with."),
    "no-address": Scenario(
        "Keys bound to no address",
        "A new key works from any address. KuCoin may delete such a key after 30 days without "
        "use; the sandbox does not.",
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
        "Key info reports the permission Transfer, which is KuCoin's word for withdrawals.",
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
        "Each request for a key is refused: the user has as many keys as KuCoin allows, and has "
        "to delete one first.",
        {"max_keys": 0},
    ),
    "ending": Scenario(
        "Keys that expire",
        "A new key expires after 7 days. Wind the clock forward to see that.",
        {"key_days": 7},
    ),
    "sub-account": Scenario(
        "Sub-account",
        "The user connects a sub-account, which is named savings.",
        {"sub_name": "savings"},
    ),
    "two-accounts": Scenario(
        "Two accounts",
        "The consent page asks which account to connect: alice@example.com or bob@example.com.",
        {"account": ("alice@example.com", "bob@example.com")},
    ),
}


def options_of(name: str, options: SandboxOptions) -> SandboxOptions:
    """Return options with the changes of a scenario.

    Raises:
        ValueError: There is no such scenario; the text lists the scenarios.
    """
    if name not in SCENARIOS:
        raise ValueError(f"unknown scenario {name[:100]!r}; known are {', '.join(SCENARIOS)}")
    changes = SCENARIOS[name].changes
    return replace(options, **changes) if changes else options

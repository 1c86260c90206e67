"""Chooses a fault for one in five calls to KuCoin that ask for a token, a new key or key info.

Refreshes get no faults. Some faults only delay the answer. The same seed leads to the same choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final

from authlib_kucoin.sandbox import PLAIN_FAULTS, Sandbox

_OPERATIONS: Final = ("token", "create_api_key", "api_key_info")
_FAULTS: Final = (
    *PLAIN_FAULTS,
    "401",
    "403",
    "429",
    "500",
    "502",
    "503",
    "504",
    "delay:0.2",
    "delay:0.5",
    "envelope:1:refused",
    "oauth:invalid_grant",
    "envelope:1:The number of user's apiKey reaches to the maximum level",
    "envelope:1:Repeated apiName",
    "envelope:40503:risk validation",
)
#: Three more of each fault with which the sandbox does what was asked, but its answer is lost. So
#: each of these faults comes four times as often as any other fault.
_LOST: Final = ("truncated", "cut", "lost", "reset_after") * 3
_ONE_IN: Final = 5
_NONE: Final = "delay:0"


class FaultPlan:
    """A fault, or none, for each call, chosen before the first call.

    Args:
        seed: The same seed leads to the same faults.
        calls: The number of calls of each operation to choose faults for.
    """

    def __init__(self, seed: int, calls: int) -> None:
        """Choose the faults."""
        self._planned = {
            operation: list(islice(_drawn(Random(f"{seed} {operation}")), calls))
            for operation in _OPERATIONS
        }

    def queue(self, sandbox: Sandbox) -> None:
        """Queue the faults in the sandbox."""
        for operation, faults in self._planned.items():
            for fault in faults:
                sandbox.fail_next(operation, fault)

    def injected(self, totals: dict[str, int]) -> Counter[str]:
        """Return how many of the queued faults were used up, by operation.

        Args:
            totals: How many calls the sandbox has had, by operation.
        """
        return Counter(
            {
                operation: sum(fault != _NONE for fault in faults[: totals.get(operation, 0)])
                for operation, faults in self._planned.items()
            }
        )


def _drawn(random: Random) -> Iterator[str]:
    """Yield a fault, as from a pack of cards, for about one call in five; otherwise ``delay:0``.

    A pack holds all faults and is shuffled. When it is used up, a new pack is begun.
    """
    pack: list[str] = []
    while True:
        if random.randrange(_ONE_IN):
            yield _NONE
            continue
        if not pack:
            pack = [*_FAULTS, *_LOST]
            random.shuffle(pack)
        yield pack.pop()

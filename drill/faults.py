"""Which calls go wrong, and how: one in five, and the same ones whenever the seed is the same."""

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
#: These come more often: the call is acted upon, and the answer is lost.
_LOST: Final = ("truncated", "cut", "lost", "reset_after") * 3
_ONE_IN: Final = 5
_NONE: Final = "delay:0"


class FaultPlan:
    """What becomes of each call, written down before the first.

    Args:
        seed: Decides what is drawn.
        calls: For how many calls of each operation the plan is.
    """

    def __init__(self, seed: int, calls: int) -> None:
        """Draw."""
        self._planned = {
            operation: list(islice(_drawn(Random(f"{seed} {operation}")), calls))
            for operation in _OPERATIONS
        }

    def queue(self, sandbox: Sandbox) -> None:
        """Tell the sandbox."""
        for operation, faults in self._planned.items():
            for fault in faults:
                sandbox.fail_next(operation, fault)

    def injected(self, totals: dict[str, int]) -> Counter[str]:
        """Return how many faults each operation has met with.

        Args:
            totals: How many calls each operation has had.
        """
        return Counter(
            {
                operation: sum(fault != _NONE for fault in faults[: totals.get(operation, 0)])
                for operation, faults in self._planned.items()
            }
        )


def _drawn(random: Random) -> Iterator[str]:
    """Yield one fault in five. They are dealt from a pack, so that each kind has its turn."""
    pack: list[str] = []
    while True:
        if random.randrange(_ONE_IN):
            yield _NONE
            continue
        if not pack:
            pack = [*_FAULTS, *_LOST]
            random.shuffle(pack)
        yield pack.pop()

"""The faults that are waiting: one queue per operation."""

from __future__ import annotations

import random
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from ._faults import FAULT_FORMS, Fault
from ._http import Request, Response

#: The calls of KuCoin whose answers faults can spoil. "rest" is every known REST call but key info.
OPERATIONS: Final = (
    "authorize",
    "token",
    "refresh",
    "validate",
    "create_api_key",
    "api_key_info",
    "rest",
)

#: Client methods whose names work as names of operations, besides `create_api_key`.
_BY_METHOD: Final = {
    "authorize_redirect": "authorize",
    "authorize_access_token": "token",
    "fetch_token": "token",
    "refresh_access_token": "refresh",
    "refresh_token": "refresh",
    "validate_access_token": "validate",
    "get_api_key_info": "api_key_info",
}

_MAX_TIMES: Final = 1_000_000


def operation_named(name: str) -> str:
    """Return the operation of this name, or of this client method.

    Raises:
        ValueError: There is no such operation; the text lists the operations.
    """
    operation = _BY_METHOD.get(name, name)
    if operation not in OPERATIONS:
        raise ValueError(f"unknown operation {name!r}; known are {', '.join(OPERATIONS)}")
    return operation


@dataclass(frozen=True, slots=True)
class WaitingFault:
    """A fault that waits for calls of its operation.

    Attributes:
        operation: One of `OPERATIONS`. The names of some client methods are turned into their
            operations.
        fault: What happens to each call that this fault strikes.
        times: How many calls this fault has yet to strike.
        probability: The chance that this fault strikes a call. A call that is spared gets its
            normal answer, and does not count towards `times`.
        latency: How many seconds to add to the delay of each spoilt answer.

    Raises:
        ValueError: The operation or the fault is unknown, or a number is out of range. The text
            says which values are allowed.
    """

    operation: str
    fault: Fault
    times: int = 1
    probability: float = 1.0
    latency: float = 0.0

    def __post_init__(self) -> None:
        """Turn a method's name into its operation, and check the values."""
        object.__setattr__(self, "operation", operation_named(self.operation))
        if not self.fault.is_known:
            raise ValueError(
                f"unknown fault {self.fault.kind!r}; known are {', '.join(FAULT_FORMS)}"
            )
        if not isinstance(self.times, int) or not 1 <= self.times <= _MAX_TIMES:
            raise ValueError(f"times must be a whole number from 1 to {_MAX_TIMES}")
        if not 0 < self.probability <= 1:
            raise ValueError("probability must be a number above 0 and up to 1")
        Fault.delay(self.latency)  # raises an error if the latency is out of range

    def answer(self, request: Request, act: Callable[[], Response]) -> Response:
        """Return the spoilt answer, delayed by `latency`; see `Fault.answer`."""
        response = self.fault.answer(request, act)
        return replace(response, delay=response.delay + self.latency)

    def as_dict(self) -> dict[str, object]:
        """Return the fault as JSON data."""
        return {
            "operation": self.operation,
            "fault": str(self.fault),
            "times": self.times,
            "probability": self.probability,
            "latency": self.latency,
        }


class FaultQueue:
    """The faults that are waiting: for each operation a queue, first in, first out."""

    def __init__(self) -> None:
        """Start with no fault."""
        self._lock = threading.Lock()
        self._queues: defaultdict[str, deque[WaitingFault]] = defaultdict(deque)

    def add(self, fault: WaitingFault) -> None:
        """Put a fault at the end of its operation's queue."""
        with self._lock:
            self._queues[fault.operation].append(fault)

    def take(self, operation: str) -> WaitingFault | None:
        """Return the fault that strikes an operation's call; its `times` in the queue falls by 1.

        Return None if no fault waits for the operation, or if the first one's `probability` spares
        the call.
        """
        with self._lock:
            queue = self._queues[operation]
            if not queue or random.random() >= queue[0].probability:  # noqa: S311 - not a secret
                return None
            fault = queue.popleft()
            if fault.times > 1:
                queue.appendleft(replace(fault, times=fault.times - 1))
            return fault

    def waiting(self) -> tuple[WaitingFault, ...]:
        """Return the faults that have not yet struck as often as was asked for."""
        with self._lock:
            return tuple(fault for queue in self._queues.values() for fault in queue)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._queues.clear()

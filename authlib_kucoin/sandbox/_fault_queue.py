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

#: The calls of KuCoin that can be made to fail. "rest" is every REST call but key info.
OPERATIONS: Final = (
    "authorize",
    "token",
    "refresh",
    "validate",
    "create_api_key",
    "api_key_info",
    "rest",
)

#: Client methods, as other names for operations.
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
        ValueError: There is no such operation; the text lists those there are.
    """
    operation = _BY_METHOD.get(name, name)
    if operation not in OPERATIONS:
        raise ValueError(f"unknown operation {name!r}; known are {', '.join(OPERATIONS)}")
    return operation


@dataclass(frozen=True, slots=True)
class WaitingFault:
    """A fault that waits for calls of its operation.

    Attributes:
        times: How many calls it has yet to spoil.
        probability: The chance that it spoils a call; the other calls pass unharmed.
        latency: How many seconds each spoilt answer is held back.
    """

    operation: str
    fault: Fault
    times: int = 1
    probability: float = 1.0
    latency: float = 0.0

    def answer(self, request: Request, act: Callable[[], Response]) -> Response:
        """Return the spoilt answer; see `Fault.answer`."""
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
    """The faults that are waiting, first in, first out, for each operation."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._queues: defaultdict[str, deque[WaitingFault]] = defaultdict(deque)

    def add(
        self,
        operation: str,
        fault: Fault | str,
        *,
        times: int = 1,
        probability: float = 1.0,
        latency: float = 0.0,
    ) -> None:
        """Queue a fault for the next calls of an operation.

        Raises:
            ValueError: The operation or the fault is unknown, or a number is out of range; the
                text says which are right.
        """
        operation = operation_named(operation)
        known = fault if isinstance(fault, Fault) else Fault.parse(str(fault))
        if not known.is_known:
            raise ValueError(f"unknown fault {known.kind!r}; known are {', '.join(FAULT_FORMS)}")
        if not 1 <= times <= _MAX_TIMES:
            raise ValueError(f"times must be a number from 1 to {_MAX_TIMES}")
        if not 0 < probability <= 1:
            raise ValueError("probability must be a number above 0 and up to 1")
        latency = Fault.delay(latency).seconds
        with self._lock:
            self._queues[operation].append(
                WaitingFault(operation, known, times, probability, latency)
            )

    def take(self, operation: str) -> WaitingFault | None:
        """Return the fault that this call of an operation gets, if any."""
        with self._lock:
            queue = self._queues[operation]
            if not queue or random.random() >= queue[0].probability:  # noqa: S311 - not a secret
                return None
            fault = queue.popleft()
            if fault.times > 1:
                queue.appendleft(replace(fault, times=fault.times - 1))
            return fault

    def waiting(self) -> tuple[WaitingFault, ...]:
        """Return the faults that have yet to spoil a call."""
        with self._lock:
            return tuple(fault for queue in self._queues.values() for fault in queue)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._queues.clear()

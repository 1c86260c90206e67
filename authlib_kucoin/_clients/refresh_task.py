"""The task of an async refresh, which neither its caller nor the end of the loop interrupts.

Cancelling a refresh that KuCoin has answered would lose the pair for every holder of the old one.
So it runs in a task of its own, which its caller awaits shielded. ``asyncio.run``, and the runners
of pytest-asyncio and anyio, cancel all tasks when the main one has ended. They do that while the
loop stands still, and then run the loop until all tasks have ended. Time-outs inside the task
(``asyncio.timeout``, anyio) cancel it while the loop runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

from .flight import LONGEST_WAIT, REMEMBER_SECONDS

#: The event loop itself holds only weak references to its tasks.
_tasks: Final[set[RefreshTask]] = set()


class RefreshTask(asyncio.Task[None]):
    """A task that goes on for a while if it is cancelled because its loop ends.

    Args:
        work: What to do.
        owner: The client whose connections are used.
        longest: For how many seconds it goes on.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, None],
        *,
        owner: object = None,
        longest: float = LONGEST_WAIT,
    ) -> None:
        super().__init__(work, loop=asyncio.get_running_loop())
        self._owner = owner
        self._longest = longest
        self._began = time.monotonic()
        _tasks.add(self)
        self.add_done_callback(_tasks.discard)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel, but not at once if the loop ends."""
        loop = self.get_loop()
        if loop.is_running() or loop.is_closed():
            return super().cancel(msg)
        loop.call_later(self._longest, super().cancel, msg)
        return False

    @property
    def is_abandoned(self) -> bool:
        """Whether it can no longer end."""
        return self.get_loop().is_closed() or time.monotonic() - self._began > REMEMBER_SECONDS


async def wait_for_refreshes(owner: object = None) -> None:
    """Wait until the refreshes of this event loop, and their ``update_token``, have ended.

    Args:
        owner: The client whose refreshes to wait for; unless given, all.
    """
    loop, caller = asyncio.get_running_loop(), asyncio.current_task()
    running = [
        task
        for task in _tasks.copy()  # other event loops change it in their threads
        if task.get_loop() is loop and task is not caller and owner in (None, task._owner)
    ]
    if running:
        await asyncio.wait(running, timeout=max(task._longest for task in running))


def drop_abandoned_tasks() -> None:
    """Let go of tasks that can no longer end; they hold tokens."""
    _tasks.difference_update([task for task in _tasks.copy() if task.is_abandoned])

"""The task of an async refresh. It goes on if its caller is cancelled or its loop is about to end.

If a refresh were cancelled after KuCoin has answered, the new token pair would be lost, and the old
access token no longer works. So a refresh runs in a task of its own, which its caller awaits
through ``asyncio.shield``.

``asyncio.run``, and the runners of pytest-asyncio and anyio, cancel all tasks when the main one has
ended. They do so while the loop does not run, and then run it until all tasks have ended. Such a
cancellation is delayed by the time limit of the refresh's request. Time-outs inside the task
(``asyncio.timeout``, anyio) cancel it while the loop runs, and take effect at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

from .flight import LONGEST_WAIT, REMEMBER_SECONDS

#: The tasks that have not ended. An event loop itself holds only weak references to its tasks.
_tasks: Final[set[RefreshTask]] = set()


class RefreshTask(asyncio.Task[None]):
    """A task that goes on for a while if it is cancelled because its loop ends.

    Args:
        work: The coroutine to run.
        owner: The client that sends the refresh.
        longest: How many seconds the task goes on at most after such a cancellation.
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
        """Cancel the task at once; ``longest`` seconds later if its loop is open but not running.

        A loop that is open but not running counts as about to end; see the module's docstring.
        """
        loop = self.get_loop()
        if loop.is_running() or loop.is_closed():
            return super().cancel(msg)
        loop.call_later(self._longest, super().cancel, msg)
        return False

    @property
    def is_abandoned(self) -> bool:
        """Whether to give the task up: its loop is closed, or it is more than ten minutes old."""
        return self.get_loop().is_closed() or time.monotonic() - self._began > REMEMBER_SECONDS


async def wait_for_refreshes(owner: object = None) -> None:
    """Wait until the refreshes of this event loop, and their ``update_token``, have ended.

    The wait takes at most as long as the largest ``longest`` of these refreshes.

    Args:
        owner: The client whose refreshes to wait for; all refreshes if left out.
    """
    loop, caller = asyncio.get_running_loop(), asyncio.current_task()
    running = [
        task
        for task in _tasks.copy()  # other threads can change the set meanwhile
        if task.get_loop() is loop and task is not caller and owner in (None, task._owner)
    ]
    if running:
        await asyncio.wait(running, timeout=max(task._longest for task in running))


def drop_abandoned_tasks() -> None:
    """Remove the references to abandoned tasks, because the tasks hold tokens."""
    _tasks.difference_update([task for task in _tasks.copy() if task.is_abandoned])

"""One refresh per process, however many callers hold the expired token.

A new pair invalidates the old access token at once (document section 6.3), so a second refresh of
the same token would leave the first caller with nothing. Whether the old refresh token is spent
too is not documented; both are handled. All threads and tasks of a process share one request and
its outcome. For ten minutes, later callers with the old token get the new pair from memory.

``update_token`` is called with each new pair until one call has succeeded: if a call fails, the
next caller with the old token calls its own ``update_token`` with the pair.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final

from authlib_kucoin._errors import KuCoinError
from authlib_kucoin._models import KuCoinToken

from .flight import LONGEST_WAIT, REMEMBER_SECONDS, Flight
from .refresh_task import RefreshTask, drop_abandoned_tasks

#: How many outcomes are remembered at most.
REMEMBER_AT_MOST: Final = 1024


class Refreshes:
    """The refreshes of one process: those in flight, and those of the last ten minutes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: OrderedDict[bytes, Flight] = OrderedDict()
        self._in_flight: set[Flight] = set()
        self._sweeper: threading.Timer | None = None

    def share(
        self,
        endpoint: str,
        old: Mapping[str, Any],
        perform: Callable[[], KuCoinToken],
        update_token: Callable[[KuCoinToken], object] | None = None,
        *,
        longest: float = LONGEST_WAIT,
        owner: object = None,
    ) -> KuCoinToken:
        """Return the new pair: ask for it, wait for another caller's request, or remember it.

        Args:
            endpoint: Where the pair is asked for.
            old: The old pair, or a mapping with its refresh token alone.
            perform: Asks for the new pair.
            update_token: Called with the new pair by the caller that asked for it, or by the next
                one if that call failed.
            longest: Seconds after which ``perform`` has ended for certain.
            owner: The client that performs it.

        Raises:
            KuCoinError: If the refresh failed. All waiters receive the error.
        """
        # Made before the try block, so that after an interrupt the registered flight is ended.
        own = Flight(endpoint, old, longest=longest, owner=owner)
        try:
            flight = self._join(own, tells=update_token is not None)
            if flight is own:
                token = perform()
                # Publish to waiters first, so they get the pair even if update_token fails.
                own.succeed(token)
            else:
                flight.wait()
                token = flight.told()
            if update_token and own.has_to_tell:
                update_token(token)
        except BaseException as error:
            own.give_up(error)
            raise
        return KuCoinToken(token)

    async def share_async(
        self,
        endpoint: str,
        old: Mapping[str, Any],
        perform: Callable[[], Awaitable[KuCoinToken]],
        update_token: Callable[[KuCoinToken], Awaitable[object]] | None = None,
        *,
        longest: float = LONGEST_WAIT,
        owner: object = None,
    ) -> KuCoinToken:
        """Return the new pair, as :meth:`share` does. Cancelling a caller loses nothing.

        Args:
            endpoint: As in :meth:`share`.
            old: As in :meth:`share`.
            perform: As in :meth:`share`, but awaited.
            update_token: As in :meth:`share`, but awaited.
            longest: As in :meth:`share`.
            owner: As in :meth:`share`.
        """
        loop = asyncio.get_running_loop()
        own = Flight(endpoint, old, longest=longest, owner=owner, loop=loop)
        work: Coroutine[Any, Any, None] | None = None
        try:
            flight = self._join(own, tells=update_token is not None)
            if flight is own:
                work = _lead(own, perform, update_token)
            else:
                waiter = asyncio.wrap_future(flight.outcome)
                # asyncio logs an error that nobody retrieves; told() raises a copy of it.
                waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
                await asyncio.wait((waiter,), timeout=flight.patience)
                if update_token and own.has_to_tell:
                    work = _tell(flight.told(), update_token)
            if work:
                task = RefreshTask(work, owner=owner, longest=longest)
                task.add_done_callback(partial(_give_up_if_failed, own))
        except BaseException as error:
            own.give_up(error)
            raise
        if work:
            await asyncio.shield(task)
        return flight.told()

    def wait_for(self, owner: object) -> None:
        """Block until no other thread uses a client's connections for a refresh."""
        with self._lock:
            flights = [flight for flight in self._in_flight if flight.is_led_for(owner)]
        for flight in flights:
            flight.wait()

    def _join(self, own: Flight, *, tells: bool) -> Flight:
        """Register a flight, or return the one to join.

        Args:
            own: The caller's flight.
            tells: Whether the caller has an ``update_token``. It is then called for the refresh of
                the caller's own pair, even if the new pair was refreshed again since: only with
                the old refresh token can the application find the row to change.
        """
        with self._lock:
            earlier = self._flights.get(own.key)
            latest = earlier.latest_of(self._flights, own) if earlier else None
            if earlier and latest:
                if tells and earlier.has_ended:
                    own.claim(earlier)
                return latest
            self._flights[own.key] = own
            self._flights.move_to_end(own.key)
            self._in_flight.add(own)
            self._tidy()
            self._sweep_later()
            if tells:
                own.claim(own)
            return own

    def _tidy(self, *, thorough: bool = False) -> None:
        """Drop what is over, and the oldest outcomes if there are too many.

        Args:
            thorough: Whether to look at each outcome. They are sorted by when they began, so
                otherwise the first young one ends the search.
        """
        drop_abandoned_tasks()
        for flight in [each for each in self._in_flight if each.has_ended or each.is_over]:
            self._in_flight.discard(flight)
            if flight.is_over and self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
        excess = len(self._flights) - REMEMBER_AT_MOST
        for key, flight in list(self._flights.items()):
            if not flight.has_ended:
                continue
            if flight.is_over or excess > 0:
                del self._flights[key]
                excess -= 1
            elif not thorough:
                break

    def _sweep_later(self) -> None:
        """Have the oldest flight dropped in time even if no other refresh follows."""
        if self._sweeper or not self._flights:
            return
        oldest = min(flight.since for flight in self._flights.values())
        # At least 1 s. Otherwise the sweeper would run in a loop until an outcome is old enough.
        wait = max(1.0, oldest + REMEMBER_SECONDS - time.monotonic())
        sweeper = threading.Timer(wait, self._sweep)
        sweeper.daemon = True
        with contextlib.suppress(RuntimeError):  # no thread can start while the process ends
            sweeper.start()
            self._sweeper = sweeper

    def _sweep(self) -> None:
        with self._lock:
            self._sweeper = None
            self._tidy(thorough=True)
            self._sweep_later()


async def _lead(
    flight: Flight,
    perform: Callable[[], Awaitable[KuCoinToken]],
    update_token: Callable[[KuCoinToken], Awaitable[object]] | None,
) -> None:
    try:
        token = await perform()
        flight.succeed(token)
    except BaseException as error:
        flight.fail(error)
        if isinstance(error, KuCoinError):
            return  # the flight raises it, for the leader as for the others
        raise
    if update_token:
        await _tell(token, update_token)


async def _tell(
    token: KuCoinToken, update_token: Callable[[KuCoinToken], Awaitable[object]]
) -> None:
    try:
        await update_token(token)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # The end of the loop has cancelled a task that update_token was waiting for.
        await update_token(token)


def _give_up_if_failed(own: Flight, task: asyncio.Task[None]) -> None:
    if task.cancelled():  # maybe before its first step
        own.give_up(asyncio.CancelledError())
    elif error := task.exception():
        own.give_up(error)


refreshes = Refreshes()
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    # In the child, the threads that would end the flights, or release the lock, do not exist.
    os.register_at_fork(after_in_child=refreshes.__init__)  # type: ignore[misc]

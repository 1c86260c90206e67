"""One refresh per process, however many callers refresh the same token.

A new pair (access token and refresh token) invalidates the old access token at once (document
section 6.3). So if two callers refreshed the same token, only one of them would have a valid pair.
Whether a refresh also invalidates the old refresh token is not documented; both cases are handled.
All threads and tasks of a process share one request and its outcome. For ten minutes, later callers
with the old token get the latest pair from memory, which holds the last 1024 refreshes.

The caller that sent the request calls its ``update_token`` with the new pair. If it has no
``update_token``, or its ``update_token`` fails, the next caller that comes later with the old token
calls its own, and so on until one has succeeded. Callers that came with the old token while the
request was in flight do not call theirs.
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

#: The most refreshes that are remembered.
REMEMBER_AT_MOST: Final = 1024


class Refreshes:
    """The refreshes of one process: those in flight, and up to 1024 of the last ten minutes."""

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
        """Return the new pair: from KuCoin, from the request of another caller, or from memory.

        Args:
            endpoint: URL of the refresh endpoint.
            old: The old pair, or a mapping with at least its refresh token.
            perform: Sends the request and returns the new pair.
            update_token: Called with the new pair if this caller is responsible for that; see the
                module's docstring.
            longest: The time limit of ``perform``, in seconds.
            owner: The client that ``perform`` sends with.

        Raises:
            KuCoinError: If the refresh failed, or that of another caller gave no result. A
                KuCoinError of ``perform`` is raised to all callers that share the refresh. Any
                other error of ``perform`` is raised only to the caller that sent the request; the
                others get KuCoinUnavailable. An error of ``update_token`` is raised only to the
                caller that called ``update_token``.
        """
        # Made before the try block, so that after an interrupt in _join the flight is ended.
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
        """Return the new pair, as :meth:`share` does. A cancelled caller's refresh goes on.

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
                # Retrieve the error, or asyncio would log it. told() raises a copy of it.
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
        """Block until the refreshes that other threads perform with a client end or time out."""
        with self._lock:
            flights = [flight for flight in self._in_flight if flight.is_led_for(owner)]
        for flight in flights:
            flight.wait()

    def _join(self, own: Flight, *, tells: bool) -> Flight:
        """Register and return the caller's flight, or return an earlier flight to use instead.

        Args:
            own: The caller's flight.
            tells: Whether the caller has an ``update_token``. If so, the caller becomes responsible
                for calling it with the latest pair, if it sends the request, or if its own pair was
                replaced before and no caller is responsible. (The application uses the old refresh
                token to find the stored pair, which it replaces.)
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
        """Remove the flights that are over and, if there are too many, the oldest that have ended.

        Args:
            thorough: Whether to look at every flight. Otherwise the search stops at the first ended
                flight that is kept, because flights are sorted by when they began.
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
        """Start a timer that removes the oldest flight when it is over, if no timer runs yet."""
        if self._sweeper or not self._flights:
            return
        oldest = min(flight.since for flight in self._flights.values())
        # Wait at least 1 s, or the timer could restart without a pause until a flight is over.
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
            return  # told() raises it, for the leader and the waiters
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
        # This task was not cancelled, but another one was (by the end of the loop, for example),
        # which update_token awaited. So call update_token again.
        await update_token(token)


def _give_up_if_failed(own: Flight, task: asyncio.Task[None]) -> None:
    if task.cancelled():  # perhaps before its first step
        own.give_up(asyncio.CancelledError())
    elif error := task.exception():
        own.give_up(error)


refreshes = Refreshes()
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    # A child starts without flights, because the threads that would end them, or release the lock,
    # exist in the parent only.
    os.register_at_fork(after_in_child=refreshes.__init__)  # type: ignore[misc]

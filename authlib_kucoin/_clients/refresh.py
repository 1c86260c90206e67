"""One refresh, however many hold the expired token.

With a new pair the old access token is dead at once (document section 6.3), so a second refresh
of one token would leave the first caller with nothing. Whether the old refresh token is spent as
well is not known: either may be so. Within a process all callers, threads and tasks alike, share
one request and its outcome; who comes a little late with the old token is given the new pair from
memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final

from authlib_kucoin._errors import KuCoinError, KuCoinUnavailable, ReauthorizationRequired
from authlib_kucoin._models import KuCoinToken

#: How long, in seconds, and how many outcomes are remembered for those who come late. A refresh
#: that has not ended by then is given up on.
REMEMBER_SECONDS: Final = 600.0
REMEMBER_AT_MOST: Final = 1024
#: How long somebody else's refresh is waited for, in seconds.
LONGEST_WAIT: Final = 60.0


class _Flight:
    """One refresh under way, or its outcome."""

    __slots__ = ("loop", "outcome", "replaced", "rotated", "since", "thread")

    def __init__(self, replaced: bytes | None) -> None:
        self.outcome: Future[KuCoinToken] = Future()
        # Running futures cannot be cancelled: a waiter that gives up harms no other.
        self.outcome.set_running_or_notify_cancel()
        self.thread = threading.get_ident()
        #: The event loop that it is under way in, if it is.
        self.loop: asyncio.AbstractEventLoop | None = None
        #: When it began, or when it ended.
        self.since = time.monotonic()
        #: The digest of the access token that the new pair takes the place of, if it is known.
        self.replaced = replaced
        #: Whether KuCoin has given another refresh token. If not, the old one may be used again.
        self.rotated = False

    def succeed(self, token: KuCoinToken, refresh_token: str) -> None:
        self.rotated = token.get("refresh_token") != refresh_token
        self.outcome.set_result(token)
        self._end()

    def fail(self, error: BaseException) -> None:
        if self.has_ended:  # it has succeeded; this error, a cancellation say, came later
            return
        if not isinstance(error, KuCoinError):  # say, the leader was cancelled
            error = _unavailable("the refresh was interrupted")
        # A copy: the traceback of the error itself would keep all that the leader's caller holds.
        self.outcome.set_exception(copy.copy(error))
        self._end()

    def _end(self) -> None:
        self.since = time.monotonic()
        self.loop = None

    @property
    def has_ended(self) -> bool:
        """Whether there is an outcome."""
        return self.outcome.done()

    def is_worth_joining(self, access_token: bytes | None) -> bool:
        """Tell whether a newcomer should take its outcome.

        That is one still to come, a new pair in the place of theirs, or a final refusal.

        Args:
            access_token: The digest of the newcomer's access token, if they gave one.
        """
        if time.monotonic() - self.since > REMEMBER_SECONDS:
            return False
        if not self.has_ended:
            # What was under way in an event loop that is closed never ends.
            return self.loop is None or not self.loop.is_closed()
        if (error := self.outcome.exception()) is not None:
            return isinstance(error, ReauthorizationRequired)
        if self.rotated:
            return True
        # With the same refresh token who comes late can be told by the old access token alone; if
        # that has gone on as well, by nothing.
        went_on = self.replaced == _digest(self.outcome.result()["access_token"])
        return access_token is not None and access_token == self.replaced and not went_on

    def told(self) -> KuCoinToken:
        """Return the outcome: each caller gets a token, or an error, of its own."""
        if not self.has_ended:
            # Nobody asks a second time meanwhile: only one of the two would be given a pair.
            raise _unavailable("the refresh that is under way does not end")
        if (error := self.outcome.exception()) is not None:
            raise copy.copy(error)
        return KuCoinToken(self.outcome.result())


class Refreshes:
    """The refreshes of one process, those under way and those of the last minutes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: OrderedDict[bytes, _Flight] = OrderedDict()

    def share(
        self,
        endpoint: str,
        old: Mapping[str, Any],
        perform: Callable[[], KuCoinToken],
        update_token: Callable[[KuCoinToken], object],
    ) -> KuCoinToken:
        """Return the new pair, by asking for it or by waiting for who has asked already.

        Args:
            endpoint: Where the pair is asked for.
            old: The old pair, or its refresh token alone.
            perform: Asks for the new one.
            update_token: Called once with the new pair, by the one who asked.

        Raises:
            KuCoinError: If it failed; everybody who waited is told.
        """
        refresh_token = old["refresh_token"]
        flight, leads = self._join(endpoint, refresh_token, old.get("access_token"))
        if not leads:
            if not flight.has_ended and flight.thread == threading.get_ident():
                raise _unavailable("a task of this thread's own event loop is refreshing it")
            with contextlib.suppress(TimeoutError):
                flight.outcome.exception(LONGEST_WAIT)
            return flight.told()
        try:
            token = perform()
            # The others first: they shall have the pair even if it cannot be stored.
            flight.succeed(token, refresh_token)
        except BaseException as error:
            flight.fail(error)
            raise
        update_token(token)
        return KuCoinToken(token)

    async def share_async(
        self,
        endpoint: str,
        old: Mapping[str, Any],
        perform: Callable[[], Awaitable[KuCoinToken]],
        update_token: Callable[[KuCoinToken], Awaitable[object]],
    ) -> KuCoinToken:
        """Return the new pair, as :meth:`share` does; a caller's cancellation loses nothing."""
        refresh_token = old["refresh_token"]
        flight, leads = self._join(endpoint, refresh_token, old.get("access_token"))
        if leads:
            flight.loop = asyncio.get_running_loop()
            # In a task of its own, or cancelling this caller would lose the pair for all.
            task = flight.loop.create_task(_lead(flight, refresh_token, perform, update_token))
            _tasks.add(task)
            task.add_done_callback(_done)
            await asyncio.shield(task)
        else:
            waiter = asyncio.wrap_future(flight.outcome)
            # asyncio logs an error that nobody has looked at; told() raises a copy of it.
            waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
            await asyncio.wait((waiter,), timeout=LONGEST_WAIT)
        return flight.told()

    def _join(
        self, endpoint: str, refresh_token: str, access_token: object
    ) -> tuple[_Flight, bool]:
        key = _digest(endpoint, refresh_token)
        replaced = _digest(access_token) if isinstance(access_token, str) else None
        with self._lock:
            if flight := self._latest(endpoint, key, replaced):
                return flight, False
            flight = self._flights[key] = _Flight(replaced)
            self._flights.move_to_end(key)
            self._tidy()
            return flight, True

    def _latest(self, endpoint: str, key: bytes, access_token: bytes | None) -> _Flight | None:
        """Return what to join: if the pair that it gave has been refreshed since, that refresh."""
        latest: _Flight | None = None
        for _ in range(len(self._flights)):  # no more, should they ever go round in a circle
            flight = self._flights.get(key)
            if flight is None or not flight.is_worth_joining(access_token):
                break
            latest = flight
            if not flight.has_ended or flight.outcome.exception() is not None:
                break
            token = flight.outcome.result()
            access_token = _digest(token["access_token"])
            key = _digest(endpoint, str(token.get("refresh_token")))
        return latest

    def _tidy(self) -> None:
        """Drop what is too old, and the oldest of what is too much. Those under way stay."""
        too_old = time.monotonic() - REMEMBER_SECONDS
        for key, flight in list(self._flights.items()):
            too_many = len(self._flights) > REMEMBER_AT_MOST
            if not flight.has_ended:
                continue
            if not too_many and flight.since > too_old:
                break
            del self._flights[key]


async def _lead(
    flight: _Flight,
    refresh_token: str,
    perform: Callable[[], Awaitable[KuCoinToken]],
    update_token: Callable[[KuCoinToken], Awaitable[object]],
) -> None:
    try:
        token = await perform()
        flight.succeed(token, refresh_token)
    except BaseException as error:
        flight.fail(error)
        if isinstance(error, KuCoinError):
            return  # told by the flight, to the leader as to the others
        raise
    await update_token(token)


def _digest(*parts: str) -> bytes:
    """Return what tells tokens apart: one copy less of each in memory."""
    return hashlib.sha256(" ".join(parts).encode(errors="surrogatepass")).digest()


def _done(task: asyncio.Task[None]) -> None:
    _tasks.discard(task)


def _unavailable(reason: str) -> KuCoinUnavailable:
    return KuCoinUnavailable(
        f"The token was not refreshed: {reason}. Trying again later does no harm.",
        operation="refresh",
        retry=True,
    )


#: The event loop holds its tasks weakly.
_tasks: set[asyncio.Task[None]] = set()

refreshes = Refreshes()
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    # What was under way at a fork never ends in the child, where a lock may be held for ever.
    os.register_at_fork(after_in_child=refreshes.__init__)  # type: ignore[misc]

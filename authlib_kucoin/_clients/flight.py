"""One refresh that several callers share.

The leader is the caller that sends the request. Waiters are callers that come with the same refresh
token, or with one that it has replaced, while the request is in flight. They receive the new token
pair or an error.

When the request has ended, a new pair is remembered for up to ten minutes, for later callers with
the same refresh token. So is a ReauthorizationRequired. After any other error, the next caller
sends a new request.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import threading
import time
from collections.abc import Mapping
from concurrent import futures
from concurrent.futures import Future
from typing import Any, Final

from authlib_kucoin._errors import KuCoinError, KuCoinUnavailable, ReauthorizationRequired
from authlib_kucoin._models import KuCoinToken

#: How many seconds a new pair or a ReauthorizationRequired is remembered at most.
REMEMBER_SECONDS: Final = 600.0
#: The default for ``longest``, the time limit of the leader's request, in seconds.
LONGEST_WAIT: Final = 60.0
#: How many seconds waiters wait beyond ``longest``, so that a leader whose time is up can still
#: publish its error to them.
_GRACE: Final = 1.0


class Flight:
    """One refresh and its outcome.

    Every caller makes a flight. If the caller joins an earlier flight, its own sends no request.

    Args:
        endpoint: URL of the refresh endpoint.
        old: The old token pair, or a mapping with at least its refresh token.
        longest: The time limit of the leader's request, in seconds.
        loop: The event loop of the leader; None if the leader is a blocking client.
        owner: The client that sends the request.

    Attributes:
        key: A digest of the endpoint and the old refresh token.
        outcome: The future of the new pair or the error.
        successor: The ``key`` that a refresh of the new pair has; None until there is a new pair.
        since: When the flight began or, once it has ended, when it ended (monotonic clock).
        teller: The ``outcome`` of the flight whose caller is to call ``update_token`` with the new
            pair, or has called it. None if there is no such caller.
    """

    __slots__ = (
        "_claimed",
        "_endpoint",
        "_longest",
        "_loop",
        "_owner",
        "_replaced",
        "_thread",
        "key",
        "outcome",
        "since",
        "successor",
        "teller",
    )

    def __init__(
        self,
        endpoint: str,
        old: Mapping[str, Any],
        *,
        longest: float,
        loop: asyncio.AbstractEventLoop | None = None,
        owner: object = None,
    ) -> None:
        access_token = old.get("access_token")
        self.key = _digest(endpoint, old["refresh_token"])
        self.successor: bytes | None = None
        self.outcome: Future[KuCoinToken] = Future()
        # A running future cannot be cancelled. So if one waiter is cancelled, the others still
        # receive the outcome.
        self.outcome.set_running_or_notify_cancel()
        self.since = time.monotonic()
        self.teller: Future[KuCoinToken] | None = None
        self._claimed: Flight | None = None
        self._endpoint = endpoint
        self._replaced = _digest(access_token) if isinstance(access_token, str) else None
        self._thread = threading.get_ident()
        self._loop = loop
        self._owner = owner
        self._longest = longest

    @property
    def has_ended(self) -> bool:
        """Whether there is an outcome."""
        return self.outcome.done()

    @property
    def is_over(self) -> bool:
        """Whether to forget this flight: it is too old, or its loop stopped without an outcome."""
        if time.monotonic() - self.since > REMEMBER_SECONDS:
            return True
        return not self.has_ended and self._loop is not None and not self._loop.is_running()

    @property
    def patience(self) -> float:
        """How many more seconds a waiter waits for the outcome."""
        return max(0.0, self.since + self._longest + _GRACE - time.monotonic())

    def succeed(self, token: KuCoinToken) -> None:
        """Publish the new pair as the outcome, unless there is an outcome already."""
        if self.has_ended:
            return
        self.successor = _digest(self._endpoint, str(token.get("refresh_token")))
        self.outcome.set_result(token)
        self._end()

    def fail(self, error: BaseException) -> None:
        """Publish an error as the outcome, unless there is an outcome already.

        In the place of an error that is no KuCoinError, a KuCoinUnavailable is published.
        """
        if self.has_ended:
            return
        if not isinstance(error, KuCoinError):  # for example, the leader was cancelled
            error = unavailable("the refresh was interrupted")
        # A copy: the traceback of the error itself would keep the leader's local variables alive.
        self.outcome.set_exception(copy.copy(error))
        self._end()

    def _end(self) -> None:
        self.since = time.monotonic()
        self._loop = None
        self._owner = None

    def claim(self, flight: Flight) -> None:
        """Make this flight's caller responsible for ``update_token`` with the pair of ``flight``.

        Does nothing if a caller is responsible already.
        """
        if flight.teller is None:
            if flight is not self:  # avoid a reference cycle, which delays freeing the memory
                self._claimed = flight
            flight.teller = self.outcome

    @property
    def has_to_tell(self) -> bool:
        """Whether this flight's caller has to call ``update_token``."""
        return self.outcome in (self.teller, self._claimed and self._claimed.teller)

    def give_up(self, error: BaseException) -> None:
        """Publish an error, as :meth:`fail` does.

        If this flight's caller was responsible for ``update_token``, nobody is any more. A later
        caller with the old token can become responsible.
        """
        self.fail(error)
        for flight in (self, self._claimed):
            if flight and flight.teller is self.outcome:
                flight.teller = None

    def latest_of(self, others: Mapping[bytes, Flight], newcomer: Flight) -> Flight | None:
        """Return the flight whose outcome a new caller should use; None if it has to refresh.

        That is this flight or, if its new pair was refreshed in turn, the last flight of this chain
        of refreshes that has a usable outcome or is still to have one.

        Args:
            others: All flights by key.
            newcomer: The new caller's own flight, which begins if the result is None.
        """
        latest: Flight | None = None
        flight: Flight | None = self
        replaced = newcomer._replaced
        for _ in range(len(others)):  # bounded, in case a new token is an old one again
            if flight is None or not flight._is_worth_joining(replaced):
                break
            latest = flight
            if flight.successor is None or not flight.has_ended:
                break
            replaced = _digest(flight.outcome.result()["access_token"])
            flight = others.get(flight.successor)
        return latest

    def _is_worth_joining(self, access_token: bytes | None) -> bool:
        """Tell whether a new caller should use this flight's outcome.

        It should if this flight is not over, and its outcome is still to come, is known to be a
        newer pair than the caller's, or is a ReauthorizationRequired.

        Args:
            access_token: The digest of the access token of the caller's pair or, further on in a
                chain of refreshes, of the pair before; None if it is not known.
        """
        if self.is_over:
            return False
        if not self.has_ended:
            return True
        if (error := self.outcome.exception()) is not None:
            return isinstance(error, ReauthorizationRequired)
        if self.successor != self.key:
            return True
        # The refresh token has not changed. So only the access token tells whether the caller still
        # has the old pair. If the caller's access token is not known, or has not changed either,
        # nothing tells, and the caller refreshes again.
        unchanged = self._replaced == _digest(self.outcome.result()["access_token"])
        return access_token is not None and access_token == self._replaced and not unchanged

    def wait(self) -> None:
        """Block until there is an outcome or ``patience`` seconds are over.

        Raises:
            KuCoinUnavailable: If there is no outcome yet and the leader runs in this same thread.
                The leader could not go on while this thread waits.
        """
        if self.has_ended:
            return
        if self._thread == threading.get_ident():
            raise unavailable("a task of this thread's own event loop is refreshing it")
        # Not outcome.exception(), which raises a TimeoutError when the time is over. That could not
        # be told from a signal handler's.
        futures.wait((self.outcome,), self.patience)

    def is_led_for(self, owner: object) -> bool:
        """Tell whether another thread leads this flight with the client ``owner``."""
        return self._owner is owner and self._thread != threading.get_ident()

    def told(self) -> KuCoinToken:
        """Return a copy of the new pair, or raise a copy of the error.

        Raises:
            KuCoinError: The error of this flight; KuCoinUnavailable if there is no outcome yet.
        """
        if not self.has_ended:
            # Do not start a second refresh: only one of the two would get a valid pair.
            raise unavailable("the refresh of another caller has not ended in time")
        if (error := self.outcome.exception()) is not None:
            raise copy.copy(error)
        return KuCoinToken(self.outcome.result())


def unavailable(reason: str) -> KuCoinUnavailable:
    """Return the error for a refresh that has no result."""
    return KuCoinUnavailable(
        f"The token was not refreshed: {reason}. Trying again later does no harm.",
        operation="refresh",
        retry=True,
    )


def _digest(*parts: str) -> bytes:
    """Return a hash, which identifies tokens without keeping another copy of them."""
    return hashlib.sha256(" ".join(parts).encode(errors="surrogatepass")).digest()

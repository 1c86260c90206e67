"""One refresh: in flight, or ended, with its outcome remembered for later callers."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final

from authlib_kucoin._errors import KuCoinError, KuCoinUnavailable, ReauthorizationRequired
from authlib_kucoin._models import KuCoinToken

#: Seconds for which an outcome is remembered.
REMEMBER_SECONDS: Final = 600.0
#: Seconds after which a refresh counts as lost if its client has no ``total_timeout``.
LONGEST_WAIT: Final = 60.0
#: Seconds that waiters wait longer than the leader, so that they receive its own error.
_GRACE: Final = 1.0


class Flight:
    """One refresh and its outcome.

    Args:
        endpoint: Where the new pair is asked for.
        old: The old pair, or a mapping with its refresh token alone.
        longest: Seconds after which the leader's request has ended for certain.
        loop: The event loop of the leader, if it has one.
        owner: The client that performs the refresh.

    Attributes:
        key: The digest of endpoint and old refresh token.
        successor: The same digest of the new refresh token, once there is one.
        since: When the flight began, or when it ended.
        teller: The ``outcome`` of the flight whose caller has called ``update_token`` with the new
            pair, or will. While this is None, ``update_token`` still has to be called.
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
        # A running future cannot be cancelled, so a waiter that gives up harms no other.
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
        """Whether to forget it: it is too old, or its event loop no longer runs."""
        if time.monotonic() - self.since > REMEMBER_SECONDS:
            return True
        return not self.has_ended and self._loop is not None and not self._loop.is_running()

    @property
    def patience(self) -> float:
        """For how many more seconds it makes sense to wait for the outcome."""
        return max(0.0, self.since + self._longest + _GRACE - time.monotonic())

    def succeed(self, token: KuCoinToken) -> None:
        """Publish the new pair, unless the waiters have been told of a failure."""
        if self.has_ended:
            return
        self.successor = _digest(self._endpoint, str(token.get("refresh_token")))
        self.outcome.set_result(token)
        self._end()

    def fail(self, error: BaseException) -> None:
        """Publish an error, unless there is an outcome."""
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
        """Take over calling ``update_token`` with a flight's pair, unless another caller did."""
        if flight.teller is None:
            if flight is not self:  # a reference to itself would delay freeing it
                self._claimed = flight
            flight.teller = self.outcome

    @property
    def has_to_tell(self) -> bool:
        """Whether this flight's caller has to call ``update_token``."""
        return self.outcome in (self.teller, self._claimed and self._claimed.teller)

    def give_up(self, error: BaseException) -> None:
        """Fail, unless there is an outcome. Leave ``update_token`` to the next caller."""
        self.fail(error)
        for flight in (self, self._claimed):
            if flight and flight.teller is self.outcome:
                flight.teller = None

    def latest_of(self, others: Mapping[bytes, Flight], newcomer: Flight) -> Flight | None:
        """Return the flight to join: this one or, if its pair was refreshed since, the last one.

        Args:
            others: All flights by key.
            newcomer: The flight that would begin otherwise.
        """
        latest: Flight | None = None
        flight: Flight | None = self
        replaced = newcomer._replaced
        for _ in range(len(others)):  # a bound, in case the tokens form a circle
            if flight is None or not flight._is_worth_joining(replaced):
                break
            latest = flight
            if flight.successor is None or not flight.has_ended:
                break
            replaced = _digest(flight.outcome.result()["access_token"])
            flight = others.get(flight.successor)
        return latest

    def _is_worth_joining(self, access_token: bytes | None) -> bool:
        """Tell whether the outcome is still to come, a newer pair, or a final refusal.

        Args:
            access_token: The digest of the newcomer's access token, if it gave one.
        """
        if self.is_over:
            return False
        if not self.has_ended:
            return True
        if (error := self.outcome.exception()) is not None:
            return isinstance(error, ReauthorizationRequired)
        if self.successor != self.key:
            return True
        # The refresh token stays the same, so only the old access token identifies a latecomer,
        # and nothing does if that stays the same as well.
        went_on = self._replaced == _digest(self.outcome.result()["access_token"])
        return access_token is not None and access_token == self._replaced and not went_on

    def wait(self) -> None:
        """Block until there is an outcome, or the leader's time is up.

        Raises:
            KuCoinUnavailable: If this thread itself has to finish the flight.
        """
        if self.has_ended:
            return
        if self._thread == threading.get_ident():
            raise unavailable("a task of this thread's own event loop is refreshing it")
        with contextlib.suppress(TimeoutError):
            self.outcome.exception(self.patience)

    def is_led_for(self, owner: object) -> bool:
        """Tell whether another thread uses this client's connections for it."""
        return self._owner is owner and self._thread != threading.get_ident()

    def told(self) -> KuCoinToken:
        """Return a copy of the new pair, or raise a copy of the error."""
        if not self.has_ended:
            # Do not start a second refresh: only one of the two would get a valid pair.
            raise unavailable("the refresh in flight does not end")
        if (error := self.outcome.exception()) is not None:
            raise copy.copy(error)
        return KuCoinToken(self.outcome.result())


def unavailable(reason: str) -> KuCoinUnavailable:
    """Return the error of a refresh that did not take place."""
    return KuCoinUnavailable(
        f"The token was not refreshed: {reason}. Trying again later does no harm.",
        operation="refresh",
        retry=True,
    )


def _digest(*parts: str) -> bytes:
    """Return a hash that identifies tokens, so that no further copy of them is kept."""
    return hashlib.sha256(" ".join(parts).encode(errors="surrogatepass")).digest()

"""The outcome of one call: an answer, or the error to raise for it.

A client chooses the error inside its except block and raises it after the block. If it were raised
inside, its ``__context__`` would be the HTTP library's error, which may show the URL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from authlib_kucoin._errors import ConfigurationError
from authlib_kucoin._protocol.call import Call

from .failures import (
    bare,
    broken_for_good,
    cannot_connect,
    is_of_http,
    kind_of,
    name_of,
    of_a_handler,
    proxy_wants_password,
)
from .in_flight import InFlight
from .limits import UnusableBody

T = TypeVar("T")


class Outcome(Generic[T]):
    """The answer to one call, or its error.

    Args:
        call: The call.
        progress: Tells whether the request was sent and whether the deadline has passed.
        authorities: The name of the environment variable for trusted certificates.
        temporary: Errors of the library that come from the network rather than from the settings,
            even if they are an OSError or a ValueError.
        proxy: Returns host and port of the proxy in use; empty if there is none.

    Attributes:
        status: The HTTP status of the answer; None if there is none, or reading the answer failed
            with an error other than UnusableBody.
        headers: The answer's headers.
        body: The answer's body.
    """

    def __init__(
        self,
        call: Call[T],
        progress: InFlight,
        *,
        authorities: str,
        temporary: tuple[type[Exception], ...],
        proxy: Callable[[], str],
    ) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.body = b""
        self._call = call
        self._progress = progress
        self._authorities = authorities
        self._temporary = temporary
        self._proxy = proxy
        self._unusable = ""
        self._failure = ""
        self._kind = "connection"
        self._error: BaseException | None = None

    def failed(self, error: BaseException) -> None:
        """Choose what to raise for an error. Call this inside the except block.

        An error that is not the HTTP library's or the system's is raised itself, without its
        traceback and cause. But if a key may have been created, ApiKeyOutcomeUnknown is raised in
        its place, except for an error that is no ``Exception``, such as Ctrl-C.
        """
        may_have_key = self._progress.sent and self._call.creates_key
        if isinstance(error, UnusableBody):
            self._unusable = self._failure = str(error)
            return
        self.status = None
        error = of_a_handler(error)
        if not isinstance(error, Exception):  # Ctrl-C, a cancelled task
            self._error = bare(error)
        elif not is_of_http(error):
            self._failure = type(error).__name__
            self._error = None if may_have_key else bare(error)
        else:
            self._failure = self._described(error)
            self._kind = "timeout" if self._progress.is_late else kind_of(error)
            self._error = None if may_have_key else self._setting_at_fault(error)

    def result(self) -> T:
        """Return the call's result, or raise its error. Call this after the except block."""
        if (error := self._error) is not None:
            self._error = None
            raise error
        call = self._call
        if self.status is None:
            call.unanswered(self._failure, sent=self._progress.sent, failure=self._kind)
        if self.status == 407 and not call.creates_key and (proxy := self._proxy()):
            raise ConfigurationError(proxy_wants_password(proxy), operation=call.operation)
        return call.answer(self.status, self.body, self.headers, unusable=self._unusable)

    def _described(self, error: Exception) -> str:
        if self._progress.is_late:
            return "the total_timeout of the call is over"
        proxy = self._proxy()
        return f"{name_of(error)}{proxy and f', through the proxy {proxy}'}"

    def _setting_at_fault(self, error: Exception) -> ConfigurationError | None:
        call = self._call
        if broken := broken_for_good(
            error,
            host=call.host,
            authorities=self._authorities,
            proxy=self._proxy(),
            operation=call.operation,
        ):
            return broken
        is_setting = isinstance(error, (ValueError, OSError)) and not isinstance(
            error, (*self._temporary, ConnectionError, TimeoutError)
        )
        if is_setting and not self._progress.sent:
            return cannot_connect(error, call.operation)
        return None

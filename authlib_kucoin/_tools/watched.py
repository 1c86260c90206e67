"""A client of the package that also passes each raw answer to a listener.

The client sends the package's own calls. It replaces each by a copy, a :class:`WatchedCall`, which
passes the raw answer to the listener before it reads the answer.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeVar

from authlib_kucoin._errors import ConfigurationError
from authlib_kucoin._extras import load
from authlib_kucoin._protocol.call import Call

T = TypeVar("T")

#: For each HTTP library, the module and the class of its client. If no library is chosen, the first
#: one that is installed is used.
_CLIENTS: Final = {
    "requests": ("requests_client", "KuCoinOAuth2Session"),
    "httpx2": ("httpx_client", "KuCoinOAuth2Client"),
}
LIBRARIES: Final = tuple(_CLIENTS)

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """One request and its raw answer.

    Attributes:
        call: The call, as the client was asked to send it.
        status: The HTTP status of the answer; None if it is not known, as when no answer came or
            the answer broke off.
        headers: The headers of the answer.
        body: The body of the answer.
        failure: If ``status`` is None, what happened. Otherwise why the body could not be read;
            empty if it could.
        began: When the call began, in seconds since the epoch.
        seconds: The time until the answer or the failure, in seconds.
    """

    call: Call[Any]
    status: int | None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    body: bytes = dataclasses.field(default=b"", repr=False)
    failure: str = ""
    began: float = 0.0
    seconds: float = 0.0

    def header(self, wanted: str) -> str:
        """Return the value of a header, by its name in lower case; empty if it is missing."""
        return next((v for name, v in self.headers.items() if name.lower() == wanted), "")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WatchedCall(Call[T]):
    """A call that passes its raw answer to a listener before it reads the answer."""

    listener: Callable[[Heard], object] = dataclasses.field(repr=False)
    original: Call[T] = dataclasses.field(repr=False)
    began: float = dataclasses.field(default_factory=time.time)
    _clock: float = dataclasses.field(default_factory=time.monotonic, repr=False)

    # Call.answer and not super().answer: a dataclass with slots is a new class, and before Python
    # 3.14 super() would refer to the old one.
    def answer(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] = _NO_HEADERS,
        *,
        unusable: str = "",
    ) -> T:
        """Pass the raw answer to the listener, then read it."""
        self._tell(status=status, body=body, headers=dict(headers), failure=unusable)
        return Call.answer(self, status, body, headers, unusable=unusable)

    def unanswered(self, error: str, **known: Any) -> NoReturn:
        """Tell the listener that there is no answer, then raise the error of the call."""
        self._tell(status=None, failure=error)
        Call.unanswered(self, error, **known)

    def _tell(self, **heard: Any) -> None:
        seconds = time.monotonic() - self._clock
        self.listener(Heard(call=self.original, began=self.began, seconds=seconds, **heard))


def installed_library() -> str | None:
    """Return the HTTP library to use: requests if installed, or else httpx2, or else None."""
    return next((name for name in LIBRARIES if find_spec(name)), None)


def watched_client(library: str | None, listener: Callable[[Heard], object], **options: Any) -> Any:
    """Return a blocking client of the package that passes each answer to a listener.

    Args:
        library: ``"requests"`` or ``"httpx2"``; if None, requests if installed, or else httpx2.
        listener: Called with each raw answer, before the client reads it, and if no answer came.
            Not called, for example, if the client blames a setting or an untrusted certificate.
        options: The arguments of the client.

    Raises:
        ConfigurationError: If no HTTP library is installed, or the client refuses the options.
        ModuleNotFoundError: If the given library is not installed; the text says what to install.
    """
    library = library or installed_library()
    if library is None:
        raise ConfigurationError(
            "Neither requests nor httpx2 is installed. Install one: "
            "pip install 'authlib-kucoin[requests]' or pip install 'authlib-kucoin[httpx]'"
        )
    module, name = _CLIENTS[library]
    base: Any = getattr(load(module), name)

    def perform(self: Any, call: Call[T]) -> T:
        copied = {field.name: getattr(call, field.name) for field in dataclasses.fields(call)}
        result: T = base.perform(self, WatchedCall(**copied, original=call, listener=listener))
        return result

    return type(name, (base,), {"perform": perform})(**options)

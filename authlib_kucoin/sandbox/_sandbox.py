"""The sandbox for Python: start it, play the user, look at its requests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Literal, Self, Unpack

from ._callback import Callback
from ._faults import Fault
from ._host import Host
from ._journal import RecordedRequest
from ._options import OptionKeywords, SandboxOptions
from ._server import Server
from ._state import IssuedKey
from ._user import User

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - the user has asked for it by `host`


class Sandbox:
    """A running stand-in for KuCoin. All members may be used from any thread.

    Examples:
        >>> with run_sandbox(broker_name="My Broker") as sandbox:
        ...     sandbox.fail_next("token", "429")
        ...     sandbox.url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(self, port: int = 0, options: SandboxOptions | None = None) -> None:
        """Bind the port. `start` begins to serve. Port 0 takes a free one."""
        self.options = options or SandboxOptions()
        host = Host(self.options)
        self._state = host.state
        self._kucoin = host.kucoin
        self._user = User(host.kucoin)
        self._server = Server(self.options.host, port, host.answer, self.options.tls)

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait until all threads have ended."""
        self._server.stop()

    def __enter__(self) -> Self:
        """Start serving."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.stop()

    def __repr__(self) -> str:
        """Show the URL."""
        return f"<Sandbox {self.url}>"

    @property
    def url(self) -> str:
        """The base URL, for `site` and for REST calls; without a slash at the end."""
        scheme = "https" if self.options.tls else "http"
        host = "127.0.0.1" if self.options.host == _EVERYWHERE else self.options.host
        return f"{scheme}://{host}:{self._server.port}"

    @property
    def client_id(self) -> str:
        """The broker's client id."""
        return self.options.client_id

    @property
    def client_secret(self) -> str | None:
        """The broker's client secret; None unless the option is set."""
        return self.options.client_secret

    @property
    def requests(self) -> list[RecordedRequest]:
        """The latest 10,000 requests, oldest first, their secrets masked."""
        return self._kucoin.journal.records()

    @property
    def totals(self) -> dict[str, int]:
        """How many requests each operation has had since the start or the last reset."""
        return self._kucoin.journal.totals()

    @property
    def connections(self) -> int:
        """How many TCP connections were accepted since the start."""
        return self._server.connections

    @property
    def issued_keys(self) -> tuple[IssuedKey, ...]:
        """Every API key that was issued, oldest first, to check that none gets lost."""
        return self._state.issued_keys()

    @property
    def now(self) -> float:
        """The sandbox's clock, in seconds since the epoch."""
        return self._state.clock.now()

    def advance(self, seconds: float) -> None:
        """Wind the clock forward. Tokens live 1 hour and 3 days on it (section 6.3).

        Raises:
            ValueError: The number is negative or not finite.
        """
        self._state.clock.advance(seconds)

    def fail_next(self, operation: str, fault: Fault | str) -> None:
        """Make the next call of an operation fail, once. Several faults queue up.

        Args:
            operation: "authorize", "token", "refresh", "validate", "create_api_key" or
                "api_key_info".
            fault: A `Fault`, or its text: a status from "400" to "599", "delay:SECONDS",
                "envelope:CODE:MSG", "oauth:ERROR", or a word of `PLAIN_FAULTS`.

        Raises:
            ValueError: The operation or the fault is unknown; the text lists the choices.
        """
        self._kucoin.faults.add(operation, fault)

    def reset(self) -> None:
        """Forget codes, tokens, keys, requests and faults, and set the clock back."""
        self._kucoin.reset()

    def approve(self, authorization_url: str) -> Callback:
        """Play a user who opens the login page and presses Approve.

        Returns:
            The URL that the browser is sent back to. Nobody has opened it yet.

        Raises:
            ValueError: The URL is not one of this sandbox, or it refused the login request; the
                text says why.
        """
        return self._decide(authorization_url, "approve")

    def cancel(self, authorization_url: str) -> Callback:
        """Play a user who opens the login page and presses Cancel; see `approve`."""
        return self._decide(authorization_url, "cancel")

    def _decide(self, url: str, decision: Literal["approve", "cancel"]) -> Callback:
        if not url.startswith(f"{self.url}/"):
            raise ValueError(f"the authorization URL does not lead to {self.url}")
        return self._user.decide(url.removeprefix(self.url), decision)


@contextlib.contextmanager
def run_sandbox(port: int = 0, **options: Unpack[OptionKeywords]) -> Iterator[Sandbox]:
    """Run a sandbox on a loopback port while the with block lasts.

    Args:
        port: The port; 0 takes a free one.
        options: The fields of `SandboxOptions`.

    Yields:
        The running sandbox.

    Raises:
        OSError: The port is taken, or not allowed.
        ValueError: An option is invalid; the text says how.
    """
    with Sandbox(port, SandboxOptions(**options)) as sandbox:
        yield sandbox

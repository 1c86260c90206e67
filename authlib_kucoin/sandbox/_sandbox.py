"""The sandbox in a test's hands: start it, play the user, look at what was asked."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Unpack

from ._faults import Fault, FaultQueue
from ._journal import Journal, RecordedRequest
from ._options import SandboxKeywords, SandboxOptions
from ._router import Router
from ._server import Server
from ._state import IssuedKey, State
from ._user import Callback, User

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self


class Sandbox:
    """A running stand-in for KuCoin. All its members may be used from any thread.

    Examples:
        >>> with run_sandbox(broker_name="My Broker") as sandbox:
        ...     sandbox.fail_next("token", "429")
        ...     sandbox.url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(self, port: int = 0, options: SandboxOptions | None = None) -> None:
        """Bind the port; `start` begins to serve. Port 0 takes a free one."""
        self.options = options or SandboxOptions()
        self._state = State(self.options)
        self._faults = FaultQueue()
        self._journal = Journal()
        self._router = Router(self._state, self._faults, self._journal)
        self._server = Server(self.options.host, port, self._router.answer, self.options.tls)

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def stop(self) -> None:
        """Close every connection and the port, and wait until all threads have ended."""
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
        """Show where it listens."""
        return f"<Sandbox {self.url}>"

    @property
    def url(self) -> str:
        """The base URL, both of the web and of the REST host; no slash at its end."""
        scheme = "https" if self.options.tls else "http"
        host = "127.0.0.1" if self.options.host == "0.0.0.0" else self.options.host
        return f"{scheme}://{host}:{self._server.port}"

    @property
    def client_id(self) -> str:
        """The broker's client id."""
        return self.options.client_id

    @property
    def client_secret(self) -> str | None:
        """The broker's client secret, if the sandbox wants one."""
        return self.options.client_secret

    @property
    def requests(self) -> list[RecordedRequest]:
        """The latest 10,000 requests, oldest first, their secrets masked."""
        return self._journal.records()

    @property
    def totals(self) -> dict[str, int]:
        """How many requests each operation has had since the start or the last reset."""
        return self._journal.totals()

    @property
    def connections(self) -> int:
        """How many TCP connections were accepted since the start."""
        return self._server.connections

    @property
    def issued_keys(self) -> tuple[IssuedKey, ...]:
        """The API keys that were issued, oldest first: none of them may get lost."""
        return self._state.issued_keys()

    @property
    def now(self) -> float:
        """The sandbox's clock, in seconds since the epoch."""
        return self._state.clock.now()

    def advance(self, seconds: float) -> None:
        """Wind the clock forward: tokens live 1 hour and 3 days by it (section 6.3).

        Raises:
            ValueError: The number is negative or no finite number.
        """
        self._state.clock.advance(seconds)

    def fail_next(self, operation: str, fault: Fault | str) -> None:
        """Let the next call of an operation fail, once; several faults queue up.

        Args:
            operation: "authorize", "token", "refresh", "validate", "create_api_key" or
                "api_key_info".
            fault: A `Fault`, or its text: a status from "400" to "599", "delay:SECONDS",
                "envelope:CODE:MSG", "oauth:ERROR", or a word of `PLAIN_FAULTS`.

        Raises:
            ValueError: The operation or the fault is not known; the text lists the choices.
        """
        self._faults.add(operation, fault)

    def reset(self) -> None:
        """Forget codes, tokens, keys, requests and faults, and set the clock back."""
        self._router.reset()

    def approve(self, authorization_url: str) -> Callback:
        """Play the user who opens the login page and presses Approve.

        Returns:
            The URL the browser is sent back to; it was not requested.

        Raises:
            ValueError: The sandbox refused the login request; the text says why.
        """
        return User(self.url, self.options.tls).decide(authorization_url, "approve")

    def cancel(self, authorization_url: str) -> Callback:
        """Play the user who opens the login page and presses Cancel; else as `approve`."""
        return User(self.url, self.options.tls).decide(authorization_url, "cancel")


@contextlib.contextmanager
def run_sandbox(port: int = 0, **options: Unpack[SandboxKeywords]) -> Iterator[Sandbox]:
    """Run a sandbox on a loopback port for the length of a with block.

    Args:
        port: The port; 0 takes a free one.
        options: The fields of `SandboxOptions`.

    Yields:
        The running sandbox.

    Raises:
        OSError: The port cannot be had.
        ValueError: An option makes no sense.
    """
    with Sandbox(port, SandboxOptions(**options)) as sandbox:
        yield sandbox

"""The sandbox's interface for Python: start it, play the user, look at its requests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from ._callback import Callback
from ._checks import is_loopback
from ._fault_queue import WaitingFault
from ._faults import Fault
from ._guard import target_of
from ._host import Host
from ._journal import RecordedRequest
from ._keywords import OptionKeywords
from ._model import IssuedKey
from ._options import SELF_SIGNED, SandboxOptions
from ._server import Server

if TYPE_CHECKING:
    from ._certificate import SelfSigned  # loaded only when a certificate is made

#: The address to connect to, for a sandbox that listens on every address.
_LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - opened only if the option host says so


class Sandbox:
    """A stand-in for KuCoin, which serves from `start` to `stop`. All threads can use it.

    Attributes:
        options: The options given to the constructor. A scenario does not change them.

    Examples:
        >>> with run_sandbox(broker_name="My Broker") as sandbox:
        ...     sandbox.fail_next("token", "429")
        ...     sandbox.url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(self, port: int = 0, options: SandboxOptions | None = None) -> None:
        """Bind the port; 0 takes a free port. `start` begins to serve.

        Raises:
            OSError: The sandbox cannot listen on this port of the address in the option `host`, for
                example because the port is in use.
            ValueError: The port is out of range, the files of the option `tls` cannot be used, or
                the option is "self-signed" and trustme is missing or refuses a host name.
        """
        self.options = options or SandboxOptions()
        host = Host(self.options)
        self._state = host.state
        self._kucoin = host.kucoin
        self._user = host.user
        tls = self.options.tls
        self._self_signed: SelfSigned | None = None
        if tls == SELF_SIGNED:
            self._self_signed = _self_signed(self.options)
            tls = (self._self_signed.certificate, self._self_signed.key)
        self._server = Server(self.options.host, port, host.answer, tls)

    def start(self) -> None:
        """Begin to serve. A sandbox can be started only once."""
        self._server.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait for the threads that serve them.

        The files of a self-signed certificate are deleted. A second call does nothing.
        """
        self._server.stop()
        if self._self_signed is not None:
            self._self_signed.remove()

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
        host = _LOOPBACK_OF.get(self.options.host, self.options.host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def port(self) -> int:
        """The port on which the sandbox listens."""
        return self._server.port

    @property
    def certificate(self) -> str | None:
        """The certificate file that clients have to trust; None if the sandbox serves http.

        With ``tls="self-signed"``, it is the file of the authority that signed the certificate.
        """
        if self._self_signed is not None:
            return self._self_signed.authority
        return self.options.tls[0] if self.options.tls else None

    @property
    def is_open_to_others(self) -> bool:
        """Whether the option `host` is not loopback, so that other machines may connect."""
        return not is_loopback(self.options.host)

    @property
    def client_id(self) -> str:
        """The broker's client id."""
        return self.options.client_id

    @property
    def client_secret(self) -> str | None:
        """The broker's client secret; None unless the option `client_secret` is set."""
        return self.options.client_secret

    @property
    def requests(self) -> list[RecordedRequest]:
        """The latest requests, oldest first, with secrets masked: at most 10,000, and some 32 MiB.

        Not recorded are control calls, requests for the sandbox's own pages and style sheet, and
        bytes that cannot be read as a request.
        """
        return self._kucoin.journal.records()

    @property
    def totals(self) -> dict[str, int]:
        """How many recorded requests each operation has had since the start or the last reset."""
        return self._kucoin.journal.totals()

    @property
    def connections(self) -> int:
        """How many TCP connections were accepted since the start."""
        return self._server.connections

    @property
    def issued_keys(self) -> tuple[IssuedKey, ...]:
        """Every API key that was issued since the start or the last reset, oldest first.

        Deleted and expired keys are included. Compare the keys with what you have stored.
        """
        return self._state.issued_keys()

    @property
    def keys(self) -> tuple[IssuedKey, ...]:
        """The keys of `issued_keys` that were not deleted and have not expired, oldest first."""
        return self._state.live_keys()

    def delete_key(self, api_key: str) -> None:
        """Delete a key, as its user can at KuCoin.

        Raises:
            ValueError: No such key exists, or it was deleted before.
        """
        self._state.delete_key(api_key)

    @property
    def now(self) -> float:
        """The sandbox's clock, in seconds since the epoch."""
        return self._state.clock.now()

    def advance(self, seconds: float) -> None:
        """Wind the sandbox's clock forward.

        Access tokens live 1 hour, refresh tokens 3 days (document section 6.3).

        Raises:
            ValueError: The number is negative, above 1e10, or NaN.
        """
        self._state.clock.advance(seconds)

    def fail_next(
        self,
        operation: str,
        fault: Fault | str,
        *,
        times: int = 1,
        probability: float = 1.0,
        latency: float = 0.0,
    ) -> None:
        """Spoil the answers to the next calls of an operation. Several faults queue up.

        Args:
            operation: One of `OPERATIONS`. Names of some client methods work as well, such as
                "fetch_token".
            fault: A `Fault`, or its text, such as "503", "lost" or "envelope:CODE:MSG"; see
                `FAULT_FORMS`.
            times: How many calls this fault strikes.
            probability: The chance that this fault strikes a call. A call that is spared gets its
                normal answer, and does not count towards `times`.
            latency: How many seconds to add to the delay of each spoilt answer.

        Raises:
            ValueError: The operation or the fault is unknown, a value in the fault's text is not
                allowed, or a number is out of range. The text says which values are allowed.
        """
        known = fault if isinstance(fault, Fault) else Fault.parse(str(fault))
        self._kucoin.faults.add(WaitingFault(operation, known, times, probability, latency))

    @property
    def waiting_faults(self) -> tuple[WaitingFault, ...]:
        """The faults that have not yet struck as often as was asked for."""
        return self._kucoin.faults.waiting()

    @property
    def scenario(self) -> str:
        """The name of the current scenario, a key of `SCENARIOS`."""
        return self._state.scenario

    def set_scenario(self, name: str) -> None:
        """Use the options of a scenario, until the next scenario or `reset`.

        Args:
            name: A key of `SCENARIOS`, such as "withdrawals" or "other-address".

        Raises:
            ValueError: There is no such scenario; the text lists the scenarios.
        """
        self._state.set_scenario(name)

    def reset(self) -> None:
        """Forget codes, tokens, keys, requests, faults and scenario; set the clock to real time.

        Open login pages are forgotten as well. The count of `connections` stays.
        """
        self._kucoin.reset()

    def approve(
        self,
        authorization_url: str,
        *,
        account: str | None = None,
        permissions: Iterable[str] | None = None,
    ) -> Callback:
        """Play a user who opens the login page and presses Approve.

        Args:
            authorization_url: The URL of the login page, to which the broker sends the user.
            account: The name of the account to connect; the first account if None.
            permissions: The permissions to grant; all that the page lists if None. A permission
                that the page does not list is not granted, even if it is named.

        Returns:
            The callback URL, to which the browser would now go. The sandbox does not open it.

        Raises:
            ValueError: The URL does not lead to this sandbox, a permission or the account is
                unknown, the sandbox refused the login request, or a fault replaced or truncated the
                login page. The text says why.
            ConnectionError: A fault ended the connection of the login page.
        """
        target = self._target(authorization_url)
        return self._user.decide(target, "approve", account, permissions)

    def cancel(self, authorization_url: str, *, account: str | None = None) -> Callback:
        """Play a user who opens the login page and presses Cancel; see `approve`.

        The account must exist, and has no other effect: the callback names no account.
        """
        return self._user.decide(self._target(authorization_url), "cancel", account)

    def connect(
        self, *, account: str | None = None, permissions: Iterable[str] | None = None
    ) -> IssuedKey:
        """Return a new API key, as if a user had approved and the broker had asked for it.

        This is for tests that begin with a key. No request is made or recorded.

        Raises:
            ValueError: The account or a permission is unknown, or the account cannot have another
                key.
        """
        return self._user.connect(account, permissions)

    def token(
        self, *, account: str | None = None, permissions: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Return a new token, in the form in which OAuth clients keep it.

        This is for tests that begin with a token. No request is made or recorded.

        Raises:
            ValueError: The account or a permission is unknown.
        """
        return self._user.token(account, permissions)

    def _target(self, url: str) -> str:
        try:
            return target_of(url, self.options, str(self.port))
        except ValueError:
            problem = f"the authorization URL does not lead to {self.url}"
        raise ValueError(problem)


@contextlib.contextmanager
def run_sandbox(port: int = 0, **options: Unpack[OptionKeywords]) -> Iterator[Sandbox]:
    """Run a sandbox while the with block lasts.

    Args:
        port: The port; 0 takes a free one.
        options: The fields of `SandboxOptions`.

    Yields:
        The running sandbox.

    Raises:
        OSError: The sandbox cannot listen on this port of the address in the option `host`, for
            example because the port is in use.
        ValueError: The port or an option is invalid, or a self-signed certificate is wanted and
            trustme is missing or refuses a host name. The text says which.
    """
    with Sandbox(port, SandboxOptions(**options)) as sandbox:
        yield sandbox


def _self_signed(options: SandboxOptions) -> SelfSigned:
    from ._certificate import SelfSigned  # noqa: PLC0415 - loaded only here, to keep the usual start quick

    return SelfSigned([*options.allowed_hosts, options.host])

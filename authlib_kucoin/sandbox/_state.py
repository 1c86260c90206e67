"""What the sandbox remembers: logins, codes, tokens and keys, and the clock that ends them."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from ._options import SandboxOptions
from ._refusal import Refusal

SCOPE: Final = "OAUTH_CREATE_API"
ACCESS_SECONDS: Final = 3600
REFRESH_SECONDS: Final = 3 * 24 * 3600
CODE_SECONDS: Final = 600
_MAX_TICKETS: Final = 10_000
_MAX_STEP: Final = 1e10


class Clock:
    """The real time, plus how far the clock was wound forward."""

    def __init__(self) -> None:
        """Start at the real time."""
        self._ahead = 0.0

    def now(self) -> float:
        """Return the seconds since the epoch on this clock."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Wind the clock forward.

        Raises:
            ValueError: The number is negative, too large, or not a number.
        """
        if not 0 <= seconds <= _MAX_STEP:
            raise ValueError("the clock only goes forward: seconds must be a number of 0 or more")
        self._ahead += seconds


class Ticket(str):
    """The secret that ties a decision to its login page."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Login:
    """A login request that passed every check (section 7.1)."""

    redirect_uri: str
    state: str = field(repr=False)


@dataclass(slots=True)
class Pair:
    """An access token and its refresh token (section 6.3)."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires: float
    refresh_expires: float
    login: Login
    refreshed: bool = False


@dataclass(slots=True)
class Code:
    """An authorization code of one login."""

    login: Login
    expires: float
    used: bool = False


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """An API key that was issued.

    Attributes:
        state: The `state` of the login that led to the key, as the broker sent it.
    """

    api_name: str
    api_key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)
    created_at: float
    state: str = field(repr=False)


class State:
    """Everything one sandbox remembers. Each method is atomic."""

    def __init__(self, options: SandboxOptions) -> None:
        """Start with nothing issued."""
        self.options = options
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget all logins, codes, tokens and keys, and set the clock back."""
        with self._lock:
            self.clock = Clock()
            self._tickets: OrderedDict[Ticket, Login | None] = OrderedDict()
            self._codes: dict[str, Code] = {}
            self._by_access: dict[str, Pair] = {}
            self._by_refresh: dict[str, Pair] = {}
            self._keys: list[IssuedKey] = []
            self._named = 0

    def open_login(self, login: Login) -> Ticket:
        """Remember a checked login, and return the ticket for its consent page."""
        with self._lock:
            ticket = Ticket(secrets.token_urlsafe(24))
            self._tickets[ticket] = login
            if len(self._tickets) > _MAX_TICKETS:
                self._tickets.popitem(last=False)
            return ticket

    def close_login(self, ticket: Ticket) -> Login | None:
        """Return the login of a ticket; None if the user has already decided on it.

        Raises:
            Refusal: The ticket was never issued.
        """
        with self._lock:
            if ticket not in self._tickets:
                raise Refusal("unknown_ticket", "no open login request has this ticket", "7.1")
            login = self._tickets[ticket]
            self._tickets[ticket] = None
            return login

    def issue_code(self, login: Login) -> str:
        """Return a new authorization code for an approved login."""
        with self._lock:
            code = f"sandbox-code/{secrets.token_hex(16)}="
            self._codes[code] = Code(login, self.clock.now() + CODE_SECONDS)
            return code

    def redeem_code(self, value: str, redirect_uri: str) -> Pair:
        """Exchange a code for tokens, once (section 7.2).

        Raises:
            Refusal: The code is unknown, used, expired, or of a login with another redirect URL.
        """
        with self._lock:
            code = self._codes.get(value)
            if code is None:
                raise Refusal("code_unknown", "this authorization code was never issued", "7.2")
            if code.used:
                raise Refusal("code_used", "authorization code was already used", "7.2")
            if code.expires <= self.clock.now():
                raise Refusal("code_expired", "authorization code has expired", "7.2")
            if code.login.redirect_uri != redirect_uri:
                raise Refusal(
                    "redirect_uri_differs",
                    "redirect_uri is not, byte for byte, the one of the login request",
                    "7.2",
                )
            code.used = True
            return self._issue_pair(code.login)

    def rotate(self, refresh_token: str) -> Pair:
        """Exchange a refresh token for a new pair; the old access token dies (section 6.3).

        Raises:
            Refusal: The refresh token is unknown, spent or expired.
        """
        with self._lock:
            pair = self._by_refresh.get(refresh_token)
            if pair is None:
                raise Refusal("refresh_token_unknown", "refresh token was never issued", "7.3")
            if pair.refreshed:
                raise Refusal(
                    "refresh_token_used",
                    "refresh token was already used; each one works once",
                    "6.3",
                )
            if pair.refresh_expires <= self.clock.now():
                raise Refusal("refresh_token_expired", "refresh token has expired (3 days)", "6.3")
            pair.refreshed = True
            return self._issue_pair(pair.login)

    def _issue_pair(self, login: Login) -> Pair:
        now = self.clock.now()
        pair = Pair(
            access_token=f"sandbox-access/{secrets.token_hex(20)}=",
            refresh_token=f"sandbox-refresh/{secrets.token_hex(20)}=",
            access_expires=now + ACCESS_SECONDS,
            refresh_expires=now + REFRESH_SECONDS,
            login=login,
        )
        self._by_access[pair.access_token] = pair
        self._by_refresh[pair.refresh_token] = pair
        return pair

    def check_access(self, access_token: str) -> None:
        """Pass if an access token is alive.

        Raises:
            Refusal: It is unknown, replaced or expired.
        """
        with self._lock:
            pair = self._by_access.get(access_token)
            if pair is None:
                raise Refusal("access_token_unknown", "access token was never issued", "6.2")
            if pair.refreshed:
                raise Refusal(
                    "access_token_replaced",
                    "access token was replaced by a refresh, which ends the old one at once",
                    "6.3",
                )
            if pair.access_expires <= self.clock.now():
                raise Refusal("access_token_expired", "access token has expired (1 hour)", "6.3")

    def create_key(self, access_token: str) -> IssuedKey:
        """Issue an API key for an access token that was checked (section 4).

        Raises:
            Refusal: The name is taken, or the account has its full number of keys.
        """
        options = self.options
        with self._lock:
            if len(self._keys) >= options.max_keys:
                raise Refusal(
                    "key_limit", "The number of user's apiKey reaches to the maximum level", None
                )
            name = options.api_name or f"{options.broker_name}-{self._named + 1}"
            if not options.repeat_names and any(key.api_name == name for key in self._keys):
                raise Refusal("repeated_name", "Repeated apiName", None)
            self._named += 1
            key = IssuedKey(
                api_name=name,
                api_key=secrets.token_hex(12),
                secret=str(uuid.uuid4()),
                passphrase=secrets.token_hex(10),
                created_at=self.clock.now(),
                state=self._by_access[access_token].login.state,
            )
            self._keys.append(key)
            return key

    def find_key(self, api_key: str) -> IssuedKey | None:
        """Return the key of this id, if it was issued."""
        with self._lock:
            return next((key for key in self._keys if key.api_key == api_key), None)

    def issued_keys(self) -> tuple[IssuedKey, ...]:
        """Return all keys that were issued, oldest first."""
        with self._lock:
            return tuple(self._keys)

"""What the sandbox remembers: logins, codes, tokens and keys. And the sandbox's clock."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections import OrderedDict
from typing import Final

from ._model import Code, Grant, IssuedKey, Login, Pair, Ticket
from ._options import SandboxOptions
from ._refusal import Refusal
from ._scenarios import AS_STARTED, options_of

SCOPE: Final = "OAUTH_CREATE_API"
ACCESS_SECONDS: Final = 3600
REFRESH_SECONDS: Final = 3 * 24 * 3600
CODE_SECONDS: Final = 600
_DAY: Final = 24 * 3600
_MAX_TICKETS: Final = 10_000
_MAX_STEP: Final = 1e10


class Clock:
    """The real time, plus the seconds by which the clock was wound forward."""

    def __init__(self) -> None:
        """Start at the real time."""
        self.ahead = 0.0

    def now(self) -> float:
        """Return the seconds since the epoch on this clock."""
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        """Wind the clock forward.

        Raises:
            ValueError: The number is negative, too large, or NaN.
        """
        if not 0 <= seconds <= _MAX_STEP:
            raise ValueError(
                "the clock only goes forward: seconds must be a number from 0 to 10000000000"
            )
        self.ahead += seconds


class State:
    """The logins, codes, tokens and keys of one sandbox, its options and clock.

    All threads can call its methods.
    """

    def __init__(self, options: SandboxOptions) -> None:
        """Start without codes, tokens and keys."""
        self._given = options
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget all logins, codes, tokens, keys and the scenario, and start a new clock."""
        with self._lock:
            self.set_scenario(AS_STARTED)
            self.clock = Clock()
            self._tickets: OrderedDict[Ticket, Login | None] = OrderedDict()
            self._codes: dict[str, Code] = {}
            self._by_access: dict[str, Pair] = {}
            self._by_refresh: dict[str, Pair] = {}
            self._issued: list[IssuedKey] = []
            self._keys: dict[str, IssuedKey] = {}

    def set_scenario(self, scenario: str) -> None:
        """Use the constructor's options with a scenario's changes, and undo an earlier scenario's.

        Raises:
            ValueError: There is no such scenario.
        """
        with self._lock:
            self.options = options_of(scenario, self._given)
            self.scenario = scenario

    def open_login(self, login: Login) -> Ticket:
        """Remember a checked login, and return the ticket for its consent page.

        If there are too many tickets, the oldest one is forgotten.
        """
        with self._lock:
            ticket = Ticket(secrets.token_urlsafe(24))
            self._tickets[ticket] = login
            if len(self._tickets) > _MAX_TICKETS:
                self._tickets.popitem(last=False)
            return ticket

    def close_login(self, ticket: Ticket) -> Login | None:
        """Return the login of a ticket, once; None if the user has already decided on the login.

        Raises:
            Refusal: The ticket was never issued, or was forgotten.
        """
        with self._lock:
            if ticket not in self._tickets:
                raise Refusal("unknown_ticket", "no open login request has this ticket", "7.1")
            login = self._tickets[ticket]
            self._tickets[ticket] = None
            return login

    def issue_code(self, grant: Grant) -> str:
        """Return a new authorization code for what a user has approved."""
        with self._lock:
            code = f"sandbox-code/{secrets.token_hex(16)}="
            self._codes[code] = Code(grant, self.clock.now() + CODE_SECONDS)
            return code

    def redeem_code(self, value: str, redirect_uri: str) -> Pair:
        """Exchange a code for tokens, once (document section 7.2).

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
            if code.grant.login.redirect_uri != redirect_uri:
                raise Refusal(
                    "redirect_uri_differs",
                    "redirect_uri is not, byte for byte, the one of the login request",
                    "7.2",
                )
            code.used = True
            return self._issue_pair(code.grant)

    def issue_tokens(self, grant: Grant) -> Pair:
        """Return a pair of tokens for what a user has approved, without a code."""
        with self._lock:
            return self._issue_pair(grant)

    def rotate(self, refresh_token: str) -> Pair:
        """Exchange a refresh token for a new pair, and end the old access token.

        See document section 6.3.

        Raises:
            Refusal: The refresh token is unknown or expired. Or it was used before, and the option
                `refresh_tokens` is "once".
        """
        with self._lock:
            pair = self._by_refresh.get(refresh_token)
            if pair is None:
                raise Refusal("refresh_token_unknown", "refresh token was never issued", "7.3")
            if pair.replaced and self.options.refresh_tokens == "once":
                raise Refusal(
                    "refresh_token_used",
                    "refresh token was already used; each one works once",
                    "6.3",
                )
            if pair.refresh_expires <= self.clock.now():
                raise Refusal("refresh_token_expired", "refresh token has expired (3 days)", "6.3")
            pair.replaced = True
            return self._issue_pair(pair.grant)

    def _issue_pair(self, grant: Grant) -> Pair:
        now = self.clock.now()
        pair = Pair(
            access_token=f"sandbox-access/{secrets.token_hex(20)}=",
            refresh_token=f"sandbox-refresh/{secrets.token_hex(20)}=",
            access_expires=now + ACCESS_SECONDS,
            refresh_expires=now + REFRESH_SECONDS,
            grant=grant,
        )
        self._by_access[pair.access_token] = pair
        self._by_refresh[pair.refresh_token] = pair
        return pair

    def check_access(self, access_token: str) -> Grant:
        """Return what the user of an access token has approved.

        Raises:
            Refusal: The token is unknown, replaced or expired.
        """
        with self._lock:
            pair = self._by_access.get(access_token)
            if pair is None:
                raise Refusal("access_token_unknown", "access token was never issued", "6.2")
            if pair.replaced:
                raise Refusal(
                    "access_token_replaced",
                    "access token was replaced by a refresh, which ends the old one at once",
                    "6.3",
                )
            if pair.access_expires <= self.clock.now():
                raise Refusal("access_token_expired", "access token has expired (1 hour)", "6.3")
            return pair.grant

    def create_key(self, grant: Grant, permissions: tuple[str, ...]) -> IssuedKey:
        """Issue an API key (document section 4).

        Raises:
            Refusal: The account has as many keys as it can have. Or it has a key with the new key's
                name, and the option `repeat_names` is not set.
        """
        with self._lock:
            options = self.options
            owned = [key for key in self._keys.values() if key.account == grant.account]
            if len(owned) >= options.max_keys:
                raise Refusal(
                    "key_limit", "The number of user's apiKey reaches to the maximum level", None
                )
            name = options.api_name or f"{options.broker_name}-{len(self._issued) + 1}"
            if not options.repeat_names and any(key.api_name == name for key in owned):
                raise Refusal("repeated_name", "Repeated apiName", None)
            now, days = self.clock.now(), options.key_days
            key = IssuedKey(
                api_name=name,
                api_key=secrets.token_hex(12),
                secret=str(uuid.uuid4()),
                passphrase=secrets.token_hex(10),
                created_at=now,
                state=grant.login.state,
                account=grant.account,
                permissions=permissions,
                expires_at=None if days is None else now + days * _DAY,
            )
            self._issued.append(key)
            self._keys[key.api_key] = key
            return key

    def delete_key(self, api_key: str) -> None:
        """Delete a key, as its user can at KuCoin.

        Raises:
            ValueError: No such key exists, or it was deleted before.
        """
        with self._lock:
            if self._keys.pop(api_key, None) is None:
                raise ValueError("no key with this api_key exists")

    def find_key(self, api_key: str) -> IssuedKey | None:
        """Return the key with this `api_key`; None if the key is unknown, deleted or expired."""
        with self._lock:
            key = self._keys.get(api_key)
            return key if key and self._is_alive(key) else None

    def live_keys(self) -> tuple[IssuedKey, ...]:
        """Return the keys that were not deleted and have not expired, oldest first."""
        with self._lock:
            return tuple(key for key in self._keys.values() if self._is_alive(key))

    def issued_keys(self) -> tuple[IssuedKey, ...]:
        """Return all keys that were issued since the last reset, oldest first."""
        with self._lock:
            return tuple(self._issued)

    def _is_alive(self, key: IssuedKey) -> bool:
        return key.expires_at is None or self.clock.now() < key.expires_at

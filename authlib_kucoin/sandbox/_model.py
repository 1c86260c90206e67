"""What the sandbox remembers, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: The account of a sandbox whose options name none.
DEFAULT_ACCOUNT: Final = ("trader@example.com", 165_111_215)


@dataclass(frozen=True, slots=True)
class Account:
    """A user's account at KuCoin: its login name, and its uid in key info."""

    name: str
    uid: int


class Ticket(str):
    """The secret that ties a decision to its login page."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Login:
    """A login request that passed every check (section 7.1)."""

    redirect_uri: str
    state: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user has approved: a login, for an account, with permissions."""

    login: Login
    account: Account
    permissions: tuple[str, ...]


@dataclass(slots=True)
class Code:
    """An authorization code of one grant."""

    grant: Grant
    expires: float
    used: bool = False


@dataclass(slots=True)
class Pair:
    """An access token and its refresh token (section 6.3)."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires: float
    refresh_expires: float
    grant: Grant
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """An API key that was issued.

    Attributes:
        created_at: In seconds since the epoch, on the sandbox's clock.
        state: The `state` of the login that led to the key, as the broker sent it.
        account: The account that it belongs to.
        permissions: What it may do, in the words of ``authGroup``.
        expires_at: When it ends, on the sandbox's clock; None if it does not.
    """

    api_name: str
    api_key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)
    created_at: float
    state: str = field(repr=False)
    account: Account = Account(*DEFAULT_ACCOUNT)
    permissions: tuple[str, ...] = ()
    expires_at: float | None = None

"""The values that the sandbox remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: The default values of the options `account` and `uid`.
DEFAULT_ACCOUNT: Final = ("trader@example.com", 165_111_215)


@dataclass(frozen=True, slots=True)
class Account:
    """A user's account at KuCoin: its login name, and its uid in key info."""

    name: str
    uid: int


class Ticket(str):
    """The secret in a consent page's form; it tells which login request the form answers."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Login:
    """What is kept of a checked login request, to answer it later (document section 7.1)."""

    redirect_uri: str
    state: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user has approved: a login request, for one account, with some permissions."""

    login: Login
    account: Account
    permissions: tuple[str, ...]


@dataclass(slots=True)
class Code:
    """What is kept of an authorization code: its grant, its expiry, whether it was exchanged."""

    grant: Grant
    expires: float
    used: bool = False


@dataclass(slots=True)
class Pair:
    """An access token and its refresh token (document section 6.3).

    `replaced` is true once the refresh token was used.
    """

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
        created_at: When the key was issued, in seconds since the epoch on the sandbox's clock.
        state: The `state` of the login that led to the key, percent-decoded; "sandbox" if there was
            no login.
        account: The account that the key belongs to.
        permissions: What the key allows, in the words of ``authGroup``.
        expires_at: When the key expires, on the same clock; None if it does not expire.
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

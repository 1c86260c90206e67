"""The options of a sandbox, the same for Python, the command line and the environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_network
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from ._keywords import (
    CallbackMode,
    Charset,
    ClientSecretUse,
    FastApi,
    ListStyle,
    ParameterOrder,
    PermissionsMatch,
    RefreshTokens,
)
from ._model import DEFAULT_ACCOUNT, Account
from ._permissions import PERMISSIONS

#: The value of `tls` with which the sandbox makes its own certificate.
SELF_SIGNED: Final = "self-signed"


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """How one sandbox behaves. Each option is also a flag of the command line."""

    host: str = field(default="127.0.0.1", metadata=_help("address to listen on"))
    client_id: str = field(
        default="sandbox-client", metadata=_help("the broker's client id (section 2)")
    )
    client_secret: str | None = field(
        default=None,
        repr=False,
        metadata=_help("the broker's client secret, sent in the token call (section 5)"),
    )
    client_secret_use: ClientSecretUse | None = field(
        default=None,
        metadata=_help(
            "client_secret in the token call; unless set: required if the sandbox has a "
            "client_secret, otherwise optional and of any value"
        ),
    )
    broker_name: str = field(
        default="Example Broker", metadata=_help("the broker's name on the consent page")
    )
    broker_id: str = field(default="sandbox-broker", metadata=_help("brokerId of issued keys"))
    partner: str = field(
        default="sandbox-partner",
        metadata=_help("the broker's KC-API-PARTNER in signed requests"),
    )
    partner_key: str = field(
        default="sandbox-partner-key",
        repr=False,
        metadata=_help("the key for KC-API-PARTNER-SIGN"),
    )
    account: str | Sequence[str] = field(
        default=DEFAULT_ACCOUNT[0],
        metadata=_help(
            "an account at KuCoin: NAME or NAME:UID; if there are several, the user chooses one on "
            "the consent page"
        ),
    )
    uid: int = field(
        default=DEFAULT_ACCOUNT[1],
        metadata=_help("uid of the first account given without one; each further one gets 1 more"),
    )
    sub_name: str | None = field(
        default=None, metadata=_help("make every account a sub-account of this name")
    )
    futures_opened: bool = field(
        default=True,
        metadata=_help(
            "the user has opened futures trading; if not, a request of Fast API 2 for API_FUTURES "
            "is refused with 40503"
        ),
    )
    redirect_uris: Sequence[str] = field(
        default=(),
        metadata=_help(
            "redirect URLs that the broker has registered; unless set: any https URL, and any http "
            "URL of a loopback host"
        ),
    )
    callback: CallbackMode = field(
        default="plain",
        metadata=_help(
            "how the answer reaches the redirect URL: code and state in the query (plain; the "
            "whole answer if the user cancels), the whole answer of section 7.1 in the query "
            "(envelope), or the same by form POST (form_post)"
        ),
    )
    lists: ListStyle = field(
        default="string",
        metadata=_help("authGroup and ipWhiteList of a new key: a comma string or a JSON list"),
    )
    parameter_order: ParameterOrder = field(
        default="any",
        metadata=_help("order of the parameters in a query: any, or as in the document's example"),
    )
    charset: Charset = field(
        default="allowed",
        metadata=_help("a charset behind the content type, as Node's fetch sends it"),
    )
    refresh_tokens: RefreshTokens = field(
        default="once", metadata=_help("how often a refresh token can be used")
    )
    fast_api: FastApi = field(
        default="both", metadata=_help("the version of the Fast API that the sandbox offers")
    )
    permissions: Sequence[str] = field(
        default=("API_COMMON", "API_SPOT", "API_EARN", "API_TRANSFER", "API_MARGIN"),
        metadata=_help("permissions that the consent page lists; the user can uncheck some"),
    )
    permissions_match: PermissionsMatch = field(
        default="subset",
        metadata=_help(
            "what a request of Fast API 2 can name: some of the permissions that the user has "
            "granted (subset), or only all of them (exact); others are refused with 40503"
        ),
    )
    reported_permissions: Sequence[str] | None = field(
        default=None,
        metadata=_help(
            "permissions that key info reports instead of the key's own, in the words of key info "
            "(General Spot Transfer ...)"
        ),
    )
    permission_mismatch: bool = field(
        default=False, metadata=_help("answer each request for a key with 40503 (risk validation)")
    )
    key_days: int | None = field(
        default=None, metadata=_help("days until an issued key expires; unless set: never")
    )
    key_info: Mapping[str, Any] = field(
        default_factory=dict,
        metadata=_help(
            "members to add to key info, or to change in it, as a JSON object: "
            '{"siteType": "australia", "region": "AU", "kycStatus": 1, "parentUid": 7}'
        ),
    )
    max_keys: int = field(default=50, metadata=_help("how many keys an account can have"))
    api_name: str | None = field(
        default=None,
        metadata=_help(
            "give every key this name; an account then gets only one key, unless repeat_names is "
            "set"
        ),
    )
    repeat_names: bool = field(
        default=False, metadata=_help("allow an account to have keys of the same name")
    )
    allowed_ips: Sequence[str] | None = field(
        default=None,
        metadata=_help(
            "addresses and networks that the broker has registered for the Fast API (section 2); "
            "they can control the sandbox as well; unless set: the loopback addresses"
        ),
    )
    allowed_hosts: Sequence[str] = field(
        default=(),
        metadata=_help(
            "host names, besides loopback ones, under which control calls reach the sandbox, such "
            "as a container's name"
        ),
    )
    ip_whitelist: Sequence[str] = field(
        default=(),
        metadata=_help("addresses that issued keys are bound to; unless set: any address"),
    )
    tls: tuple[str, str] | Literal["self-signed"] | None = field(
        default=None,
        metadata=_help(
            "serve https, with a certificate file and a key file, or with self-signed: the sandbox "
            "then makes a certificate"
        ),
    )

    def __post_init__(self) -> None:
        """Copy lists and the mapping into immutable ones, and refuse mistakes.

        Raises:
            ValueError: An option has a value that it cannot have; the text says which.
        """
        self._refuse_mistakes()
        for name in LIST_OPTIONS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        if self.fast_api != "both":
            object.__setattr__(self, "fast_api", int(self.fast_api))
        object.__setattr__(self, "account", _names(self.account))
        object.__setattr__(self, "key_info", MappingProxyType(dict(self.key_info)))

    def _refuse_mistakes(self) -> None:
        for name in ("client_id", "broker_name", "broker_id", "partner", "partner_key", "account"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        for name in LIST_OPTIONS:
            if isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is a list of strings, not one string")  # noqa: TRY004 - one error type for all options
        for name, choices in CHOICES.items():
            if str(getattr(self, name) or choices[0]) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}")
        self._refuse_values()

    def _refuse_values(self) -> None:
        unknown = sorted(set(self.permissions) - set(PERMISSIONS))
        if unknown:
            raise ValueError(f"unknown permissions {unknown}; known are {', '.join(PERMISSIONS)}")
        for name in ("max_keys", "key_days"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must not be negative")
        for name in ("allowed_ips", "ip_whitelist"):
            for address in getattr(self, name) or ():
                try:
                    ip_network(address, strict=False)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        for host in self.allowed_hosts:
            if "/" in host or (":" in host and not _is_ipv6(host)):
                raise ValueError(
                    f"allowed_hosts: {host!r} must be a host name or an address, without a port"
                )
        names = [account.name for account in self.accounts]
        if len(set(names)) < len(names):
            raise ValueError("account: two accounts have the same name")

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts, each with its uid."""
        found: list[Account] = []
        uid = self.uid
        for text in _names(self.account):
            name, colon, number = text.rpartition(":")
            if colon and number.isascii() and number.isdecimal():
                found.append(Account(name, int(number)))
            else:
                found.append(Account(text, uid))
                uid += 1
        return tuple(found)

    def find_account(self, name: str | None) -> Account:
        """Return the account of this name; the first account if `name` is None.

        Raises:
            ValueError: There is no such account; the text lists the accounts.
        """
        for account in self.accounts:
            if name in {None, account.name}:
                return account
        known = ", ".join(account.name for account in self.accounts)
        raise ValueError(f"unknown account {name!r}; known are {known}")


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _names(account: str | Sequence[str]) -> tuple[str, ...]:
    return (account,) if isinstance(account, str) else tuple(account)


#: For each option that takes one of a few words: these words.
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "callback": get_args(CallbackMode),
    "charset": get_args(Charset),
    "client_secret_use": get_args(ClientSecretUse),
    "fast_api": ("both", "1", "2"),
    "lists": get_args(ListStyle),
    "parameter_order": get_args(ParameterOrder),
    "permissions_match": get_args(PermissionsMatch),
    "refresh_tokens": get_args(RefreshTokens),
}

#: The options that take a list of strings, except `account`, which also takes one string.
LIST_OPTIONS: Final = (
    "redirect_uris",
    "permissions",
    "reported_permissions",
    "allowed_ips",
    "allowed_hosts",
    "ip_whitelist",
)

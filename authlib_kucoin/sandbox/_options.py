"""The options of a sandbox: one frozen set, the same from Python and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
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

#: The value of `tls` for a certificate made at the start.
SELF_SIGNED: Final = "self-signed"


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """How one sandbox behaves. Each option is a flag of the command line as well."""

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
            "client_secret in the token call; unless set: required if there is a client secret, "
            "optional and of any value if there is none"
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
            "an account at KuCoin: NAME or NAME:UID; several let the user choose on the consent "
            "page"
        ),
    )
    uid: int = field(
        default=DEFAULT_ACCOUNT[1],
        metadata=_help("the uid of the first account without one; the next one's is 1 more"),
    )
    sub_name: str | None = field(
        default=None, metadata=_help("make the account a sub-account of this name")
    )
    futures_opened: bool = field(
        default=True,
        metadata=_help(
            "the account has opened futures trading; without it, a key of Fast API 2 with "
            "API_FUTURES is refused with 40503"
        ),
    )
    redirect_uris: Sequence[str] = field(
        default=(),
        metadata=_help(
            "redirect URLs registered by the broker; unless set: any https or loopback http URL"
        ),
    )
    callback: CallbackMode = field(
        default="plain",
        metadata=_help(
            "how the answer reaches the redirect URL: code and state in the query (plain), the "
            "whole answer of section 7.1 in the query (envelope), or the same by form POST "
            "(form_post)"
        ),
    )
    lists: ListStyle = field(
        default="string",
        metadata=_help("authGroup and ipWhiteList of a new key: comma string or JSON list"),
    )
    parameter_order: ParameterOrder = field(
        default="any",
        metadata=_help("order of the parameters in a query: any, or as in the document's example"),
    )
    charset: Charset = field(
        default="allowed",
        metadata=_help("a charset after the content type, such as Node's fetch sends"),
    )
    refresh_tokens: RefreshTokens = field(
        default="once", metadata=_help("how often a refresh token works")
    )
    fast_api: FastApi = field(
        default="both", metadata=_help("the versions of the Fast API that are offered")
    )
    permissions: Sequence[str] = field(
        default=("API_COMMON", "API_SPOT", "API_EARN", "API_TRANSFER", "API_MARGIN"),
        metadata=_help("permissions on the consent page, where the user can take some away"),
    )
    permissions_match: PermissionsMatch = field(
        default="subset",
        metadata=_help(
            "what a key of Fast API 2 may ask for: permissions that the user has granted (subset), "
            "or all of them (exact); anything else is 40503"
        ),
    )
    reported_permissions: Sequence[str] | None = field(
        default=None,
        metadata=_help(
            "what key info reports instead, in its own words (General Spot Transfer ...)"
        ),
    )
    permission_mismatch: bool = field(
        default=False, metadata=_help("answer each request for a key with 40503 (risk validation)")
    )
    key_days: int | None = field(
        default=None, metadata=_help("days until an issued key expires; unless set, it does not")
    )
    key_info: Mapping[str, Any] = field(
        default_factory=dict,
        metadata=_help(
            "members to add to key info, or to change there, as a JSON object: "
            '{"siteType": "australia", "region": "AU", "kycStatus": 1, "parentUid": 7}'
        ),
    )
    max_keys: int = field(default=50, metadata=_help("how many keys the account may have"))
    api_name: str | None = field(
        default=None, metadata=_help("give every key this name, so that the second one repeats it")
    )
    repeat_names: bool = field(default=False, metadata=_help("allow keys with the same name"))
    allowed_ips: Sequence[str] | None = field(
        default=None,
        metadata=_help(
            "addresses and networks registered for the Fast API (section 2); they may also control "
            "the sandbox; unless set: any loopback one"
        ),
    )
    allowed_hosts: Sequence[str] = field(
        default=(),
        metadata=_help(
            "host names besides loopback ones that control calls may name, such as a container's"
        ),
    )
    ip_whitelist: Sequence[str] = field(
        default=(),
        metadata=_help("addresses that issued keys are bound to; unless set, any address works"),
    )
    tls: tuple[str, str] | Literal["self-signed"] | None = field(
        default=None,
        metadata=_help(
            "serve https: certificate file and key file, or self-signed to make a certificate"
        ),
    )

    def __post_init__(self) -> None:
        """Turn lists into tuples and refuse mistakes.

        Raises:
            ValueError: A name is empty, a list is one string, or a choice is unknown.
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
        for address in (*(self.allowed_ips or ()), *self.ip_whitelist):
            ip_network(address, strict=False)
        names = [account.name for account in self.accounts]
        if len(set(names)) < len(names):
            raise ValueError("two accounts have the same name")

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
        """Return the account of this name; the first one without a name.

        Raises:
            ValueError: There is no such account; the text lists those there are.
        """
        for account in self.accounts:
            if name in {None, account.name}:
                return account
        known = ", ".join(account.name for account in self.accounts)
        raise ValueError(f"unknown account {name!r}; known are {known}")


def _names(account: str | Sequence[str]) -> tuple[str, ...]:
    return (account,) if isinstance(account, str) else tuple(account)


#: The options that take one of a few words.
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

#: The options that are lists of strings.
LIST_OPTIONS: Final = (
    "redirect_uris",
    "permissions",
    "reported_permissions",
    "allowed_ips",
    "allowed_hosts",
    "ip_whitelist",
)

"""The options of a sandbox: one frozen set, the same from Python and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Final, Literal, TypedDict, get_args

CallbackMode = Literal["plain", "envelope", "form_post"]
ListStyle = Literal["string", "list"]

#: Each permission of ``authGroup`` (section 4): its name in key info, and in plain words.
#: In key info "Transfer" is the permission to withdraw, which is never granted (section 3).
#: "InnerTransfer" moves funds between the user's own accounts.
PERMISSIONS: Final[dict[str, tuple[str, str]]] = {
    "API_COMMON": ("General", "Read your account: balances, orders and trade history"),
    "API_SPOT": ("Spot", "Place and cancel spot orders"),
    "API_FUTURES": ("Futures", "Place and cancel futures orders"),
    "API_EARN": ("Earn", "Subscribe to and redeem Earn products"),
    "API_TRANSFER": ("InnerTransfer", "Move funds between your own KuCoin accounts"),
    "API_MARGIN": ("Margin", "Place and cancel margin orders, borrow and repay"),
}


class OptionKeywords(TypedDict, total=False):
    """The fields of `SandboxOptions` as keywords."""

    host: str
    client_id: str
    client_secret: str | None
    broker_name: str
    broker_id: str
    partner: str
    partner_key: str
    account: str
    uid: int
    sub_name: str | None
    redirect_uris: Sequence[str]
    callback: CallbackMode
    lists: ListStyle
    permissions: Sequence[str]
    reported_permissions: Sequence[str] | None
    permission_mismatch: bool
    max_keys: int
    api_name: str | None
    repeat_names: bool
    allowed_ips: Sequence[str] | None
    ip_whitelist: Sequence[str]
    tls: tuple[str, str] | None


class SandboxKeywords(OptionKeywords, total=False):
    """All keywords of `run_sandbox`: the fields of `SandboxOptions`, and the port."""

    port: int


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
        metadata=_help(
            "require this client_secret in the token call; unless set, a client_secret is refused"
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
    account: str = field(
        default="trader@example.com", metadata=_help("the account that is signed in at KuCoin")
    )
    uid: int = field(default=165_111_215, metadata=_help("the account's uid in key info"))
    sub_name: str | None = field(
        default=None, metadata=_help("make the account a sub-account of this name")
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
    permissions: Sequence[str] = field(
        default=("API_COMMON", "API_SPOT", "API_EARN", "API_TRANSFER", "API_MARGIN"),
        metadata=_help("authGroup of issued keys"),
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
    max_keys: int = field(default=50, metadata=_help("how many keys the account may have"))
    api_name: str | None = field(
        default=None, metadata=_help("give every key this name, so that the second one repeats it")
    )
    repeat_names: bool = field(default=False, metadata=_help("allow keys with the same name"))
    allowed_ips: Sequence[str] | None = field(
        default=None,
        metadata=_help(
            "client addresses registered for the Fast API (section 2); unless set: any loopback one"
        ),
    )
    ip_whitelist: Sequence[str] = field(
        default=(),
        metadata=_help("addresses that issued keys are bound to; unless set, any address works"),
    )
    tls: tuple[str, str] | None = field(
        default=None, metadata=_help("certificate file and key file, to serve https")
    )

    def __post_init__(self) -> None:
        """Turn lists into tuples and refuse mistakes.

        Raises:
            ValueError: A name is empty, a list is one string, or a choice is unknown.
        """
        for name in ("client_id", "broker_name", "broker_id", "partner", "partner_key", "account"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        for name in LIST_OPTIONS:
            value = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"{name} is a list of strings, not one string")  # noqa: TRY004 - one error type for all options
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}")
        unknown = sorted(set(self.permissions) - set(PERMISSIONS))
        if unknown:
            raise ValueError(f"unknown permissions {unknown}; known are {', '.join(PERMISSIONS)}")
        if self.max_keys < 0:
            raise ValueError("max_keys must not be negative")

    @property
    def key_info_permissions(self) -> tuple[str, ...]:
        """The permissions of a key in the words of ``GET /api/v1/user/api-key``."""
        if self.reported_permissions is not None:
            return tuple(self.reported_permissions)
        return tuple(PERMISSIONS[name][0] for name in self.permissions)


#: The options that take one of a few words.
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "callback": get_args(CallbackMode),
    "lists": get_args(ListStyle),
}
#: The options that are lists of strings.
LIST_OPTIONS: Final = (
    "redirect_uris",
    "permissions",
    "reported_permissions",
    "allowed_ips",
    "ip_whitelist",
)


def option_help() -> dict[str, str]:
    """Return each option's name and its one sentence of help."""
    return {option.name: option.metadata["help"] for option in fields(SandboxOptions)}

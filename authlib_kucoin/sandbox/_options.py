"""What a sandbox can be told: one frozen set of options, the same from Python and the CLI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypedDict, get_args

CallbackMode = Literal["plain", "envelope", "form_post"]
ListStyle = Literal["string", "list"]

PERMISSIONS: dict[str, tuple[str, str]] = {
    "API_COMMON": ("General", "Read your account: balances, orders and trade history"),
    "API_SPOT": ("Spot", "Place and cancel spot orders"),
    "API_FUTURES": ("Futures", "Place and cancel futures orders"),
    "API_EARN": ("Earn", "Subscribe to and redeem Earn products"),
    "API_TRANSFER": ("InnerTransfer", "Move funds between your own KuCoin accounts"),
    "API_MARGIN": ("Margin", "Place and cancel margin orders, borrow and repay"),
}
"""Each permission of ``authGroup`` (section 4): its name in the key info, and in plain words.

In the key info "Transfer" is the permission to withdraw, which is never granted (section 3), and
"InnerTransfer" the one to move funds between one's own accounts.
"""


class SandboxKeywords(TypedDict, total=False):
    """The keywords of `run_sandbox`: the fields of `SandboxOptions`, for type checkers."""

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


def _option(default: Any, text: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """How one sandbox behaves. Every option is also a flag of the command line."""

    host: str = _option("127.0.0.1", "address to listen on")
    client_id: str = _option("sandbox-client", "the broker's client id (section 2)")
    client_secret: str | None = _option(
        None,
        "expect this client_secret in the token call; without it, one that comes is refused",
        secret=True,
    )
    broker_name: str = _option("Example Broker", "the broker's name on the consent page")
    broker_id: str = _option("sandbox-broker", "brokerId of the keys that are issued")
    partner: str = _option("sandbox-partner", "the broker's KC-API-PARTNER in signed requests")
    partner_key: str = _option(
        "sandbox-partner-key", "the key that KC-API-PARTNER-SIGN is made with", secret=True
    )
    account: str = _option("trader@example.com", "the account that is signed in at KuCoin")
    uid: int = _option(165_111_215, "the account's uid in the key info")
    sub_name: str | None = _option(None, "make the account a sub-account of this name")
    redirect_uris: Sequence[str] = _option(
        (), "redirect URLs registered by the broker; none given: any https or loopback http URL"
    )
    callback: CallbackMode = _option(
        "plain",
        "how the answer reaches the redirect URL: code and state in the query (plain), the whole "
        "document of section 7.1 in the query (envelope), or the same by form POST (form_post)",
    )
    lists: ListStyle = _option(
        "string", "authGroup and ipWhiteList of a new key as comma string or as JSON list"
    )
    permissions: Sequence[str] = _option(
        ("API_COMMON", "API_SPOT", "API_EARN", "API_TRANSFER", "API_MARGIN"),
        "authGroup of the keys that are issued",
    )
    reported_permissions: Sequence[str] | None = _option(
        None, "what the key info reports instead, in its own words (General Spot Transfer ...)"
    )
    permission_mismatch: bool = _option(
        False,
        "answer each request for a key with 40503 (risk validation)",
    )
    max_keys: int = _option(50, "how many keys the account may have")
    api_name: str | None = _option(
        None, "name every key like this, so that the second one is a repetition"
    )
    repeat_names: bool = _option(
        False,
        "allow keys with the same name",
    )
    allowed_ips: Sequence[str] | None = _option(
        None, "client addresses registered for the Fast API (section 2); default: any loopback one"
    )
    ip_whitelist: Sequence[str] = _option(
        (), "addresses the issued keys are bound to; none given: the keys work from anywhere"
    )
    tls: tuple[str, str] | None = _option(None, "certificate file and key file, to serve https")

    def __post_init__(self) -> None:
        """Turn lists into tuples and refuse what cannot be meant.

        Raises:
            ValueError: A name is empty, a list is a bare string, or a choice is not known.
        """
        for name in ("client_id", "broker_name", "broker_id", "partner", "partner_key", "account"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        for name in LIST_OPTIONS:
            value = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"{name} is a list of strings, not one string")
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


CHOICES: dict[str, tuple[str, ...]] = {
    "callback": get_args(CallbackMode),
    "lists": get_args(ListStyle),
}
"""The options that are one of a few words."""

LIST_OPTIONS = (
    "redirect_uris",
    "permissions",
    "reported_permissions",
    "allowed_ips",
    "ip_whitelist",
)
"""The options that are lists of strings."""


def option_help() -> dict[str, str]:
    """Return each option's name and its one sentence of help."""
    return {option.name: option.metadata["help"] for option in fields(SandboxOptions)}

"""The options of a sandbox as typed keywords: what a type checker allows in `run_sandbox(...)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

CallbackMode = Literal["plain", "envelope", "form_post"]
ListStyle = Literal["string", "list"]

Charset = Literal["allowed", "refused"]
ClientSecretUse = Literal["refused", "optional", "required"]
FastApi = Literal["both", 1, 2]
ParameterOrder = Literal["any", "document"]
PermissionsMatch = Literal["subset", "exact"]
RefreshTokens = Literal["once", "reusable"]


class OptionKeywords(TypedDict, total=False):
    """The fields of `SandboxOptions` as keywords."""

    host: str
    client_id: str
    client_secret: str | None
    client_secret_use: ClientSecretUse | None
    broker_name: str
    broker_id: str
    partner: str
    partner_key: str
    account: str | Sequence[str]
    uid: int
    sub_name: str | None
    futures_opened: bool
    redirect_uris: Sequence[str]
    callback: CallbackMode
    lists: ListStyle
    parameter_order: ParameterOrder
    charset: Charset
    refresh_tokens: RefreshTokens
    fast_api: FastApi
    permissions: Sequence[str]
    permissions_match: PermissionsMatch
    reported_permissions: Sequence[str] | None
    permission_mismatch: bool
    key_days: int | None
    key_info: Mapping[str, Any]
    max_keys: int
    api_name: str | None
    repeat_names: bool
    allowed_ips: Sequence[str] | None
    allowed_hosts: Sequence[str]
    ip_whitelist: Sequence[str]
    tls: tuple[str, str] | Literal["self-signed"] | None


class SandboxKeywords(OptionKeywords, total=False):
    """All keywords of `run_sandbox`: the fields of `SandboxOptions`, and the port."""

    port: int

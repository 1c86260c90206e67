"""The classes of what calls return: a token, an API key, and the description of a key."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from authlib.oauth2.rfc6749 import OAuth2Token

from ._errors import TokenError

# In seconds, as in section 6.3 of the document.
ACCESS_TOKEN_LIFETIME: Final = 3600
REFRESH_TOKEN_LIFETIME: Final = 3 * 24 * 3600

#: The fields of a token that are numbers of seconds.
_SECONDS: Final = ("expires_in", "expires_at", "refresh_expires_at")
#: A number of seconds as a string, which some databases return.
_DECIMAL: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?")

_Text = Literal["access_token", "refresh_token", "token_type", "scope"]
_Seconds = Literal["expires_in", "expires_at", "refresh_expires_at"]

#: The fields whose values are not secret. The repr of a token shows them.
_SHOWN: Final = {"token_type", "scope", "expires_in", "expires_at", "refresh_expires_at"}


class KuCoinToken(OAuth2Token):
    """Authlib's token, with a repr that hides the secret values.

    A token from KuCoin has these keys: ``access_token``, ``token_type``, ``scope`` (the RFC's
    space-separated string), ``expires_in`` (int seconds) and ``expires_at`` (int seconds since the
    epoch); and, if they are known, ``refresh_token`` and ``refresh_expires_at`` (int seconds since
    the epoch, 3 days after the refresh token was received; document section 6.3).

    Args:
        params: The keys and values of the token. The mapping is copied, and times become ints.

    Raises:
        TokenError: If ``params`` is not a mapping, or a time in it is not a number of seconds.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        if not isinstance(params, Mapping):
            raise TokenError(
                "Expected a token: a mapping with an access_token. Got an object of type "
                f"{type(params).__name__}."
            )
        values = dict(params)
        for name in _SECONDS:
            if values.get(name) is None:
                continue
            # Authlib cannot read an expires_at of "1800000000.5". It would count expires_in from
            # now or, without expires_in, never refresh the token.
            values[name] = whole_seconds(values[name])
            if values[name] is None:
                raise TokenError(
                    f"The token's {name} is not a number of seconds: store it unchanged, or have "
                    "the user authorize again."
                )
        super().__init__(values)

    if TYPE_CHECKING:  # Authlib's stubs type each value as an object

        @overload
        def __getitem__(self, key: _Text, /) -> str: ...
        @overload
        def __getitem__(self, key: _Seconds, /) -> int: ...
        @overload
        def __getitem__(self, key: str, /) -> Any: ...
        def __getitem__(self, key: str, /) -> Any: ...

        @overload  # type: ignore[override]  # only the last overload takes a default
        def get(self, key: _Text, /) -> str | None: ...
        @overload
        def get(self, key: _Seconds, /) -> int | None: ...
        @overload
        def get(self, key: str, default: Any = None, /) -> Any: ...
        def get(self, key: str, default: Any = None, /) -> Any: ...

    def __repr__(self) -> str:
        shown = (f"{key!r}: {self[key]!r}" if key in _SHOWN else f"{key!r}: '***'" for key in self)
        return f"<KuCoinToken {{{', '.join(shown)}}}>"


@dataclasses.dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key. KuCoin shows its secret and its passphrase only once (document section 4).

    Attributes:
        api_name: The name KuCoin gave the key.
        api_key: The public half of the credentials.
        secret: The credential that signs REST requests. The repr does not show it.
        passphrase: The third credential. The repr does not show it.
        broker_id: The broker that the key is bound to.
        permissions: KuCoin's ``authGroup``, such as ``{"API_COMMON", "API_SPOT"}``.
            :class:`ApiKeyInfo` says what the key is really allowed to do.
        ip_whitelist: The IP addresses that are allowed to use the key; empty if KuCoin names none.
    """

    api_name: str
    api_key: str
    secret: str = dataclasses.field(repr=False)
    passphrase: str = dataclasses.field(repr=False)
    broker_id: str = ""
    permissions: frozenset[str] = frozenset()
    ip_whitelist: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class ApiKeyInfo:
    """KuCoin's description of a key (``GET /api/v1/user/api-key``).

    Attributes:
        uid: The account's number.
        permissions: What the key is allowed to do, in the REST API's words, such as
            ``{"General", "Spot"}``.
        ip_whitelist: The IP addresses that are allowed to use the key; empty if KuCoin names none.
        is_master: Whether the key belongs to a master account; None if KuCoin does not say.
        sub_name: The name of the sub-account, if the key belongs to one.
        created_at: When the key was created, as an aware datetime; None if KuCoin does not say.
        api_version: The version of the key, such as 3; None if KuCoin does not say.
        remark: The key's name.
        api_key: The public half of the key.
        expires_at: When the key expires, as an aware datetime; None if KuCoin does not say.
        site_type: The site of the account, such as ``"global"`` or ``"australia"``.
        region: The region of the account.
        parent_uid: The number of the master account, if the key is a sub-account's.
        kyc_status: The state of the account's identity check, as KuCoin writes it.
        third_party_app: The application that the key was made for.

    ``uid`` and ``permissions`` always come from the answer. Any other field is None or empty if
    the answer lacks it or its value cannot be used. The last six fields are known only from the
    types of one published client.
    """

    uid: str
    permissions: frozenset[str]
    ip_whitelist: tuple[str, ...] = ()
    is_master: bool | None = None
    sub_name: str | None = None
    created_at: datetime | None = None
    api_version: int | None = None
    remark: str = ""
    api_key: str = ""
    expires_at: datetime | None = None
    site_type: str | None = None
    region: str | None = None
    parent_uid: str | None = None
    kyc_status: int | str | None = None
    third_party_app: str | None = None


def whole_seconds(value: object) -> int | None:
    """Return a number of seconds as an int, without its fraction.

    Args:
        value: A number, or a decimal number as a string with at most 12 digits before the point
            and 9 after it. For other strings, a bool, infinity and NaN, and for what ``float()``
            refuses, the result is None.
    """
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        return None
    if isinstance(value, bool):  # an int in Python, but not in JSON
        return None
    try:
        number = float(value)  # type: ignore[arg-type]  # other types raise TypeError
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) else None

"""Error codes of KuCoin's REST API: the error class for each, and what to do about it.

The codes are from KuCoin's error-code pages.
"""

from __future__ import annotations

from typing import Final

from authlib_kucoin._errors import (
    AddressNotAllowed,
    ApiKeyError,
    ApiKeyInvalid,
    ApiKeyPermissionDenied,
    ClockSkewed,
    KuCoinError,
)

#: The REST API's code for "too many requests" (HTTP 429).
RATE_LIMITED: Final = "429000"

_RECONNECT: Final = "Have the user connect the account again."
_REGISTER: Final = (
    "Ask KuCoin to add the address of this server to those of your registration (section 2), or "
    "send from a registered address."
)
_CODES: Final[dict[str, tuple[type[ApiKeyError], str]]] = {
    "400001": (
        ApiKeyError,
        "A header is missing: look for a proxy on the way that removes headers.",
    ),
    "400002": (ClockSkewed, "Set this machine's clock: KuCoin accepts a difference of 5 s."),
    "400003": (
        ApiKeyInvalid,
        f"KuCoin does not know the key: it was deleted or is another site's. {_RECONNECT}",
    ),
    "400004": (ApiKeyInvalid, f"The stored passphrase is wrong. {_RECONNECT}"),
    "400005": (ApiKeyInvalid, f"The stored secret is wrong. {_RECONNECT}"),
    "400006": (AddressNotAllowed, f"The key is bound to other addresses. {_REGISTER}"),
    "400007": (
        ApiKeyPermissionDenied,
        "The key lacks the permission. Have the user connect again and grant it.",
    ),
    "400008": (ApiKeyError, f"The key has a version that KuCoin does not serve. {_RECONNECT}"),
    "400009": (
        ApiKeyError,
        "The key version in the request is wrong: look for a newer release of this package.",
    ),
    "400010": (ApiKeyError, "The code is about the account's UID: ask KuCoin what it means."),
    "400200": (ApiKeyError, "KuCoin does not know the partner id: check it against your contract."),
    "400201": (ApiKeyError, "The partner signature is wrong: check the broker key."),
    "400202": (AddressNotAllowed, f"Your partner id is bound to other addresses. {_REGISTER}"),
    "400301": (ApiKeyError, "KuCoin does not serve the region of this account or address."),
    "404000": (ApiKeyError, "KuCoin does not know the path: check the REST address of the site."),
    "411100": (ApiKeyError, "KuCoin has frozen the account: the user has to ask KuCoin's support."),
}
#: What the developer or the user should do, by code.
ADVICE: Final = {code: advice for code, (_, advice) in _CODES.items()}


def gateway_refusal(code: str | None, _msg: str | None) -> type[KuCoinError]:
    """Return the error class for a REST request that KuCoin refused; ApiKeyError by default."""
    return _CODES[code][0] if code in _CODES else ApiKeyError

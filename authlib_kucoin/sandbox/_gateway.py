"""KuCoin's REST gateway: how it checks a signed request, and what it says when it refuses."""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

from ._answers import as_json
from ._checks import is_listed
from ._http import Request, Response
from ._model import IssuedKey
from ._options import SandboxOptions
from ._permissions import in_key_info
from ._state import State

#: For each known code of the gateway: its HTTP status and its text. The texts come from KuCoin's
#: pages, the statuses from public reports. But the statuses of 400010, 400200, 400201, 400202,
#: 400301 and 411100 are guesses.
GATEWAY_ERRORS: Final = {
    "400001": (
        400,
        (
            "Please check the header of your request for KC-API-KEY, KC-API-SIGN, "
            "KC-API-TIMESTAMP, KC-API-PASSPHRASE."
        ),
    ),
    "400002": (400, "Invalid KC-API-TIMESTAMP"),
    "400003": (401, "KC-API-KEY not exists"),
    "400004": (401, "Invalid KC-API-PASSPHRASE"),
    "400005": (401, "Invalid KC-API-SIGN"),
    "400006": (403, "Invalid request ip, the current clientIp is:{client_ip}"),
    "400007": (403, "Access denied, require more permission."),
    "400008": (
        400,
        "V1 & V2 API keys are no longer supported by this API. Please create a V3 API key.",
    ),
    "400009": (400, "Invalid KC-API-KEY-VERSION"),
    "400010": (403, "UID access denied, require more permission."),
    "400200": (401, "Unknown partner."),
    "400201": (401, "Invalid KC-API-PARTNER-SIGN"),
    "400202": (403, "Invalid request ip."),
    "400301": (403, "Operation restricted due to local laws, regulations, or policies."),
    "404000": (404, "Url Not Found"),
    "411100": (403, "User are frozen"),
    "429000": (429, "Too many requests"),
}

_SIGNED_HEADERS: Final = ("kc-api-key", "kc-api-sign", "kc-api-timestamp", "kc-api-passphrase")
_KEY_VERSIONS: Final = ("2", "3")
_MAX_SKEW: Final = 5.0
#: The partner names that ccxt sends. The sandbox does not know the keys of these partners, so it
#: accepts any partner signature of theirs.
_OTHER_PARTNERS: Final = ("ccxt", "ccxtfutures")


class GatewayRefusal(Exception):
    """The gateway refuses a request, with a code of `GATEWAY_ERRORS`."""

    def __init__(self, code: str) -> None:
        """Keep the code."""
        super().__init__(code)
        self.code = code


def refuse(code: str, client_ip: str) -> Response:
    """Return the answer by which the gateway refuses a request, with a code of `GATEWAY_ERRORS`."""
    status, msg = GATEWAY_ERRORS[code]
    return as_json({"code": code, "msg": msg.format(client_ip=client_ip)}, status)


def answer(data: object) -> Response:
    """Return the gateway's answer to a good request."""
    return as_json({"code": "200000", "data": data})


def sign(secret: str, text: str) -> str:
    """Return base64(HMAC-SHA256(secret, text))."""
    return b64encode(hmac.digest(secret.encode(), text.encode(), sha256)).decode("ascii")


def permissions_of(key: IssuedKey, options: SandboxOptions) -> tuple[str, ...]:
    """Return a key's permissions in the words of key info.

    If the option `reported_permissions` is set, return its permissions instead.
    """
    if options.reported_permissions is not None:
        return tuple(options.reported_permissions)
    return in_key_info(key.permissions)


def check(request: Request, state: State, real_time: float) -> IssuedKey:
    """Return the issued key that signed a request.

    The timestamp must be within 5 seconds of `real_time` or of the sandbox's clock.

    Raises:
        GatewayRefusal: A header is missing or wrong, the key does not exist or has expired, the
            option `ip_whitelist` is set and does not list the caller's address, or
            `permissions_of` lacks General.
    """
    headers, options = request.headers, state.options
    if any(not headers.get(name) for name in _SIGNED_HEADERS):
        raise GatewayRefusal("400001")
    timestamp = headers["kc-api-timestamp"]
    if not _is_recent(timestamp, real_time, state.clock.now()):
        raise GatewayRefusal("400002")
    key = state.find_key(headers["kc-api-key"])
    if key is None:
        raise GatewayRefusal("400003")
    version = headers.get("kc-api-key-version")
    if version not in _KEY_VERSIONS:
        raise GatewayRefusal("400008" if version == "1" else "400009")
    if not _same(headers["kc-api-passphrase"], sign(key.secret, key.passphrase)):
        raise GatewayRefusal("400004")
    # Some SDKs send "/api/v1/user/api-key?" and sign it without the question mark.
    target = f"{request.path}?{unquote(request.query)}" if request.query else request.path
    text = f"{timestamp}{request.method}{target}{request.body}"
    if not _same(headers["kc-api-sign"], sign(key.secret, text)):
        raise GatewayRefusal("400005")
    if options.ip_whitelist and not is_listed(request.client_ip, options.ip_whitelist):
        raise GatewayRefusal("400006")
    _check_partner(request, options)
    if "General" not in permissions_of(key, options):
        raise GatewayRefusal("400007")
    return key


def _is_recent(timestamp: str, *clocks: float) -> bool:
    if not (timestamp.isascii() and timestamp.isdecimal()) or len(timestamp) > len("1680885532722"):
        return False
    seconds = int(timestamp) / 1000
    return any(abs(seconds - now) <= _MAX_SKEW for now in clocks)


def _check_partner(request: Request, options: SandboxOptions) -> None:
    headers = request.headers
    if headers.get("kc-api-partner-verify", "").lower() != "true":
        return  # KuCoin then ignores a wrong partner or partner signature without an error
    partner = headers.get("kc-api-partner", "")
    if partner in _OTHER_PARTNERS:
        return
    if partner != options.partner:
        raise GatewayRefusal("400200")
    text = f"{headers['kc-api-timestamp']}{partner}{headers['kc-api-key']}"
    if not _same(headers.get("kc-api-partner-sign", ""), sign(options.partner_key, text)):
        raise GatewayRefusal("400201")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())

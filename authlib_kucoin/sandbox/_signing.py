"""How KuCoin checks a signed REST request (document menu: Authentication)."""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

from ._http import Request
from ._state import IssuedKey, State

_SIGNED_HEADERS: Final = ("kc-api-key", "kc-api-sign", "kc-api-timestamp", "kc-api-passphrase")
_KEY_VERSIONS: Final = ("2", "3")
_MAX_SKEW: Final = 5.0


class GatewayRefusal(Exception):
    """The gateway refuses a signed request, with a code of KuCoin's published list."""

    def __init__(self, code: str, msg: str, status: int = 401) -> None:
        """Keep the code, its message and its HTTP status."""
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.status = status


def sign(secret: str, text: str) -> str:
    """Return base64(HMAC-SHA256(secret, text))."""
    return b64encode(hmac.digest(secret.encode(), text.encode(), sha256)).decode("ascii")


def check(request: Request, state: State, real_time: float) -> IssuedKey:
    """Return the issued key that signed a request.

    Raises:
        GatewayRefusal: A header is missing or wrong, or the address is not on the key's list.
    """
    headers = request.headers
    if any(not headers.get(name) for name in _SIGNED_HEADERS):
        raise GatewayRefusal(
            "400001",
            "Please check the header of your request for KC-API-KEY, KC-API-SIGN, "
            "KC-API-TIMESTAMP, KC-API-PASSPHRASE.",
            400,
        )
    timestamp = headers["kc-api-timestamp"]
    if not _is_recent(timestamp, real_time, state.clock.now()):
        raise GatewayRefusal("400002", "Invalid KC-API-TIMESTAMP", 400)
    key = state.find_key(headers["kc-api-key"])
    if key is None:
        raise GatewayRefusal("400003", "KC-API-KEY not exists")
    if headers.get("kc-api-key-version") not in _KEY_VERSIONS:
        raise GatewayRefusal("400009", "Invalid KC-API-KEY-VERSION")
    if not _same(headers["kc-api-passphrase"], sign(key.secret, key.passphrase)):
        raise GatewayRefusal("400004", "Invalid KC-API-PASSPHRASE")
    target = request.path if request.query is None else f"{request.path}?{unquote(request.query)}"
    text = f"{timestamp}{request.method}{target}{request.body}"
    if not _same(headers["kc-api-sign"], sign(key.secret, text)):
        raise GatewayRefusal("400005", "Invalid KC-API-SIGN")
    whitelist = state.options.ip_whitelist
    if whitelist and request.client_ip not in whitelist:
        raise GatewayRefusal(
            "400006", f"Invalid request ip, the current clientIp is:{request.client_ip}"
        )
    _check_partner(request, state)
    if "General" not in state.options.key_info_permissions:
        raise GatewayRefusal("400007", "Access denied, require more permission.")
    return key


def _is_recent(timestamp: str, *clocks: float) -> bool:
    if not (timestamp.isascii() and timestamp.isdecimal()) or len(timestamp) > len("1680885532722"):
        return False
    seconds = int(timestamp) / 1000
    return any(abs(seconds - now) <= _MAX_SKEW for now in clocks)


def _check_partner(request: Request, state: State) -> None:
    headers = request.headers
    if headers.get("kc-api-partner-verify", "").lower() != "true":
        return
    options = state.options
    partner = headers.get("kc-api-partner", "")
    if not partner:
        raise GatewayRefusal("400200", "Unknown partner.")
    if partner != options.partner:
        return  # another broker, such as ccxt; the sandbox does not know its key
    text = f"{headers['kc-api-timestamp']}{partner}{headers['kc-api-key']}"
    if not _same(headers.get("kc-api-partner-sign", ""), sign(options.partner_key, text)):
        raise GatewayRefusal("400201", "Invalid KC-API-PARTNER-SIGN")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())

"""Signs requests to KuCoin's REST API, as its authentication page describes for key version 3."""

from __future__ import annotations

import base64
import hmac
from typing import Final

from authlib_kucoin._models import ApiKey

KEY_VERSION: Final = "3"


def sign(secret: str, text: str) -> str:
    """Return base64(HMAC-SHA256(secret, text))."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha256")).decode()


def signed_headers(
    key: ApiKey, method: str, target: str, *, timestamp_ms: int, body: str = ""
) -> dict[str, str]:
    """Return the headers that authenticate one REST request.

    Args:
        key: The API key to sign with.
        method: The HTTP method in capitals.
        target: The path, and the query (unescaped) if there is one.
        timestamp_ms: The time in milliseconds since the epoch. KuCoin refuses a time that is
            more than 5 s off.
        body: The request body, if there is one.
    """
    return {
        "KC-API-KEY": key.api_key,
        "KC-API-SIGN": sign(key.secret, f"{timestamp_ms}{method}{target}{body}"),
        "KC-API-TIMESTAMP": str(timestamp_ms),
        "KC-API-PASSPHRASE": sign(key.secret, key.passphrase),
        "KC-API-KEY-VERSION": KEY_VERSION,
    }

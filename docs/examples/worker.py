"""Ask for keys in a worker without a web framework; refresh tokens that have expired."""

import asyncio
import os
from typing import Any

from authlib_kucoin import AsyncKuCoinOAuth2Client

tokens: dict[str, dict[str, Any]] = {}


async def store(token: dict[str, Any], refresh_token: str, **_: object) -> None:
    """Replace the stored pair that has this refresh token; use your database for that."""
    tokens[refresh_token] = token


async def new_key(token: dict[str, Any]) -> str:
    """Ask for a key. The client refreshes an expired token first, and calls ``store``."""
    async with AsyncKuCoinOAuth2Client(
        os.environ["KUCOIN_CLIENT_ID"],
        site=os.environ["KUCOIN_SITE"],
        token=token,
        update_token=store,
    ) as client:
        key = await client.create_api_key()
        info = await client.get_api_key_info(key)
    return info.uid


async def main(held: list[dict[str, Any]]) -> list[str]:
    """Ask for many keys at once. Calls with the same expired token share one refresh."""
    return await asyncio.gather(*map(new_key, held))

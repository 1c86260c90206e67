"""Refresh a token in one worker at a time, with a lock in Redis instead of a row lock."""
# pyright: basic
# (The types of redis are partial.)

import os
from collections.abc import Callable, Mapping
from typing import Any

from redis import Redis

from authlib_kucoin import KuCoinOAuth2Session

redis = Redis.from_url(os.environ["REDIS_URL"])


def active_token(
    account_id: int,
    load: Callable[[int], dict[str, Any]],
    store: Callable[[int, Mapping[str, Any]], None],
) -> dict[str, Any]:
    """Return a current token. Load it under the lock: another worker may have refreshed it."""
    # A refresh takes less than 60 seconds. If a worker dies, the others wait at most that long.
    lock = redis.lock(f"kucoin-refresh-{account_id}", timeout=60, blocking_timeout=90)
    with (
        lock,
        KuCoinOAuth2Session(
            os.environ["KUCOIN_CLIENT_ID"],
            site=os.environ["KUCOIN_SITE"],
            token=load(account_id),
            update_token=lambda fresh, **_old: store(account_id, fresh),
        ) as kucoin,
    ):
        kucoin.ensure_active_token()
        return dict(kucoin.token)

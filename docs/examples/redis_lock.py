"""One refresh at a time over machines, by a lock in Redis, where there is no row to lock."""
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
    """Return a token that works. Read it under the lock: another worker may have refreshed it."""
    # Longer than one call can take: a worker that dies holds up the others for a minute.
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

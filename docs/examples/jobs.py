"""Ask for a key in a background job, with Celery, RQ and Dramatiq.

A job queue repeats a job that fails. Of what can go wrong here, only ``KuCoinUnavailable`` may be
repeated: after ``ApiKeyOutcomeUnknown`` a second request could make a second key. Pass the row's
number to a job, never a token: queues keep and log the arguments.
"""
# pyright: basic
# (Celery has no types, and those of RQ and Dramatiq are partial.)

import os

import dramatiq
from celery import Celery
from redis import Redis
from rq import Queue, Retry
from storing_sqlalchemy import active_token

from authlib_kucoin import ApiKeyOutcomeUnknown, KuCoinError, KuCoinOAuth2Session, KuCoinUnavailable

outcomes: dict[int, str] = {}  # in a database of yours


def new_key(account_id: int) -> None:
    """Ask for a key, and note how it ended; raise only what may be repeated."""
    client_id, site = os.environ["KUCOIN_CLIENT_ID"], os.environ["KUCOIN_SITE"]
    with KuCoinOAuth2Session(client_id, site=site) as kucoin:
        try:
            key = kucoin.create_api_key(active_token(account_id))
        except KuCoinUnavailable:
            raise
        except ApiKeyOutcomeUnknown:
            outcomes[account_id] = "unknown: the user has to look at KuCoin"
        except KuCoinError as error:
            outcomes[account_id] = f"failed: {error}"
        else:
            outcomes[account_id] = f"has {key.api_key}"  # store the secret here, encrypted


celery = Celery("jobs", broker=os.environ.get("BROKER_URL"))


@celery.task(autoretry_for=(KuCoinUnavailable,), retry_backoff=True, max_retries=5)
def new_key_by_celery(account_id: int) -> None:
    """Repeated by Celery only after ``KuCoinUnavailable``."""
    new_key(account_id)


@dramatiq.actor(
    retry_when=lambda retries, error: retries < 5 and isinstance(error, KuCoinUnavailable),
    min_backoff=1000,
)
def new_key_by_dramatiq(account_id: int) -> None:
    """Repeated by Dramatiq only after ``KuCoinUnavailable``: its default repeats everything."""
    new_key(account_id)


def enqueue_with_rq(account_id: int, redis: Redis) -> None:
    """Repeated by RQ after every exception, so it matters what ``new_key`` raises."""
    retry = Retry(max=5, interval=[1, 2, 4, 8, 16])
    Queue(connection=redis).enqueue(new_key, account_id, retry=retry)

"""Ask for a key in a background job, with Celery, RQ and Dramatiq.

A job queue can repeat a job that has failed. Let it repeat this job only after
``KuCoinUnavailable``: after ``ApiKeyOutcomeUnknown``, a second request could make a second key.
Pass the id of the account to a job, and never a token: queues store and log the arguments.
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

outcomes: dict[int, str] = {}  # use your database instead


def new_key(account_id: int) -> None:
    """Ask for a key, and note the outcome. Raise ``KuCoinUnavailable``, to repeat the job."""
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
    """Ask for a key. Celery repeats this job only after ``KuCoinUnavailable``."""
    new_key(account_id)


@dramatiq.actor(
    retry_when=lambda retries, error: retries < 5 and isinstance(error, KuCoinUnavailable),
    min_backoff=1000,
)
def new_key_by_dramatiq(account_id: int) -> None:
    """Ask for a key. By default, Dramatiq would repeat this job after every error."""
    new_key(account_id)


def enqueue_with_rq(account_id: int, redis: Redis) -> None:
    """Enqueue the job. RQ repeats it after any error, so ``new_key`` catches most errors."""
    retry = Retry(max=5, interval=[1, 2, 4, 8, 16])
    Queue(connection=redis).enqueue(new_key, account_id, retry=retry)

"""The examples with job queues and Redis work with the real libraries, and fake brokers."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import fakeredis
import pytest
from cryptography.fernet import Fernet
from dramatiq.brokers.stub import StubBroker
from rq import Queue, SimpleWorker
from rq.registry import ScheduledJobRegistry
from sqlalchemy.orm import Session

from authlib_kucoin import KuCoinOAuth2Session
from authlib_kucoin.sandbox import Sandbox
from tests.support.ports import free_port
from tests.support.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def token(kucoin_sandbox: Sandbox) -> dict[str, Any]:
    """Return the token of a user who has approved at the sandbox."""
    with KuCoinOAuth2Session(
        kucoin_sandbox.client_id,
        site=kucoin_sandbox.url,
        redirect_uri="https://broker.example.com/callback",
    ) as client:
        url, _ = client.create_authorization_url()
        return dict(client.fetch_token(code=kucoin_sandbox.approve(url).fields["code"]))


@pytest.fixture
def jobs(
    kucoin_sandbox: Sandbox,
    token: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """Return the module docs/examples/jobs.py, with a stub broker and a stored token."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/accounts.sqlite3")
    monkeypatch.setenv("KUCOIN_VAULT_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("KUCOIN_CLIENT_ID", kucoin_sandbox.client_id)
    monkeypatch.setenv("KUCOIN_SITE", kucoin_sandbox.url)
    monkeypatch.syspath_prepend(EXAMPLES)
    dramatiq.set_broker(StubBroker())
    storing = importlib.import_module("storing_sqlalchemy")
    storing.Base.metadata.create_all(storing.engine)
    with Session(storing.engine) as session:
        account = storing.KuCoinAccount(id=1, user_id=1)
        account.sealed_token = account.seal(token)
        session.add(account)
        session.commit()
    yield importlib.import_module("jobs")
    storing.engine.dispose()
    for name in ("jobs", "storing_sqlalchemy"):
        sys.modules.pop(name)


def by_celery(jobs: Any) -> None:
    """Run the task in this thread, with Celery's own rules for retries."""
    jobs.celery.conf.update(task_always_eager=True)
    jobs.new_key_by_celery.apply(args=(1,))


def by_dramatiq(jobs: Any) -> None:
    """Run the task in a Dramatiq worker."""
    broker = dramatiq.get_broker()
    assert isinstance(broker, StubBroker)
    worker = dramatiq.Worker(broker, worker_timeout=10)
    worker.start()
    jobs.new_key_by_dramatiq.send(1)
    wait_until(lambda: jobs.outcomes)
    broker.join("default")
    worker.stop()


def by_rq(jobs: Any) -> None:
    """Run an RQ worker until its queue is empty, and once more for the scheduled retries."""
    redis = fakeredis.FakeStrictRedis()
    jobs.enqueue_with_rq(1, redis)
    queue = Queue(connection=redis)
    worker = SimpleWorker([queue], connection=redis)
    worker.work(burst=True)
    for scheduled in ScheduledJobRegistry(queue=queue).get_job_ids():  # retries
        queue.enqueue_job(queue.fetch_job(scheduled))
    worker.work(burst=True)


QUEUES = pytest.mark.parametrize("run", [by_celery, by_dramatiq, by_rq])


@QUEUES
def test_what_was_refused_is_repeated(
    kucoin_sandbox: Sandbox, jobs: Any, run: Callable[..., None]
) -> None:
    """If KuCoin answers 429 first, the queue repeats the job, and one key is made."""
    kucoin_sandbox.fail_next("create_api_key", "429")
    run(jobs)
    assert jobs.outcomes == {1: f"has {kucoin_sandbox.issued_keys[0].api_key}"}
    assert kucoin_sandbox.totals["create_api_key"] == 2


@QUEUES
def test_what_may_have_made_a_key_is_not_repeated(
    kucoin_sandbox: Sandbox, jobs: Any, run: Callable[..., None]
) -> None:
    """If the answer with the key is lost, the job runs once, and its outcome is "unknown"."""
    kucoin_sandbox.fail_next("create_api_key", "lost")
    run(jobs)
    assert jobs.outcomes[1].startswith("unknown")
    assert kucoin_sandbox.totals["create_api_key"] == 1


WORKER = """
import json, sys
from pathlib import Path
import redis_lock

stored = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
token = redis_lock.active_token(
    1, lambda _id: json.loads(stored.read_text()),
    lambda _id, fresh: stored.write_text(json.dumps(fresh)),
)
print(token["access_token"][-8:])
"""


@pytest.mark.nightly
@pytest.mark.shows_secrets("the file plays the database")
def test_one_worker_refreshes_under_a_lock_in_redis(
    kucoin_sandbox: Sandbox, token: dict[str, Any], tmp_path: Path
) -> None:
    """Four processes need the same expired token at once; all get the token of one refresh."""
    stored = tmp_path / "token.json"
    stored.write_text(json.dumps({**token, "expires_at": 1}))
    port = free_port()
    server = fakeredis.TcpFakeServer(("127.0.0.1", port))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    environment = {
        **os.environ,
        "REDIS_URL": f"redis://127.0.0.1:{port}",
        "KUCOIN_CLIENT_ID": kucoin_sandbox.client_id,
        "KUCOIN_SITE": kucoin_sandbox.url,
    }
    kucoin_sandbox.fail_next("refresh", "delay:0.3")
    try:
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(stored)],
                cwd=EXAMPLES,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        ends = {worker.communicate(timeout=60)[0] for worker in workers}
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
    assert len(ends) == 1
    assert kucoin_sandbox.totals["refresh"] == 1

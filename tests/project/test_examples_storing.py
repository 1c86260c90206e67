"""The examples that store keys and tokens encrypt them, and refresh once for all processes.

The fixture `postgres_database` searches the database for the tokens afterwards.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url

from authlib_kucoin import KuCoinOAuth2Session
from authlib_kucoin.sandbox import Sandbox

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
WORKERS = 5
SQLALCHEMY = """
import storing_sqlalchemy as storing
from sqlalchemy.orm import Session

def prepare(token):
    storing.Base.metadata.create_all(storing.engine)
    with Session(storing.engine) as session:
        account = storing.KuCoinAccount(user_id=1)
        session.add(account)
        session.flush()
        account.sealed_token = account.seal(token)
        session.commit()
        storing.put_key(session, account, KEY)
        assert storing.get_key(account) == KEY
        other = storing.KuCoinAccount(id=account.id + 1)
        try:
            other.unseal(account.sealed_key)
        except ValueError:
            pass
        else:
            raise AssertionError("another row opens it")
"""
DJANGO = """
import os
import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["storing_django"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": dict(ENGINE="django.db.backends.postgresql", NAME=os.environ["NAME"],
        USER=os.environ["USER_NAME"], PASSWORD=os.environ["PASSWORD"], HOST=os.environ["HOST"])},
    KUCOIN_VAULT_KEYS=os.environ["KUCOIN_VAULT_KEYS"].split(),
    KUCOIN_CLIENT_ID=os.environ["KUCOIN_CLIENT_ID"],
    KUCOIN_SITE=os.environ["KUCOIN_SITE"],
)
django.setup()
from django.core.management import call_command
from storing_django import models as storing

def prepare(token):
    call_command("migrate", run_syncdb=True, verbosity=0)
    account = storing.KuCoinAccount.objects.create(user_id=1)
    account.sealed_token = account.seal(token)
    account.save()
    account.put_key(KEY)
    assert storing.KuCoinAccount.objects.get().get_key() == KEY
"""
PROGRAM = """
import json, sys
from authlib_kucoin import ApiKey
KEY = ApiKey("name", "public", "a-made-up-secret", "a-made-up-passphrase")
{storing}
if sys.argv[1] == "prepare":
    prepare(json.load(sys.stdin))
else:
    print("ready", flush=True)
    sys.stdin.readline()
    token = storing.active_token(1)
    assert token["expires_at"] > 1_000_000_000
    print(token["access_token"][-8:])
"""


@pytest.mark.nightly
@pytest.mark.parametrize("storing", [SQLALCHEMY, DJANGO], ids=["sqlalchemy", "django"])
def test_one_worker_refreshes(
    kucoin_sandbox: Sandbox, postgres_database: str, storing: str
) -> None:
    """Five processes need the same expired token at once; all get the token of one refresh."""
    token = KuCoinOAuth2Session(
        kucoin_sandbox.client_id,
        site=kucoin_sandbox.url,
        redirect_uri="https://broker.example.com/callback",
    )
    with token as client:
        url, _ = client.create_authorization_url()
        pair = client.fetch_token(code=kucoin_sandbox.approve(url).fields["code"])
    parts = make_url(postgres_database)
    environment = {
        **os.environ,
        "DATABASE_URL": postgres_database,
        "NAME": parts.database or "",
        "USER_NAME": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": str(parts.query.get("host") or parts.host or ""),
        "KUCOIN_VAULT_KEYS": Fernet.generate_key().decode(),
        "KUCOIN_CLIENT_ID": kucoin_sandbox.client_id,
        "KUCOIN_SITE": kucoin_sandbox.url,
    }

    def start(task: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(storing=storing), task],
            cwd=EXAMPLES,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with start("prepare") as preparing:
        preparing.communicate(json.dumps({**pair, "expires_at": 1}))
    assert preparing.returncode == 0
    kucoin_sandbox.fail_next("refresh", "delay:0.3")
    workers = [start("refresh") for _ in range(WORKERS)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    ends = {worker.communicate(timeout=60)[0] for worker in workers}
    assert len(ends) == 1
    assert kucoin_sandbox.totals["refresh"] == 1

"""Threads share connections; event loops do not, nor do a process and its forked child."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from authlib.integrations.starlette_client import OAuth

from authlib_kucoin import (
    AsyncKuCoinOAuth2Client,
    KuCoinOAuth2Session,
    register_kucoin,
)
from tests.connections.apps import APPS, REDIRECT_URI
from tests.support.waiting import wait_until
from tests.support.wire import Wire


def test_threads_share_connections(wire: Wire) -> None:
    """Clients of one pool, in one thread after another, share a connection until ``dispose``."""
    pool = KuCoinOAuth2Session.new_pool({})

    def sign_in() -> None:
        with KuCoinOAuth2Session("b", site=wire.url, **pool.client_options) as client:
            token = client.fetch_token(code="c", redirect_uri=REDIRECT_URI)
            client.create_api_key(token)
            client.get(f"{wire.url}/own?code=c")  # a request of the application itself

    for _ in range(3):
        thread = threading.Thread(target=sign_in)
        thread.start()
        thread.join()
    sign_in()
    assert wire.connections == 1
    for _ in range(2):  # the second `dispose` finds no connection
        pool.dispose()
        wait_until(lambda: len(wire.open) == 0)


def test_each_event_loop_has_its_own_connections(wire: Wire) -> None:
    """The end of a loop closes the connection that it opened; no closed loop stays in memory."""
    kucoin = register_kucoin(OAuth(), site=wire.url, client_id="broker")
    loops = []

    async def work() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        for _ in range(2):
            await kucoin.create_api_key(token="t")

    for number in range(1, 4):
        asyncio.run(work())
        assert wire.connections == number
        wait_until(lambda: len(wire.open) == 0)
    gc.collect()
    assert [loop() for loop in loops] == [None, None, None]


def test_abruptly_closed_loop_is_freed() -> None:
    """A loop closed without ``shutdown_asyncgens`` is freed when another loop uses the pool."""
    pool = AsyncKuCoinOAuth2Client.new_pool({})
    loop = asyncio.new_event_loop()
    loop.run_until_complete(pool.client())
    loop.close()
    gone = weakref.ref(loop)
    del loop
    asyncio.run(pool.client())
    gc.collect()
    assert gone() is None


def test_event_loops_in_threads_have_separate_connections(wire: Wire) -> None:
    """Eight loops in eight threads share an app, open eight connections and get their own keys."""
    kucoin = register_kucoin(OAuth(), site=wire.url, client_id="broker")
    gate = threading.Barrier(8, timeout=10)
    made: list[tuple[str, str]] = []

    async def work(name: str) -> None:
        for _ in range(5):
            made.append((name, (await kucoin.create_api_key(token=name)).api_name))  # noqa: PERF401 - one call after another
        gate.wait()

    threads = [
        threading.Thread(target=lambda name=f"t{n}": asyncio.run(work(name))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wire.connections == 8
    assert sorted(made) == [(f"t{n}", f"t{n}") for n in range(8) for _ in range(5)]


_FORK = """
import os, sys
sys.path.insert(0, {root!r})
from tests.connections.apps import APPS
kind = APPS[{kind!r}]
app = kind({url!r}, {{}})
app.sign_in("parent-before")
child = os.fork()
if child == 0:
    # As in a worker of a web server: a new event loop, and the app from before the fork.
    here = kind({url!r}, {{}})
    here.kucoin = app.kucoin
    for _ in range(2):
        here.sign_in("child")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
app.sign_in("parent-after")
app.end()
"""


@pytest.mark.parametrize("kind", APPS)
def test_forked_child_does_not_use_the_parents_connection(wire: Wire, kind: str) -> None:
    """The child opens one connection; the parent goes on with the connection it had before."""
    root = str(Path(__file__).parents[2])
    script = _FORK.format(root=root, kind=kind, url=wire.url)
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=30)
    by = {
        seen.headers["authorization"].removeprefix("bearer access-"): seen.connection
        for seen in wire.seen
        if "authorization" in seen.headers
    }
    assert by["parent-before"] == by["parent-after"]
    assert by["child"] != by["parent-before"]
    assert wire.connections == 2

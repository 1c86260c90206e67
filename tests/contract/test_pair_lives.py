"""A new token pair is stored even if ``update_token`` fails at first.

It is also stored if, during the refresh, the caller is cancelled, the client or app is closed, or
the event loop ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import subprocess
import sys
import textwrap
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from authlib.integrations import django_client, flask_client

from authlib_kucoin import KuCoinOAuth2Client, KuCoinOAuth2Session, register_kucoin
from tests.contract.hosts import DjangoHost, FlaskHost
from tests.contract.recorder import REFRESHED, TOKEN, Recorder
from tests.contract.stacks import CLIENTS, ROWS, AsyncStack, NewStack, Stack
from tests.support.ports import free_port
from tests.support.waiting import wait_until

NEW = REFRESHED["access_token"]
#: What a test's subprocess writes when it has stored the new pair.
DIGEST = hashlib.sha256(NEW.encode()).hexdigest()
EXPIRED = {**TOKEN, "expires_at": 1}
ASYNC_ROWS = [name for name, row in ROWS.items() if issubclass(row, AsyncStack)]
SYNC_ROWS = [name for name in ROWS if name not in ASYNC_ROWS]


class Store:
    """An ``update_token`` whose first ``fails`` calls raise an error."""

    def __init__(self, fails: int = 1) -> None:
        self.fails = fails
        self.calls: list[tuple[str, str | None]] = []

    def __call__(self, token: Any, refresh_token: str | None = None, **_: Any) -> None:
        self.calls.append((token["access_token"], refresh_token))
        if len(self.calls) <= self.fails:
            raise OSError("the database is down")

    async def awaited(self, token: Any, **old: Any) -> None:
        """Do the same as ``__call__``, as a coroutine function."""
        self(token, **old)


@pytest.mark.parametrize("way", [("refresh", TOKEN), ("create_api_key", EXPIRED)])
def test_update_token_is_called_until_it_stores_the_pair(
    way: Any, recorder: Recorder, new_stack: NewStack
) -> None:
    """``update_token`` fails twice, stores the pair at the third call, and is not called again."""
    store = Store(fails=2)
    check_owed(store, new_stack(site=recorder.url, update_token=store), way, recorder)


@pytest.mark.parametrize("row", ASYNC_ROWS)
def test_async_update_token_is_called_until_it_stores_the_pair(
    recorder: Recorder, new_stack: NewStack
) -> None:
    """Async clients and apps call a coroutine function until it stores the pair, too."""
    store = Store(fails=2)
    stack = new_stack(site=recorder.url, update_token=store.awaited)
    check_owed(store, stack, ("refresh", TOKEN), recorder)


def check_owed(store: Store, stack: Stack, way: Any, recorder: Recorder) -> None:
    """Call until the pair is stored, and once more; check ``update_token`` and the requests."""
    for _ in range(2):
        with pytest.raises(OSError, match="database"):
            stack.settle(stack.call(*way))
    for _ in range(2):
        stack.settle(stack.call(*way))
    assert store.calls == [(NEW, TOKEN["refresh_token"])] * 3
    paths = [request.path for request in recorder.requests]
    assert paths.count("/_oauth/refresh-token") == 1


def test_pair_stays_owed_after_an_app_without_update_token(
    recorder: Recorder, new_stack: NewStack
) -> None:
    """After callers without ``update_token``, a caller that has one still stores the pair."""
    store = Store(fails=1)
    stack = new_stack(site=recorder.url, update_token=store)
    with pytest.raises(OSError, match="database"):
        stack.refresh(TOKEN)
    flask, django = FlaskHost(), DjangoHost()
    for host in (flask, django):
        app = register_kucoin(host.oauth(), site=recorder.url)
        host.run(lambda app=app: app.refresh_access_token(TOKEN))
        app.close()
        host.close()
    for client_class in (KuCoinOAuth2Client, KuCoinOAuth2Session):
        with client_class("id", site=recorder.url, token=TOKEN) as client:
            assert client.refresh_token()["access_token"] == NEW
    assert len(store.calls) == 1
    stack.refresh(TOKEN)
    assert len(store.calls) == 2
    assert len(recorder.requests) == 1


@pytest.mark.parametrize(
    ("host_class", "module"), [(FlaskHost, flask_client), (DjangoHost, django_client)]
)
def test_signal_is_sent_again_if_a_receiver_failed(
    host_class: Any, module: Any, recorder: Recorder
) -> None:
    """If a receiver of Authlib's signal fails, the next call sends the signal again."""
    store, host = Store(fails=1), host_class()

    def receive(sender: object, token: Any, refresh_token: str, **_: Any) -> None:
        store(token, refresh_token)

    app = register_kucoin(host.oauth(), site=recorder.url)
    module.token_update.connect(receive)
    try:
        with pytest.raises(OSError, match="database"):
            host.run(lambda: app.refresh_access_token(TOKEN))
        for _ in range(2):
            host.run(lambda: app.refresh_access_token(TOKEN))
    finally:
        module.token_update.disconnect(receive)
    app.close()
    host.close()
    assert len(store.calls) == 2
    assert len(recorder.requests) == 1


@pytest.fixture
def slow(recorder: Recorder) -> Recorder:
    """A server that answers shortly after :func:`answer_soon` was called."""
    recorder.go_on.clear()
    return recorder


def answer_soon(slow: Recorder) -> None:
    """Let the server answer 0.2 s from now."""
    threading.Timer(0.2, slow.go_on.set).start()


def close_of(stack: Any) -> Callable[[], Any]:
    """Return the function that closes the client or the registered app of a stack."""
    if stack.keeps_token:
        return stack.client.aclose if isinstance(stack, AsyncStack) else stack.client.close
    return stack.app.close


async def give_up(stack: Stack, slow: Recorder) -> None:
    """Start a refresh, cancel its caller when the server has the request, let the server answer."""
    task = asyncio.create_task(stack.call("refresh", TOKEN))
    assert await asyncio.to_thread(slow.asked.wait, 10)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, 0.01)
    assert stored(stack) == []
    answer_soon(slow)


def stored(stack: Stack) -> list[str]:
    """Return the access tokens that ``update_token`` got."""
    return [update.token["access_token"] for update in stack.updates]


@pytest.mark.parametrize("row", ASYNC_ROWS)
def test_a_pair_is_stored_before_asyncio_run_returns(slow: Recorder, new_stack: NewStack) -> None:
    """``asyncio.run`` returns with the pair stored, although the refresh's caller was cancelled."""
    stack = new_stack(site=slow.url)
    asyncio.run(give_up(stack, slow))
    assert stored(stack) == [NEW]


@pytest.mark.parametrize("row", ASYNC_ROWS)
def test_closing_waits_for_a_refresh_in_this_loop(slow: Recorder, new_stack: NewStack) -> None:
    """A client's ``aclose()`` and an app's ``close()`` return only when the pair is stored."""
    stack = new_stack(site=slow.url)

    async def main() -> None:
        await give_up(stack, slow)
        await close_of(stack)()
        assert stored(stack) == [NEW]

    asyncio.run(main())


@pytest.mark.parametrize("row", ["httpx-async"])
@pytest.mark.parametrize("has_update_token", [True, False])
def test_client_takes_the_pair_of_a_cancelled_caller(
    has_update_token: bool, slow: Recorder, new_stack: NewStack
) -> None:
    """A client takes over the new pair, although the caller of the refresh was cancelled."""
    stack: Any = new_stack(site=slow.url)
    if not has_update_token:
        stack.client.update_token = None

    async def main() -> None:
        await give_up(stack, slow)
        await stack.client.aclose()
        assert stack.client.token["access_token"] == NEW

    asyncio.run(main())


@pytest.mark.parametrize("row", CLIENTS)
def test_client_keeps_the_old_pair_until_the_new_one_is_stored(
    recorder: Recorder, new_stack: NewStack
) -> None:
    """A client holds its old pair until ``update_token`` has succeeded, and then the new one."""
    stack: Any = new_stack(site=recorder.url, update_token=Store(fails=1))
    with pytest.raises(OSError, match="database"):
        stack.refresh(TOKEN)
    assert stack.client.token["access_token"] == TOKEN["access_token"]
    stack.settle(stack.client.refresh_token())
    assert stack.client.token["access_token"] == NEW
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("row", ["httpx-async"])
def test_async_with_block_waits_for_a_refresh(slow: Recorder, new_stack: NewStack) -> None:
    """The end of ``async with`` waits until the pair is stored."""
    stack: Any = new_stack(site=slow.url)

    async def main() -> None:
        async with stack.client:
            await give_up(stack, slow)
        assert stored(stack) == [NEW]

    asyncio.run(main())


@pytest.mark.parametrize("row", SYNC_ROWS)
def test_refresh_outlives_closing_in_another_thread(slow: Recorder, new_stack: NewStack) -> None:
    """A refresh gets and stores its pair, although another thread closes the client or app."""
    check_closing(slow, stack := new_stack(site=slow.url), close_of(stack))


@pytest.mark.parametrize("row", ["httpx", "requests"])
def test_refresh_outlives_with_block_in_another_thread(slow: Recorder, new_stack: NewStack) -> None:
    """A refresh gets and stores its pair, although another thread leaves the ``with`` block."""
    stack: Any = new_stack(site=slow.url)
    check_closing(slow, stack, lambda: stack.client.__exit__(None, None, None))


def check_closing(slow: Recorder, stack: Stack, close: Callable[[], None]) -> None:
    """Close while another thread refreshes; the other thread must get its pair and store it."""
    with ThreadPoolExecutor(1) as pool:
        refresh = pool.submit(stack.refresh, TOKEN)
        assert slow.asked.wait(10)
        answer_soon(slow)
        close()
        assert refresh.result(10)["access_token"] == NEW
    assert stored(stack) == [NEW]


@pytest.mark.parametrize("row", ["starlette", "fastapi"])
def test_cancelled_app_get_does_not_wait_for_its_refresh(
    slow: Recorder, new_stack: NewStack
) -> None:
    """A cancelled ``app.get`` ends at once; the refresh that it began stores its pair later."""
    stack: Any = new_stack(site=slow.url)

    async def main() -> None:
        task = asyncio.create_task(stack.app.get(f"{slow.url}/mine", token=EXPIRED))
        assert await asyncio.to_thread(slow.asked.wait, 10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(task, 0.01)
        assert stored(stack) == []
        answer_soon(slow)
        await stack.app.close()
        assert stored(stack) == [NEW]

    asyncio.run(main())


SERVER = """
import asyncio, contextlib, hashlib, sys
from authlib.integrations.starlette_client import OAuth
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
import uvicorn
from authlib_kucoin import register_kucoin

async def update_token(token, **_):
    await asyncio.sleep(0.01)
    with open(sys.argv[3], "w") as file:
        file.write(hashlib.sha256(token["access_token"].encode()).hexdigest())

kucoin = register_kucoin(OAuth(), site=sys.argv[1], client_id="id", update_token=update_token)

tasks = []

async def refresh(request):
    token = {"access_token": "old-a", "refresh_token": "old-r"}
    tasks.append(asyncio.create_task(kucoin.refresh_access_token(token)))
    return PlainTextResponse("started")

@contextlib.asynccontextmanager
async def lifespan(app):
    yield
    for task in tasks:
        task.cancel()
    await kucoin.close()

app = Starlette(routes=[Route("/", refresh)], lifespan=lifespan)
uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
"""


def test_uvicorn_stores_the_pair_before_it_ends(recorder: Recorder, tmp_path: Path) -> None:
    """The pair is stored if SIGTERM arrives during a refresh and the lifespan closes the app."""
    recorder.go_on.clear()
    port, file = free_port(), tmp_path / "stored"
    arguments = [sys.executable, "-c", SERVER, recorder.url, str(port), str(file)]
    with subprocess.Popen(arguments) as server:
        try:
            wait_until(lambda: answers(port))
            assert recorder.asked.wait(20)
            server.send_signal(signal.SIGTERM)
            threading.Timer(0.5, recorder.go_on.set).start()
            server.wait(20)
        finally:
            server.kill()
    assert file.read_text() == DIGEST


def answers(port: int) -> bool:
    """Ask the server to start a refresh; return whether the server answered."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return answer.read() == b"started"
    except OSError:
        return False


PLUGIN_TEST = """
import asyncio, hashlib
import pytest
from authlib_kucoin import AsyncKuCoinOAuth2Client

async def update_token(token, **_):
    await asyncio.sleep(0.01)
    print("stored", hashlib.sha256(token["access_token"].encode()).hexdigest())

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_refresh(anyio_backend):
    token = {"access_token": "old-a", "refresh_token": "old-r"}
    client = AsyncKuCoinOAuth2Client("id", site=SITE, token=token, update_token=update_token)
    refresh = asyncio.create_task(client.refresh_token())
    await asyncio.sleep(0.2)
    refresh.cancel()
"""


def test_a_pair_is_stored_before_anyios_pytest_plugin_ends(
    recorder: Recorder, tmp_path: Path
) -> None:
    """The pair is stored, although AnyIO's plugin cancels all tasks at the end of the test."""
    recorder.go_on.clear()

    def answer() -> None:
        recorder.asked.wait(30)
        recorder.go_on.wait(0.5)
        recorder.go_on.set()

    threading.Thread(target=answer).start()
    test = tmp_path / "test_plugin.py"
    test.write_text(f"SITE = {recorder.url!r}\n{textwrap.dedent(PLUGIN_TEST)}")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert f"stored {DIGEST}" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0

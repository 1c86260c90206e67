"""When a browser is closed, no event loop and no thread of Playwright is left."""

import asyncio
import threading

import pytest

from tests.support import chromium
from tests.support.waiting import wait_until


@pytest.fixture(scope="module", autouse=True)
def threads_before() -> set[threading.Thread]:
    """The threads before a browser was started and closed."""
    before = set(threading.enumerate())
    with chromium.launched() as browser:
        browser.new_page()
    return before


def test_asyncio_runs_again() -> None:
    """Playwright's event loop no longer counts as running."""

    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    assert asyncio.run(answer()) == 42


def test_no_thread_is_left(threads_before: set[threading.Thread]) -> None:
    """No thread that was started with the browser is left."""
    # asyncio's thread that waits for the driver's process ends a moment after the process.
    wait_until(lambda: set(threading.enumerate()) <= threads_before)

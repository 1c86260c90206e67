"""When a browser is closed, no event loop and no thread of Playwright is left."""

import asyncio
import os

import pytest

from tests.support import chromium


@pytest.fixture(scope="module", autouse=True)
def _browser_has_run() -> None:
    with chromium.launched() as browser:
        browser.new_page()


def test_asyncio_runs_again() -> None:
    """Playwright's event loop no longer counts as running."""

    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    assert asyncio.run(answer()) == 42


def test_forking_is_quiet() -> None:
    """No thread is left: from 3.12 on, Python warns at a fork if there are threads."""
    child = os.fork()
    if child == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

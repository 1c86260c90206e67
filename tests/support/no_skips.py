"""A pytest plugin: with `CI_NO_SKIP`, a run fails if a test was skipped or expected to fail."""

import os

import pytest

# Outcomes of tests that did not run, or were allowed to fail.
_NOT_RUN = ("skipped", "xfailed", "xpassed")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With `CI_NO_SKIP` set, fail a run in which a test was skipped or expected to fail."""
    if _not_run(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the tests that make the run fail because they were skipped or expected to fail."""
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

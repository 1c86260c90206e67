"""A pytest plugin that fails a test if a secret shows up where it does not belong.

It searches for each code, token, API key secret and passphrase that a sandbox in this process
issues, for codes and tokens of sandboxes in other processes, and for the secrets that a test makes
with ``canaries.new``. It searches in

* the log records of all libraries (the root logger is at DEBUG, except in tests marked as
  ``measured``), but not in the record of a callback that the test opens as a browser,
* the output of the test, and of programs that inherit its stdout or stderr, except what the test
  has read by a fixture of pytest such as ``capsys``,
* the text, the attributes and the traceback of each ``KuCoinError`` and ``UnsafeRedirectURI``,
* the repr of this package's objects at the end of ``__init__``, if their class has one,
* the demo's pages, headers and sessions, if the demo runs in this process,
* the files below 20 MB in ``tmp_path``, and the database of ``postgres_database``.

Tests marked as ``shows_secrets`` do not fail for that.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import logging
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import flask
import pytest

import authlib_kucoin
from authlib_kucoin import KuCoinError, UnsafeRedirectURI
from authlib_kucoin.sandbox._state import State

from .canaries import canaries

#: The HTTP libraries that tests use as browsers. They log the URL that they open: for a callback,
#: with the code. That is not this package's leak.
_BROWSERS: Final = ("urllib3", "httpx", "httpcore")
_CALLBACK: Final = re.compile(
    r"(?:GET|POST) (?:https?://[^/\s]+)?/[^?\s]*(?:callback|complete)[^?\s]*\?"
)

_FORMATTER: Final = logging.Formatter()
_errors: Final[list[BaseException]] = []


# --- hooks that pytest calls ---------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Add two markers; attach to the sandbox, the package's classes, loggers and the demo."""
    for line in (
        "shows_secrets(why): the test shows secrets on purpose, and does not fail for that",
        "measured(why): the test measures time or memory, so libraries log at WARNING only",
    ):
        config.addinivalue_line("markers", line)
    _after(State, "issue_code", lambda _state, code: canaries.release("a code", code))
    _after(State, "_issue_pair", _release_pair)
    _after(State, "create_key", _release_key)
    for error in (KuCoinError, UnsafeRedirectURI):
        # Errors are searched after each phase of a test, when their tracebacks are complete.
        _after(error, "__init__", lambda error, _none: _errors.append(error))
    for kind in _classes_of(authlib_kucoin):
        _after(kind, "__init__", _look_at_repr)
    _before(logging.Logger, "callHandlers", _look_at_record)
    flask.request_finished.connect(_look_at_page)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Set the root and sqlalchemy loggers to DEBUG; to WARNING in a test marked ``measured``."""
    level = logging.WARNING if item.get_closest_marker("measured") else logging.DEBUG
    for name in ("", "sqlalchemy"):  # sqlalchemy sets a level of its own
        logger = logging.getLogger(name)
        if logger.level != level:  # setting a level clears all loggers' caches
            logger.setLevel(level)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Fail a test that leaked a secret, unless it is marked as ``shows_secrets``."""
    report: pytest.TestReport = yield
    while _errors:
        canaries.look_at_error(_errors.pop())
    if report.when == "teardown":
        canaries.look("output", "of the test", report.capstdout + report.capstderr)
        if folder := getattr(item, "funcargs", {}).get("tmp_path"):
            canaries.look_at_files(folder)
        found = canaries.take_found()
        if found and not item.get_closest_marker("shows_secrets"):
            report.outcome = "failed"
            report.longrepr = "\n".join(["secrets leaked:", *found])
    return report  # type: ignore[return-value]  # pluggy passes it on


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist, send the counts to the main process."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["canaries"] = canaries.released, dict(canaries.looked)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of a worker; a worker that crashed sends none."""
    released, looked = getattr(node, "workeroutput", {}).get("canaries", (0, {}))
    canaries.released += released
    canaries.looked.update(looked)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many secrets were searched for, and in how many texts of each kind."""
    places = ", ".join(f"{kind} {count}" for kind, count in sorted(canaries.looked.items()))
    terminalreporter.line(f"{canaries.released} secrets were looked for in: {places}")


# --- the searched places -------------------------------------------------------------------------


def _release_pair(_state: State, pair: Any) -> None:
    canaries.release("an access token", pair.access_token)
    canaries.release("a refresh token", pair.refresh_token)


def _release_key(_state: State, key: Any) -> None:
    canaries.release("a key's secret", key.secret)
    canaries.release("a key's passphrase", key.passphrase)


def _look_at_record(logger: logging.Logger, record: logging.LogRecord) -> None:
    traceback = record.exc_text
    text = _FORMATTER.format(record)
    record.exc_text = traceback  # format() stored one, which other formatters would reuse
    if not (logger.name.startswith(_BROWSERS) and _CALLBACK.search(text)):
        canaries.look("record", f"of {logger.name}", f"{text} {record.args!r}")


def _look_at_repr(thing: object, _none: None) -> None:
    with contextlib.suppress(AttributeError):  # a subclass's __init__ is not done
        canaries.look("repr", f"of {type(thing).__name__}", repr(thing))


def _look_at_page(app: flask.Flask, response: flask.Response, **_more: object) -> None:
    if app.import_name == "flask_demo":
        place = f"of {flask.request.path}"
        canaries.look("session", place, repr(dict(flask.session)))
        canaries.look("headers", place, str(response.headers))
        if not response.direct_passthrough:
            canaries.look("page", place, response.get_data())


# --- how the plugin attaches ---------------------------------------------------------------------


def _classes_of(package: Any) -> Iterator[type]:
    """Yield the classes that define ``__init__``, except errors and what cannot be imported."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", lambda _: None):
        try:
            module = importlib.import_module(found.name)
        except ImportError:  # needs a framework that is not installed
            continue
        for _, kind in inspect.getmembers(module, inspect.isclass):
            is_ours = kind.__module__ == module.__name__ and "__init__" in vars(kind)
            if is_ours and not issubclass(kind, BaseException):
                yield kind


def _after(kind: type, name: str, then: Callable[[Any, Any], object]) -> None:
    """Wrap a method: whenever it returns, call ``then`` with the object and the result."""
    original = getattr(kind, name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        then(self, result)
        return result

    setattr(kind, name, method)


def _before(kind: type, name: str, first: Callable[..., object]) -> None:
    """Wrap a method: before each of its calls, call ``first`` with the same arguments."""
    original = getattr(kind, name)

    @functools.wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        first(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(kind, name, method)

"""During a call, secrets in the HTTP libraries' log records are masked, and sending is noted."""

from __future__ import annotations

import logging
import logging.config
import threading
from collections.abc import Iterator

import pytest

from authlib_kucoin._clients.in_flight import InFlight, note_sent


class Lines(logging.Handler):
    """A handler of the host application that keeps each record as a line of text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.args} {record.exc_info}")


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines that a handler of the root logger receives, with the root's level at DEBUG."""
    handler = Lines()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


def test_http_log_records_are_masked_during_a_call_only(lines: list[str]) -> None:
    """A secret in a record is masked during a call; all other records stay unchanged."""
    logger = logging.getLogger("urllib3.connectionpool")
    logger.debug("GET %s", "/before?code=s3cret")
    with InFlight(("s3cret",)):
        logger.debug("GET %s", "/during?code=s3cret")
        logger.debug("GET %s", "/other")
    logger.debug("GET %s", "/after?code=s3cret")
    assert lines == [
        "DEBUG GET /before?code=s3cret ('/before?code=s3cret',) None",
        "DEBUG GET /during?code=*** () None",
        "DEBUG GET /other ('/other',) None",
        "DEBUG GET /after?code=s3cret ('/after?code=s3cret',) None",
    ]


def test_wrong_log_record_breaks_no_call(lines: list[str]) -> None:
    """A record with too few arguments raises nothing during a call, and its secret is masked."""
    two = "%s %s"
    with InFlight(("s3cret",)):
        logging.getLogger("urllib3.connectionpool").debug(two, "/x?code=s3cret")
    assert lines == ["DEBUG %s %s ('/x?code=***',) () None"]


def test_traceback_in_a_log_record_is_masked(lines: list[str]) -> None:
    """During a call, a secret in the traceback that a log record carries is masked."""
    with InFlight(("s3cret",)):
        try:
            raise ValueError("GET /x?code=s3cret")
        except ValueError:
            logging.getLogger("httpcore2.connection").debug("failed", exc_info=True)
    assert "ValueError: GET /x?code=***" in lines[0]
    assert "s3cret" not in lines[0]


def test_masking_survives_a_new_logging_configuration(lines: list[str]) -> None:
    """A call masks its secrets even if the filter was removed before, or ``dictConfig`` runs."""
    logger = logging.getLogger("httpx2")
    logger.filters.clear()  # the next call adds the filter again
    new = Lines()
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"new": {"()": lambda: new}},
        "loggers": {"httpx2": {"handlers": ["new"]}},
    }
    with InFlight(("s3cret",)):
        logging.config.dictConfig(config)
        logger.info("GET /x?code=s3cret")
    logger.removeHandler(new)
    assert new.lines == lines == ["INFO GET /x?code=*** () None"]


def test_log_records_of_other_threads_are_not_masked(lines: list[str]) -> None:
    """While one thread is in a call, the records of another thread are not masked."""

    def other_host() -> None:
        logging.getLogger("urllib3.connectionpool").debug("GET /other?code=s3cret")

    with InFlight(("s3cret",)):
        thread = threading.Thread(target=other_host)
        thread.start()
        thread.join()
    assert lines == ["DEBUG GET /other?code=s3cret () None"]


def test_what_was_sent_is_noted_for_the_innermost_call() -> None:
    """``note_sent`` marks the innermost call only, and does nothing outside of a call."""
    note_sent()
    with InFlight(()) as outer:
        with InFlight(()) as inner:
            note_sent()
        assert (outer.sent, inner.sent) == (False, True)

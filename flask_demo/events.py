"""Log lines: one for each change of an attempt's or a key's state, as JSON if asked for."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from flask import Flask

_log = logging.getLogger(__name__)


class _JsonFormatter(logging.Formatter):
    """Writes each record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: the fields of a change of state, or the message."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            **getattr(record, "change", {"message": record.getMessage()}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def init_app(app: Flask) -> None:
    """Set up the app's logger, which the demo uses; with ``LOG_JSON``, it writes JSON."""
    app.logger.setLevel(logging.INFO)
    if app.config["LOG_JSON"]:
        handler = logging.StreamHandler()
        handler.setFormatter(_JsonFormatter())
        app.logger.handlers = [handler]
        app.logger.propagate = False


def changed(what: str, number: int, state: str, reason: str = "") -> None:
    """Log that an attempt or a key has a new state.

    Args:
        what: ``"attempt"`` or ``"key"``.
        number: Its id.
        state: The new state.
        reason: Why; for developers, without secrets.
    """
    change = {what: number, "state": state} | ({"reason": reason} if reason else {})
    text = f"{what} {number}: {state}" + (f" ({reason})" if reason else "")
    _log.info("%s", text, extra={"change": change})

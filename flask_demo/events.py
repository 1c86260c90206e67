"""Log lines: one for each change of an attempt's or a key's state, as JSON if asked for."""

from __future__ import annotations

import logging
from typing import Final

from flask import Flask
from pythonjsonlogger.json import JsonFormatter

_log = logging.getLogger(__name__)

_NAMES: Final = {"levelname": "level", "name": "logger", "exc_info": "traceback"}


def init_app(app: Flask) -> None:
    """Let the demo log from INFO upwards; with ``LOG_JSON``, one JSON object for each record."""
    app.logger.setLevel(logging.INFO)
    if app.config["LOG_JSON"]:
        handler = logging.StreamHandler()
        fields = ["levelname", "name", "message"]
        handler.setFormatter(JsonFormatter(fields, rename_fields=_NAMES, timestamp="time"))
        app.logger.handlers = [handler]
        app.logger.propagate = False


def changed(what: str, number: int, state: str, reason: str = "") -> None:
    """Log that an attempt or a key has a new state.

    Args:
        what: ``"attempt"`` or ``"key"``.
        number: Its id.
        state: The new state.
        reason: Why, for developers. It holds no secrets.
    """
    fields = {what: number, "state": state, "reason": reason}
    _log.info("%s %s: %s%s", what, number, state, reason and f" ({reason})", extra=fields)

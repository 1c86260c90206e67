"""Log lines for new states of attempts and keys; with ``LOG_JSON``, the demo logs JSON."""

from __future__ import annotations

import logging
from typing import Final

from flask import Flask
from pythonjsonlogger.json import JsonFormatter

_log = logging.getLogger(__name__)

_NAMES: Final = {"levelname": "level", "name": "logger", "exc_info": "traceback"}


def init_app(app: Flask) -> None:
    """Set the demo's log level to INFO, and with ``LOG_JSON`` the format to JSON."""
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
        number: The id of the attempt or key.
        state: The new state.
        reason: The reason, for developers and without secrets.
    """
    fields = {what: number, "state": state, "reason": reason}
    _log.info("%s %s: %s%s", what, number, state, reason and f" ({reason})", extra=fields)

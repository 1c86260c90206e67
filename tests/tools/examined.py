"""Runs `doctor`, and reads its report."""

from __future__ import annotations

import json
from typing import Any

import pytest

from authlib_kucoin.__main__ import main

#: Environment variables in which `doctor` finds no mistake.
RIGHT = {
    "KUCOIN_SITE": "global",
    "KUCOIN_CLIENT_ID": "6422da9c97b45100018c6e62",
    "KUCOIN_REDIRECT_URI": "https://broker.example.com/kucoin/callback",
    "KUCOIN_VAULT_KEYS": "pJQuMtsNmXdxfmiQ2n2p9a1CIbWLPhWMdy4NYfJLIFY=",
    "KUCOIN_FAST_API_IPS": "8.8.8.8",
    "GUNICORN_CMD_ARGS": "--workers 2 --timeout 90",
}


class Examined:
    """The result of one run of `doctor --json`.

    Attributes:
        status: The exit code.
        printed: The output.
        report: The output, as parsed JSON.
    """

    def __init__(self, status: int, printed: str) -> None:
        self.status = status
        self.printed = printed
        self.report: dict[str, Any] = json.loads(printed)

    def wrong(self) -> dict[str, str]:
        """Return the checks that found a mistake, each with the advice about its last mistake."""
        return self.of("wrong")

    def of(self, level: str) -> dict[str, str]:
        """Return the checks with a finding of one level.

        Each check has the advice of its last such finding, or else that finding's text.
        """
        return {
            each["check"]: each["advice"] or each["text"]
            for each in self.report["findings"]
            if each["level"] == level
        }


def examine(capsys: pytest.CaptureFixture[str], *arguments: str, app: Any = None) -> Examined:
    """Run `doctor --json` in this process, on this application if one is given."""
    status = main(["doctor", "--json", *arguments], app=app)
    return Examined(status, capsys.readouterr().out)

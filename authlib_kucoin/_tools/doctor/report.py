"""The report, as text or as JSON: the findings, and the answers for KuCoin's form."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from authlib_kucoin._protocol.redaction import MASK, redact

from .findings import Finding, Level
from .subject import Subject

_WIDTH: Final = 98
_LEVEL_WIDTH: Final = 9
_NAME_WIDTH: Final = 16
_FORM: Final = "For KuCoin's form (document section 2)"
#: Matches the user name and password in a URL. The group holds what is in front of the password.
_PASSWORD: Final = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")
_NOT_GIVEN: Final = "(not given)"

Findings = Sequence[tuple[str, Finding]]


def as_text(subject: Subject, findings: Findings) -> str:
    """Return the report as text, for people."""
    indent = " " * (_LEVEL_WIDTH + _NAME_WIDTH)
    lines: list[str] = []
    for name, finding in findings:
        head = f"{finding.level:<{_LEVEL_WIDTH}}{name:<{_NAME_WIDTH}}"
        lines += _wrapped(finding.text, head, indent)
        if finding.advice:
            lines += _wrapped(f"→ {finding.advice}", indent, f"{indent}  ")
    lines += ["", f"{_FORM}:"]
    for question, answer in form(subject).items():
        lines += _wrapped(answer, f"  {question}: ", "      ")
    lines += ["", _summary(findings)]
    return _without_secrets(subject, "\n".join(lines))


def _wrapped(text: str, head: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(findings: Findings) -> str:
    count = Counter(finding.level for _, finding in findings)
    if number := count[Level.WRONG]:
        return f"{number} thing{'s are' if number > 1 else ' is'} wrong."
    notes = f" Notes: {count[Level.NOTE]}." if count[Level.NOTE] else ""
    skips = f" Checks skipped: {count[Level.SKIPPED]}." if count[Level.SKIPPED] else ""
    return f"Nothing is wrong.{notes}{skips}"


def as_json(subject: Subject, findings: Findings) -> str:
    """Return the report as JSON, for programs."""
    content: dict[str, Any] = {
        "ok": not any(finding.level == Level.WRONG for _, finding in findings),
        "findings": [
            {
                "check": name,
                "level": finding.level,
                "text": finding.text,
                "advice": finding.advice,
            }
            for name, finding in findings
        ],
        "form": form(subject),
    }
    return _without_secrets(subject, json.dumps(content, indent=2, ensure_ascii=False))


def form(subject: Subject) -> dict[str, str]:
    """Return the answers for KuCoin's form; the questions are in the document's words."""
    settings = subject.settings
    fast_api = settings.fast_api_ips
    return {
        "Broker's full IP list for requesting Fast API Service": _listed(fast_api),
        "Broker's full IP list for trading": _listed(settings.trading_ips or fast_api),
        "Redirect URL": str(settings.redirect_uri or _NOT_GIVEN),
    }


def _listed(addresses: Iterable[str]) -> str:
    return ", ".join(addresses) or _NOT_GIVEN


def _without_secrets(subject: Subject, text: str) -> str:
    settings = subject.settings
    given = [settings.client_secret, *str(settings.vault_keys or "").split(",")]
    if subject.app and subject.app.database:
        given.append(urlsplit(subject.app.database).password)
    secrets = [str(each).strip() for each in given if each]
    clean = redact(text, [each for each in secrets if each.strip("*")])
    # The text of an application's error can quote a URL with a password.
    return _PASSWORD.sub(rf"\1{MASK}@", clean)

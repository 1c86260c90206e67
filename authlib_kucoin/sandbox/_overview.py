"""The values that the start page shows."""

from __future__ import annotations

import time
from typing import Any, Final

from ._fault_queue import OPERATIONS
from ._faults import FAULT_FORMS, PLAIN_FAULTS
from ._journal import MASK, RecordedRequest
from ._model import IssuedKey
from ._refusal import cited, place
from ._router import Router
from ._scenarios import SCENARIOS
from ._state import ACCESS_SECONDS, CODE_SECONDS, REFRESH_SECONDS, State
from ._version import version

#: How many requests, and how many keys of each account, the page shows: the latest ones.
_SHOWN: Final = 50
_DAY: Final = 24 * 3600

#: For each button of the clock: the seconds that it winds, the same in words, and what then ends.
_STEPS: Final = (
    (CODE_SECONDS, "10 minutes", "ends codes"),
    (ACCESS_SECONDS, "1 hour", "ends access tokens"),
    (REFRESH_SECONDS, "3 days", "ends refresh tokens"),
    (7 * _DAY, "7 days", "ends keys that expire"),
)

#: The commonest faults: the operation, the fault, and the label of the button.
_FAULTS: Final = (
    ("token", "503", "Exchange: KuCoin is down"),
    ("token", "lost", "Exchange: done, answer lost"),
    ("create_api_key", "429", "New key: too many requests"),
    ("create_api_key", "lost", "New key: made, answer lost"),
    ("create_api_key", "delay:20", "New key: answer after 20 seconds"),
    ("create_api_key", "envelope:400:Repeated apiName", "New key: name taken"),
    ("refresh", "lost", "Refresh: done, answer lost"),
    ("api_key_info", "gateway:400003", "Key info: key does not exist"),
    ("api_key_info", "gateway:400006", "Key info: wrong address"),
)


def values_of(kucoin: Router, base: str, problem: str | None) -> dict[str, Any]:
    """Return the values for ``start.html``.

    Args:
        kucoin: Its state, its faults and its journal are shown.
        base: The base URL at which the browser reaches the sandbox.
        problem: What was wrong with a posted form; None if nothing was.
    """
    state, records = kucoin.state, kucoin.journal.records()
    return {
        "title": "Start page",
        "problem": problem,
        "version": version(),
        "url": base,
        "client_id": state.options.client_id,
        "client_secret": state.options.client_secret and MASK,
        "now": _moment(state.clock.now()),
        "ahead": _length(state.clock.ahead),
        "steps": [
            {"seconds": seconds, "label": label, "effect": effect}
            for seconds, label, effect in _STEPS
        ],
        "scenarios": [
            {"name": name, "title": each.title, "text": each.text, "now": name == state.scenario}
            for name, each in SCENARIOS.items()
        ],
        "some_waiting": bool(kucoin.faults.waiting()),
        "waiting": [fault.as_dict() for fault in kucoin.faults.waiting()],
        "faults": [
            {"call": call, "fault": fault, "label": label} for call, fault, label in _FAULTS
        ],
        "operations": OPERATIONS,
        "forms": FAULT_FORMS,
        "plain_faults": [{"word": word, "text": text} for word, text in PLAIN_FAULTS.items()],
        "other_forms": FAULT_FORMS[len(PLAIN_FAULTS) :],
        "accounts": _accounts(state),
        "requests": [_request(record) for record in reversed(records[-_SHOWN:])],
        "total": sum(kucoin.journal.totals().values()),
        "shown": _SHOWN,
    }


def _accounts(state: State) -> list[dict[str, Any]]:
    """Return each account with its latest keys, latest first.

    An account of an earlier scenario is included if a key was issued for it.
    """
    alive = {key.api_key for key in state.live_keys()}
    issued = state.issued_keys()
    accounts = dict.fromkeys([*state.options.accounts, *(key.account for key in issued)])
    return [
        {
            "name": account.name,
            "uid": account.uid,
            "keys": [
                _key(key, alive=key.api_key in alive)
                for key in reversed(issued)
                if key.account == account
            ][:_SHOWN],
        }
        for account in accounts
    ]


def _key(key: IssuedKey, *, alive: bool) -> dict[str, Any]:
    return {
        "name": key.api_name,
        "api_key": key.api_key,
        "permissions": ", ".join(key.permissions) or "none",
        "created": _moment(key.created_at),
        "ends": None if key.expires_at is None else _moment(key.expires_at),
        "alive": alive,
        "mask": MASK,
    }


def _request(record: RecordedRequest) -> dict[str, Any]:
    refusal = record.refusal
    section = refusal.section if refusal else None
    return {
        "time": _moment(record.received_at),
        "operation": record.operation,
        "method": record.method,
        "target": record.target,
        "body": record.body,
        "status": record.status or "no answer",
        "fault": record.fault,
        "bad": refusal is not None,
        "refusal": refusal
        and {
            "code": refusal.code,
            "text": refusal.text.removesuffix(f" ({cited(section)})" if section else ""),
            "section": section and place(section),
            "advice": refusal.advice,
        },
    }


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _length(seconds: float) -> str:
    """Return a time span in words, rounded down to minutes; an empty string below a minute."""
    rest, parts = int(seconds) // 60, []
    for unit, minutes in (("day", 1440), ("hour", 60), ("minute", 1)):
        number, rest = divmod(rest, minutes)
        if number:
            parts.append(f"{number} {unit}{'s' if number > 1 else ''}")
    return " ".join(parts)

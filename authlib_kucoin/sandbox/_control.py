"""The control API under ``/sandbox/``, for programs that control the sandbox over HTTP.

The content type of a POST must be application/json. A browser lets a page of another site send that
type only with the server's permission (a CORS preflight), and the sandbox gives none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final
from urllib.parse import parse_qsl

from . import _checks, _guard, _members, _templates
from ._answers import as_json
from ._callback import Callback
from ._fault_queue import WaitingFault, operation_named
from ._faults import Fault
from ._http import Request, Response
from ._journal import MASK
from ._model import IssuedKey
from ._options import SandboxOptions
from ._router import Router
from ._scenarios import SCENARIOS
from ._user import User
from ._version import version

_OK: Final = {"ok": True}


@dataclass(frozen=True, slots=True)
class Call:
    """One control call: its function, and the body members or query parameters that it takes."""

    act: Callable[[Control, Request, dict[str, Any]], object]
    members: Mapping[str, _members.Member]


class Control:
    """Answers the control calls."""

    def __init__(self, kucoin: Router, user: User) -> None:
        """Control `kucoin`. `user` decides on login requests, and makes keys and tokens."""
        self._kucoin = kucoin
        self._user = user

    def answer(self, request: Request) -> Response:
        """Return the answer to a control call."""
        methods = CALLS.get(request.path)
        if methods is None:
            return as_json({"error": f"unknown path; known are {', '.join(CALLS)}"}, 404)
        call = methods.get(request.method)
        if call is None:
            allowed = ", ".join(methods)
            return as_json({"error": f"send this call with {allowed}"}, 405, (("Allow", allowed),))
        try:
            given = _parameters(request) if request.method == "GET" else _json_object(request)
            return as_json(call.act(self, request, _members.checked(given, call.members)))
        except ValueError as error:
            return as_json({"error": str(error)}, 400)
        except ConnectionError as error:
            return as_json({"error": str(error)}, 502)

    def approve(self, request: Request, given: dict[str, Any]) -> object:
        """Play a user who approves."""
        target = self._target(request, given.pop("url"))
        return _callback(self._user.decide(target, "approve", **given))

    def cancel(self, request: Request, given: dict[str, Any]) -> object:
        """Play a user who cancels."""
        target = self._target(request, given.pop("url"))
        return _callback(self._user.decide(target, "cancel", **given))

    def _target(self, request: Request, url: str) -> str:
        port = _guard.port_of(request.headers.get("host", ""))
        return _guard.target_of(url, self._kucoin.state.options, port)

    def connect(self, _request: Request, given: dict[str, Any]) -> object:
        """Return a new key, as if a user had approved."""
        return _key(self._user.connect(given.get("account"), given.get("permissions")))

    def token(self, _request: Request, given: dict[str, Any]) -> object:
        """Return a new token, as if a user had approved."""
        return self._user.token(given.get("account"), given.get("permissions"))

    def fail_next(self, _request: Request, given: dict[str, Any]) -> object:
        """Queue a fault."""
        fault = Fault.parse(given.pop("fault"))
        self._kucoin.faults.add(WaitingFault(fault=fault, **given))
        return _OK

    def waiting_faults(self, _request: Request, _given: dict[str, Any]) -> object:
        """List the faults that have not yet struck as often as was asked for."""
        return {"faults": [fault.as_dict() for fault in self._kucoin.faults.waiting()]}

    def advance(self, _request: Request, given: dict[str, Any]) -> object:
        """Wind the clock forward."""
        self._kucoin.state.clock.advance(given["seconds"])
        return _OK

    def set_scenario(self, _request: Request, given: dict[str, Any]) -> object:
        """Choose a scenario."""
        self._kucoin.state.set_scenario(given["name"])
        return _OK

    def reset(self, _request: Request, _given: dict[str, Any]) -> object:
        """Do what `Sandbox.reset` does."""
        self._kucoin.reset()
        return _OK

    def requests(self, _request: Request, given: dict[str, Any]) -> object:
        """List the latest requests of one operation or of all, and the totals of all operations."""
        journal = self._kucoin.journal
        wanted = given.get("operation")
        if wanted not in {None, "decision", "unknown"}:
            wanted = operation_named(wanted)
        records = [
            record.as_dict()
            for record in journal.records()
            if wanted is None or record.operation == wanted
        ]
        return {"requests": records, "totals": journal.totals()}

    def keys(self, _request: Request, _given: dict[str, Any]) -> object:
        """List every key issued since the last reset, with its secrets, for tests to compare."""
        state = self._kucoin.state
        alive = {key.api_key for key in state.live_keys()}
        return {
            "keys": [_key(key) | {"alive": key.api_key in alive} for key in state.issued_keys()]
        }

    def delete_key(self, _request: Request, given: dict[str, Any]) -> object:
        """Delete a key, as its user can at KuCoin."""
        self._kucoin.state.delete_key(given["api_key"])
        return _OK

    def state(self, _request: Request, _given: dict[str, Any]) -> object:
        """Return clock, options (secrets masked), accounts, scenarios, the current one, version."""
        state = self._kucoin.state
        return {
            "clock": {"now": state.clock.now(), "ahead": state.clock.ahead},
            "options": _options(state.options),
            "accounts": [asdict(account) for account in state.options.accounts],
            "scenario": state.scenario,
            "scenarios": [
                {"name": name, "title": each.title, "text": each.text}
                for name, each in SCENARIOS.items()
            ],
            "version": version(),
        }

    def health(self, _request: Request, _given: dict[str, Any]) -> object:
        """Say that the sandbox runs."""
        return _OK | {"version": version()}

    def openapi(self, _request: Request, _given: dict[str, Any]) -> object:
        """Return the OpenAPI description of the control calls and of KuCoin's calls."""
        content = json.loads(_templates.read("openapi.json"))
        content["info"]["version"] = version()
        return content


_USER: Final = {"account": _members.TEXT, "permissions": _members.TEXTS}
_NOTHING: Final[dict[str, _members.Member]] = {}

#: The control calls, by path and method.
CALLS: Final[dict[str, dict[str, Call]]] = {
    "/sandbox/approve": {
        "POST": Call(Control.approve, {"url": _members.TEXT.needed(), **_USER}),
    },
    "/sandbox/cancel": {
        "POST": Call(Control.cancel, {"url": _members.TEXT.needed(), "account": _members.TEXT}),
    },
    "/sandbox/connect": {"POST": Call(Control.connect, _USER)},
    "/sandbox/token": {"POST": Call(Control.token, _USER)},
    "/sandbox/faults": {
        "POST": Call(
            Control.fail_next,
            {
                "operation": _members.TEXT.needed(),
                "fault": _members.TEXT.needed(),
                "times": _members.WHOLE,
                "probability": _members.NUMBER,
                "latency": _members.NUMBER,
            },
        ),
        "GET": Call(Control.waiting_faults, _NOTHING),
    },
    "/sandbox/advance": {
        "POST": Call(Control.advance, {"seconds": _members.NUMBER.needed()}),
    },
    "/sandbox/scenario": {
        "POST": Call(Control.set_scenario, {"name": _members.TEXT.needed()}),
    },
    "/sandbox/reset": {"POST": Call(Control.reset, _NOTHING)},
    "/sandbox/requests": {"GET": Call(Control.requests, {"operation": _members.TEXT})},
    "/sandbox/keys": {"GET": Call(Control.keys, _NOTHING)},
    "/sandbox/keys/delete": {
        "POST": Call(Control.delete_key, {"api_key": _members.TEXT.needed()}),
    },
    "/sandbox/state": {"GET": Call(Control.state, _NOTHING)},
    "/sandbox/health": {"GET": Call(Control.health, _NOTHING)},
    "/sandbox/openapi.json": {"GET": Call(Control.openapi, _NOTHING)},
}


def _parameters(request: Request) -> dict[str, Any]:
    pairs = parse_qsl(request.query or "", keep_blank_values=True)
    given = dict(pairs)
    if len(given) < len(pairs):
        raise ValueError("a parameter came twice")
    return given


def _json_object(request: Request) -> dict[str, Any]:
    if request.query is not None:
        raise ValueError("this call takes no query; send a JSON object as the body")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ValueError("Content-Type must be application/json")
    try:
        content = json.loads(
            request.body.encode("latin-1") or b"{}", object_pairs_hook=_checks.unique
        )
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return content
    raise ValueError("the body must be a JSON object without a repeated member")


def _callback(callback: Callback) -> dict[str, object]:
    return {"method": callback.method, "location": callback.url, "fields": callback.fields}


def _key(key: IssuedKey) -> dict[str, Any]:
    return asdict(key) | {"account": key.account.name, "uid": key.account.uid}


def _options(options: SandboxOptions) -> dict[str, Any]:
    return {
        option.name: _plain(getattr(options, option.name)) if option.repr else MASK
        for option in fields(options)
    }


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value

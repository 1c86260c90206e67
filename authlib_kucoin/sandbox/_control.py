"""The control API under ``/sandbox/``: the methods of `Sandbox`, over HTTP."""

from __future__ import annotations

import json
from typing import Any, Final

from ._answers import as_json
from ._http import Request, Response
from ._router import Router

_METHODS: Final = {
    "/sandbox/faults": "POST",
    "/sandbox/advance": "POST",
    "/sandbox/reset": "POST",
    "/sandbox/requests": "GET",
}


class Control:
    """Answers the control calls."""

    def __init__(self, kucoin: Router) -> None:
        """Control this KuCoin."""
        self._kucoin = kucoin

    def answer(self, request: Request) -> Response:
        """Queue a fault, wind the clock forward, forget everything, or list the requests.

        A POST must be JSON: a page of another site cannot send that without a preflight request,
        which gets no permission.
        """
        method = _METHODS.get(request.path)
        if method is None:
            return as_json({"error": f"unknown path; known are {', '.join(_METHODS)}"}, 404)
        if request.method != method:
            return as_json({"error": f"send {method}"}, 405, (("Allow", method),))
        try:
            if method == "POST":
                self._change(request.path, _json_object(request))
                return as_json({"ok": True})
        except ValueError as error:
            return as_json({"error": str(error)}, 400)
        journal = self._kucoin.journal
        records = [record.as_dict() for record in journal.records()]
        return as_json({"requests": records, "totals": journal.totals()})

    def _change(self, path: str, content: dict[str, Any]) -> None:
        if path == "/sandbox/faults":
            self._kucoin.faults.add(_text(content, "operation"), _text(content, "fault"))
        elif path == "/sandbox/advance":
            self._kucoin.state.clock.advance(_number(content, "seconds"))
        else:
            self._kucoin.reset()


def _json_object(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise ValueError("Content-Type must be application/json")
    try:
        content = json.loads(request.body.encode("latin-1") or b"{}")
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return content
    raise ValueError("the body must be a JSON object")


def _text(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    if isinstance(value, str):
        return value
    raise ValueError(f"{name} must be a string")


def _number(content: dict[str, Any], name: str) -> float:
    value = content.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValueError(f"{name} must be a number")

"""The sandbox's own calls under ``/sandbox/``: what Python does by method, over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._endpoints import as_json

if TYPE_CHECKING:
    from ._http import Request, Response
    from ._router import Router

_PATHS = {
    "/sandbox/faults": "POST",
    "/sandbox/advance": "POST",
    "/sandbox/reset": "POST",
    "/sandbox/requests": "GET",
}


def answer(request: Request, router: Router) -> Response:
    """Queue a fault, wind the clock, forget everything, or list what was asked.

    A POST must be JSON, which no page of another site can send without the browser asking first.
    """
    method = _PATHS.get(request.path)
    if method is None:
        return as_json({"error": f"there is no such path; there is {', '.join(_PATHS)}"}, 404)
    if request.method != method:
        return as_json({"error": f"send {method}"}, 405, (("Allow", method),))
    try:
        if method == "POST":
            _change(request, router)
            return as_json({"ok": True})
    except ValueError as error:
        return as_json({"error": str(error)}, 400)
    records = [record.as_dict() for record in router.journal.records()]
    return as_json({"requests": records, "totals": router.journal.totals()})


def _change(request: Request, router: Router) -> None:
    content = _json_object(request)
    if request.path == "/sandbox/faults":
        router.faults.add(
            _typed(content, "operation", str, "a string"), _typed(content, "fault", str, "a string")
        )
    elif request.path == "/sandbox/advance":
        router.state.clock.advance(_typed(content, "seconds", (int, float), "a number"))
    else:
        router.reset()


def _json_object(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise ValueError("Content-Type must be application/json")
    try:
        content = json.loads(request.body.encode("latin-1") or b"{}")
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")
    return content


def _typed(content: dict[str, Any], name: str, kind: Any, wanted: str) -> Any:
    value = content.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} must be {wanted}")
    return value

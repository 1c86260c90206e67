"""JSON answers: plain ones, and KuCoin's envelope."""

from __future__ import annotations

import json

from ._http import Response


def as_json(
    content: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    """Return a JSON answer."""
    return Response(status, json.dumps(content).encode(), headers=headers)


def envelope(
    code: str,
    msg: str,
    *,
    success: bool = False,
    retry: bool = False,
    data: object = None,
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """Return an answer in KuCoin's envelope (document section 4).

    The HTTP status is 200 unless given, even for an error: KuCoin can send errors with 200.
    """
    content = {"success": success, "code": code, "msg": msg, "retry": retry, "data": data}
    return as_json(content, status, headers)

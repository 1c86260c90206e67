"""Requests and answers as text to show, close to what is on the wire."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ._http import Headers, Request, Response

_SHOWN: Final = 4_000


def request_text(request: Request) -> str:
    """Return a request as text, whose lines end with a line feed only."""
    lines = [
        f"{request.method} {request.target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in request.headers.pairs),
    ]
    return "\n".join(lines) + (f"\n\n{request.body}" if request.body else "")


def answer_text(response: Response, request: Request) -> str:
    """Return the part of an answer that is sent, as text.

    The end of a very long answer is left out. If the connection ended early, a note says so.
    """
    text = ""
    if response.is_sent:
        text = response.encode(request).decode("utf-8", "replace").replace("\r\n", "\n")
    if len(text) > _SHOWN:
        text = f"{text[:_SHOWN]}\n(and so on: {len(response.body)} bytes in all)"
    if response.ending != "keep":
        text += "\n(the connection ended here)"
    return text.strip()


def without_browser_headers(request: Request) -> Request:
    """Return a browser's request with no header fields but Host and Content-Type."""
    kept = tuple(
        pair for pair in request.headers.pairs if pair[0].lower() in {"host", "content-type"}
    )
    return replace(request, headers=Headers(kept))

"""One host for all: KuCoin's calls, the control API and the sandbox's own pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import _guard, _pages, _trial, _try
from ._answers import as_json
from ._control import Control
from ._http import Request, Response
from ._options import SandboxOptions
from ._router import Router
from ._start import StartPage
from ._state import State
from ._try import TryPages
from ._user import User

#: Answers a request for a page, given the base URL to which the request was sent.
_Page = Callable[[Request, str], Response]


class Host:
    """Sends each request to the part that answers it."""

    def __init__(self, options: SandboxOptions) -> None:
        """Start without codes, tokens and keys."""
        self.state = State(options)
        self.kucoin = Router(self.state)
        self.user = User(self.kucoin)
        self._control = Control(self.kucoin, self.user)
        self._start = StartPage(self.kucoin)
        self._try = TryPages(self.kucoin)

    def answer(self, request: Request) -> Response:
        """Return the answer to a request."""
        if request.path == _pages.STYLE_PATH:
            return _pages.style()
        if request.path.startswith("/sandbox/") and not request.path.startswith(_try.PATH):
            problem = _guard.problem_of(request, self.state.options)
            if problem is not None:
                return as_json({"error": problem}, 403)
            return self._control.answer(request)
        page = self._page_of(request.path)
        return self.kucoin.answer(request) if page is None else self._show(page, request)

    def _page_of(self, path: str) -> _Page | None:
        if path == "/":
            return self._start.answer
        return self._try.answer if path.startswith(_try.PATH) else None

    def _show(self, page: _Page, request: Request) -> Response:
        # In form_post mode a page with the policy no-referrer posts the callback, so the browser
        # sends `Origin: null`. The callback's state is checked instead of its origin.
        checked = replace(request, method="GET") if request.path == _trial.CALLBACK else request
        problem = _guard.problem_of(checked, self.state.options)
        if problem is not None:
            return _pages.problem(
                403, "This request was refused", f"Reason: {problem}.", "sandbox.refused"
            )
        if request.method not in {"GET", "HEAD", "POST"}:
            text = "Open this page with GET; its forms use POST."
            refused = _pages.problem(
                405, "This method is not allowed", text, "sandbox.wrong_method"
            )
            return replace(refused, headers=(*refused.headers, ("Allow", "GET, HEAD, POST")))
        if request.method == "HEAD":
            request = replace(request, method="GET")
        scheme = "https" if self.state.options.tls else "http"
        return page(request, f"{scheme}://{request.headers.get('host', '')}")

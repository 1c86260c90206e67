"""The one host that the sandbox serves: KuCoin's calls, and the control API beside them."""

from __future__ import annotations

from . import _guard, _pages
from ._answers import as_json
from ._control import Control
from ._http import Request, Response
from ._options import SandboxOptions
from ._router import Router
from ._state import State
from ._user import User


class Host:
    """Sends each request to the part that answers it."""

    def __init__(self, options: SandboxOptions) -> None:
        """Start with nothing issued."""
        self.state = State(options)
        self.kucoin = Router(self.state)
        self.user = User(self.kucoin)
        self._control = Control(self.kucoin, self.user)

    def answer(self, request: Request) -> Response:
        """Return the answer to a request."""
        if request.path == _pages.STYLE_PATH:
            return _pages.style()
        if request.path.startswith("/sandbox/"):
            problem = _guard.problem_of(request, self.state.options)
            if problem is not None:
                return as_json({"error": problem}, 403)
            return self._control.answer(request)
        return self.kucoin.answer(request)

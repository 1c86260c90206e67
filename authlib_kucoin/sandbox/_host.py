"""The one host that the sandbox serves: KuCoin's calls, and the control API beside them."""

from __future__ import annotations

from . import _pages
from ._control import Control
from ._http import Request, Response
from ._options import SandboxOptions
from ._router import Router
from ._state import State


class Host:
    """Sends each request to the part that answers it."""

    def __init__(self, options: SandboxOptions) -> None:
        """Start with nothing issued."""
        self.state = State(options)
        self.kucoin = Router(self.state)
        self._control = Control(self.kucoin)

    def answer(self, request: Request) -> Response:
        """Return the answer to a request."""
        if request.path == _pages.STYLE_PATH:
            return _pages.style()
        if request.path.startswith("/sandbox/"):
            return self._control.answer(request)
        return self.kucoin.answer(request)

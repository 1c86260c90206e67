"""A user without a browser: opens the login page and presses a button, in this process."""

from __future__ import annotations

import time
from typing import Final, Literal
from urllib.parse import urlencode

from ._callback import Callback
from ._checks import FORM_TYPE
from ._http import Headers, Request, Response
from ._model import Ticket
from ._router import Router

_FORM: Final = Headers((("Content-Type", FORM_TYPE),))


class User:
    """Someone who is signed in at KuCoin, and decides on a login request.

    Sends the same two requests as a browser, but straight to the router. So every check and every
    fault applies, and the journal has both requests, as of connection 0.
    """

    def __init__(self, kucoin: Router) -> None:
        """Play the user of this KuCoin."""
        self._kucoin = kucoin

    def decide(self, target: str, decision: Literal["approve", "cancel"]) -> Callback:
        """Open the login page, press a button, and return where the browser is sent.

        Args:
            target: Path and query of the authorization URL.
            decision: The button.

        Raises:
            ValueError: The login page answered with something else than the consent form.
            ConnectionError: A fault ended the connection.
        """
        page = self._send("GET", target)
        if isinstance(page.result, Ticket):
            form = urlencode({"ticket": page.result, "decision": decision})
            page = self._send("POST", "/oauth/decision", form)
            if isinstance(page.result, Callback):
                return page.result
        raise ValueError(f"the sandbox answered {page.status}: {page.result or 'no page'}")

    def _send(self, method: str, target: str, form: str = "") -> Response:
        headers = _FORM if form else Headers()
        request = Request(method, target, headers, form, "127.0.0.1", connection=0, keep_alive=True)
        response = self._kucoin.answer(request)
        if response.delay:
            time.sleep(response.delay)
        if response.ending == "keep":
            return response
        raise ConnectionError("the sandbox ended the connection, as this fault does")

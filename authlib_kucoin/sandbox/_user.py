"""Plays a user without a browser: decides on login requests, or makes keys and tokens directly."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final, Literal
from urllib.parse import urlencode

from ._callback import Callback
from ._checks import FORM_TYPE
from ._http import Headers, Request, Response
from ._model import Grant, IssuedKey, Login, Ticket
from ._permissions import PERMISSIONS
from ._refusal import Refusal
from ._router import Router
from ._state import ACCESS_SECONDS, SCOPE

_FORM: Final = Headers((("Content-Type", FORM_TYPE),))
#: The login of `connect` and `token`, which open no login page.
_NO_LOGIN: Final = Login("https://broker.example.com/callback", "sandbox")


class User:
    """A user who is signed in at KuCoin.

    `decide` makes requests as a browser does: one for the login page and, if the page comes, one
    with the decision. It gives them to the router without a socket. So the checks of both requests
    and the faults of "authorize" apply, and the journal records the requests.
    """

    def __init__(self, kucoin: Router) -> None:
        """Play a user of `kucoin`."""
        self._kucoin = kucoin

    def decide(
        self,
        target: str,
        decision: Literal["approve", "cancel"],
        account: str | None = None,
        permissions: Iterable[str] | None = None,
    ) -> Callback:
        """Open the login page, press a button, and return the callback.

        Args:
            target: Path and query of the authorization URL.
            decision: Which button to press.
            account: Which account to choose; the first one if None.
            permissions: Which boxes to leave checked; all of them if None.

        Raises:
            ValueError: A permission is unknown, the sandbox refused a request, or a fault replaced
                or truncated the login page.
            ConnectionError: A fault ended the connection of the login page.
        """
        page = self._send("GET", target)
        if isinstance(page.result, Ticket):
            fields = [("ticket", str(page.result)), ("decision", decision)]
            if account is not None:
                fields.append(("account", account))
            if permissions is not None:
                fields += [("permission", name) for name in ("none", *_known(permissions))]
            page = self._send("POST", "/oauth/decision", urlencode(fields))
            if isinstance(page.result, Callback):
                return page.result
        raise ValueError(f"the sandbox answered {page.status}: {page.result or 'no page'}")

    def connect(self, account: str | None, permissions: Iterable[str] | None) -> IssuedKey:
        """Return a new API key, as if a user had approved; no request is recorded.

        Raises:
            ValueError: The account or a permission is unknown, or the account cannot have another
                key.
        """
        grant = self._grant(account, permissions)
        try:
            return self._kucoin.state.create_key(grant, grant.permissions)
        except Refusal as refusal:
            problem = str(refusal)
        raise ValueError(problem)

    def token(self, account: str | None, permissions: Iterable[str] | None) -> dict[str, Any]:
        """Return a new token, as a client keeps it; no request is recorded.

        Raises:
            ValueError: The account or a permission is unknown.
        """
        pair = self._kucoin.state.issue_tokens(self._grant(account, permissions))
        return {
            "access_token": pair.access_token,
            "token_type": "bearer",
            "expires_in": ACCESS_SECONDS,
            "expires_at": int(time.time()) + ACCESS_SECONDS,
            "refresh_token": pair.refresh_token,
            "scope": SCOPE,
        }

    def _grant(self, account: str | None, permissions: Iterable[str] | None) -> Grant:
        options = self._kucoin.state.options
        wanted = tuple(options.permissions) if permissions is None else _known(permissions)
        return Grant(_NO_LOGIN, options.find_account(account), wanted)

    def _send(self, method: str, target: str, form: str = "") -> Response:
        headers = _FORM if form else Headers()
        request = Request(method, target, headers, form, "127.0.0.1", connection=0, keep_alive=True)
        response = self._kucoin.answer(request)
        if response.delay:
            time.sleep(response.delay)
        if response.ending == "keep":
            return response
        raise ConnectionError("a fault ended the connection")


def _known(permissions: Iterable[str]) -> tuple[str, ...]:
    names = tuple(permissions)
    unknown = sorted(set(names) - set(PERMISSIONS))
    if unknown:
        raise ValueError(f"unknown permissions {unknown}; known are {', '.join(PERMISSIONS)}")
    return names

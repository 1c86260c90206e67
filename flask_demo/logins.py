"""Sessions and logins that survive parallel and slow requests.

The session is a signed cookie, and each answer that changes it sends the whole cookie. So two
requests at once could undo each other's changes, and a slow one could bring back what a sign-out
has ended. Three rules prevent that:

* A sign-out raises the user's epoch, which ends all earlier sessions (``models.User``).
* A login at KuCoin is kept in its row of the ledger instead of the session.
* No view changes the session after it has waited for KuCoin.

A login is bound to a browser as well as to a user. A separate cookie identifies the browser, so
that a login can go on after the session was lost.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import MutableMapping
from typing import Any, Final

from authlib.integrations.flask_client import FlaskIntegration, OAuth
from flask import current_app, g, request
from werkzeug import Response

from . import ledger
from .extensions import db

_LONGEST_ID: Final = 64
_MONTH: Final = 30 * 24 * 3600


class LedgerIntegration(FlaskIntegration):
    """Stores the data that Authlib keeps for a login in the ledger, not in the session."""

    def set_state_data(
        self, _session: MutableMapping[str, Any], state: str, data: dict[str, Any]
    ) -> None:
        """Remember a login, for this browser only."""
        attempt = ledger.find(state)
        if attempt:
            attempt.login, attempt.browser = data, _hash(browser_id())
            db.session.commit()

    def get_state_data(
        self, _session: MutableMapping[str, Any], state: str
    ) -> dict[str, Any] | None:
        """Return what was remembered, if this is the browser that began."""
        attempt = ledger.find(state)
        db.session.commit()  # no connection is held while KuCoin is asked
        if attempt and hmac.compare_digest(attempt.browser, _hash(browser_id())):
            return attempt.login
        return None

    def clear_state_data(self, _session: MutableMapping[str, Any], _state: str) -> None:
        """Do nothing: the ledger allows each login only once."""


class LedgerOAuth(OAuth):
    """Authlib's ``OAuth`` with logins in the ledger."""

    framework_integration_cls = LedgerIntegration


def browser_id() -> str:
    """Return the id in the browser's own cookie; a new one, for this request, if it has none."""
    if "browser_id" not in g:
        given = request.cookies.get(_cookie_name(), "")
        g.browser_id = given if 0 < len(given) <= _LONGEST_ID else secrets.token_urlsafe()
    return str(g.browser_id)


def remember_browser(response: Response) -> Response:
    """Set the cookie with the browser's id, if the browser has not sent this cookie already."""
    if browser_id() != request.cookies.get(_cookie_name()):
        secure = current_app.config["SESSION_COOKIE_SECURE"]
        response.set_cookie(
            _cookie_name(), browser_id(), _MONTH, secure=secure, httponly=True, samesite="Lax"
        )
    return response


def forget_browser(response: Response) -> Response:
    """Delete the cookie, so that logins under way cannot be finished."""
    response.delete_cookie(_cookie_name(), secure=current_app.config["SESSION_COOKIE_SECURE"])
    return response


def _cookie_name() -> str:
    return "__Host-browser" if current_app.config["SESSION_COOKIE_SECURE"] else "browser"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

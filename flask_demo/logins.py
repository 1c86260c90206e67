"""Sessions and logins that survive parallel and slow requests.

The session is a signed cookie, and a response that changes the session sends the whole cookie. So
two parallel requests could undo each other's changes, and a slow response could restore a session
that a sign-out has ended meanwhile. Three rules make this harmless:

* A sign-out raises the user's epoch, which ends all earlier sessions (``models.User``).
* The data of a login at KuCoin is stored in the attempt's row of the ledger, not in the session.
* No view changes the session after it has waited for KuCoin.

A login is bound to a browser as well as to a user. The browser is identified by a cookie other than
the session, so the user can finish the login after the session was lost.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any, Final

from authlib.integrations.flask_client import FlaskIntegration, OAuth
from flask import current_app, g, request
from werkzeug import Response

from . import ledger
from .extensions import db

_LONGEST_ID: Final = 64
_MONTH: Final = 30 * 24 * 3600


class LedgerIntegration(FlaskIntegration):
    """Stores Authlib's data about a login in the ledger, not in the session."""

    def set_state_data(self, _session: object, state: str, data: dict[str, Any]) -> None:
        """Store the data of a login, with a hash of the id of the browser that began it."""
        attempt = ledger.find(state)
        if attempt:
            attempt.login, attempt.browser = data, _hash(browser_id())
            db.session.commit()

    def get_state_data(self, _session: object, state: str) -> dict[str, Any] | None:
        """Return the data of a login if this browser began the login, otherwise None."""
        attempt = ledger.find(state)
        db.session.commit()  # no database connection is held while KuCoin is asked
        if attempt and hmac.compare_digest(attempt.browser, _hash(browser_id())):
            return attempt.login
        return None

    def clear_state_data(self, _session: object, _state: str) -> None:
        """Do nothing: the status of the attempt already prevents a second use."""


class LedgerOAuth(OAuth):
    """Authlib's ``OAuth``, changed to store the data of logins in the ledger."""

    framework_integration_cls = LedgerIntegration


def browser_id() -> str:
    """Return the id from the browser's cookie, or a new id if there is none or it is too long."""
    if "browser_id" not in g:
        given = request.cookies.get(_cookie_name(), "")
        g.browser_id = given if 0 < len(given) <= _LONGEST_ID else secrets.token_urlsafe()
    return str(g.browser_id)


def remember_browser(response: Response) -> Response:
    """Set the cookie with the browser's id, unless the browser already has it."""
    if browser_id() != request.cookies.get(_cookie_name()):
        secure = current_app.config["SESSION_COOKIE_SECURE"]
        response.set_cookie(
            _cookie_name(), browser_id(), _MONTH, secure=secure, httponly=True, samesite="Lax"
        )
    return response


def forget_browser(response: Response) -> Response:
    """Delete the cookie with the browser's id, so the browser cannot finish logins it has begun."""
    response.delete_cookie(_cookie_name(), secure=current_app.config["SESSION_COOKIE_SECURE"])
    return response


def _cookie_name() -> str:
    return "__Host-browser" if current_app.config["SESSION_COOKIE_SECURE"] else "browser"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""The user's part (section 7.1): the login request, the consent page, and the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlencode

from . import _checks, _pages
from ._callback import Callback
from ._http import Request, Response
from ._refusal import Refusal
from ._state import SCOPE, Login, State, Ticket

_QUERY: Final = ("response_type", "client_id", "redirect_uri", "scope", "state")


def authorize(request: Request, state: State) -> Response:
    """Show the consent page for a login request that is exactly as documented.

    A refused request gets a page that says why. It is never redirected, since its redirect URL
    may be wrong.
    """
    try:
        login = _checked_login(request, state)
    except Refusal as refusal:
        return _pages.refused("This login request was refused", refusal)
    ticket = state.open_login(login)
    return replace(_pages.consent(state.options, login, ticket), result=ticket)


def decide(request: Request, state: State) -> Response:
    """Take the user's decision and send the browser back to the broker."""
    try:
        values = _checks.form(request, ("ticket", "decision"), "7.1")
        if values["decision"] not in {"approve", "cancel"}:
            raise Refusal("wrong_decision", "decision must be approve or cancel", "7.1")
        login = state.close_login(Ticket(values["ticket"]))
    except Refusal as refusal:
        return _pages.refused("This decision was refused", refusal)
    if login is None:
        return _pages.problem(
            409,
            "This request was already answered",
            "Go back to the broker's site and start again if you want to connect once more.",
            "sandbox.already_answered",
        )
    return _way_back(state, login, approved=values["decision"] == "approve")


def _checked_login(request: Request, state: State) -> Login:
    _checks.no_body(request, "7.1")
    values = _checks.raw_query(request, _QUERY, "7.1")
    _checks.redirect_uri(values["redirect_uri"], "7.1")
    clear = {
        name: value if name == "redirect_uri" else _checks.decoded(value, name, "7.1")
        for name, value in values.items()
    }
    _checks.equal(clear, "response_type", "code", "7.1")
    _checks.known_client(clear["client_id"], state.options)
    _checks.equal(clear, "scope", SCOPE, "7.1")
    _checks.registered_redirect(clear["redirect_uri"], state.options)
    return Login(clear["redirect_uri"], clear["state"])


def _way_back(state: State, login: Login, *, approved: bool) -> Response:
    mode = state.options.callback
    answer = {
        "success": "true" if approved else "false",
        "code": state.issue_code(login) if approved else "sandbox.user_cancelled",
        "msg": "success." if approved else "The user cancelled the authorization.",
        "retry": "false",
        "data": "null",
        "state": login.state,
    }
    if mode == "plain" and approved:
        answer = {name: answer[name] for name in ("code", "state")}
    if mode == "form_post":
        page = _pages.form_post(login.redirect_uri, answer)
        return replace(page, result=Callback(login.redirect_uri, "POST", answer))
    separator = "&" if "?" in login.redirect_uri else "?"
    query = urlencode(answer, quote_via=quote, safe="")
    callback = Callback(f"{login.redirect_uri}{separator}{query}", "GET", answer)
    headers = (("Location", str(callback)), ("Cache-Control", "no-store"))
    return Response(303, headers=headers, result=callback)

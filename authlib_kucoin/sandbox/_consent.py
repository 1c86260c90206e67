"""The user's part (document section 7.1): login request, consent page, answer to the broker."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlencode

from . import _checks, _pages
from ._callback import Callback
from ._http import Request, Response
from ._model import Account, Grant, Login, Ticket
from ._options import SandboxOptions
from ._refusal import Refusal
from ._state import SCOPE, State

_QUERY: Final = ("response_type", "client_id", "redirect_uri", "scope", "state")


def authorize(request: Request, state: State) -> Response:
    """Return the consent page if the login request passes all checks.

    Otherwise, return a page that says what is wrong. The sandbox does not redirect the browser
    then, since the redirect URL may be wrong.
    """
    try:
        login = _checked_login(request, state)
    except Refusal as refusal:
        return _pages.refused("This login request was refused", refusal)
    return _pages.consent(state.options, login, state.open_login(login))


def decide(request: Request, state: State) -> Response:
    """Take the user's decision, and return the answer that leads the browser back to the broker.

    If the decision is refused, or the login request was already answered, return a page that says
    so. The browser then stays at the sandbox.
    """
    options = state.options
    try:
        form = _decision_form(request, options)
        if form.get("decision") not in {"approve", "cancel"}:
            raise Refusal("wrong_decision", "decision must be approve or cancel", "7.1")
        account = _account(options, form.get("account"))
        login = state.close_login(Ticket(form["ticket"]))
    except Refusal as refusal:
        return _pages.refused("This decision was refused", refusal)
    if login is None:
        return _pages.problem(
            409,
            "This request was already answered",
            "Go back to the broker's site and start again if you want to connect once more.",
            "sandbox.already_answered",
        )
    if form["decision"] == "cancel":
        return _way_back(options, login, None)
    permissions = tuple(
        name for name in options.permissions if name in form.get("permission", name).split()
    )
    return _way_back(options, login, state.issue_code(Grant(login, account, permissions)))


def _decision_form(request: Request, options: SandboxOptions) -> dict[str, str]:
    """Return the fields that the consent page has posted.

    The values of all fields `permission` are joined by spaces into one. If the form has no such
    field, the result has none either, and an approval grants all permissions that the page lists.
    """
    chosen, fields = [], []
    for piece in request.body.split("&"):
        name, _, value = piece.partition("=")
        if name == "permission":
            chosen.append(_checks.decoded(value, name, "7.1"))
        else:
            fields.append(piece)
    rest = replace(request, body="&".join(fields))
    form = _checks.form(rest, options, ("ticket", "decision"), "7.1", optional=("account",))
    return form | ({"permission": " ".join(chosen)} if chosen else {})


def _account(options: SandboxOptions, name: str | None) -> Account:
    try:
        return options.find_account(name)
    except ValueError as error:
        problem = Refusal("unknown_account", str(error), "7.1")
    raise problem


def _checked_login(request: Request, state: State) -> Login:
    _checks.no_body(request, "7.1")
    values = _checks.raw_query(request, state.options, _QUERY, "7.1")
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


def _way_back(options: SandboxOptions, login: Login, code: str | None) -> Response:
    """Return the redirect, or the form, that takes the answer to the broker.

    `code` is None if the user has cancelled.
    """
    answer = {
        "success": "true" if code else "false",
        "code": code or "sandbox.user_cancelled",
        "msg": "success." if code else "The user cancelled the authorization.",
        "retry": "false",
        "data": "null",
        "state": login.state,
    }
    if options.callback == "plain" and code:
        answer = {name: answer[name] for name in ("code", "state")}
    if options.callback == "form_post":
        page = _pages.form_post(login.redirect_uri, answer)
        return replace(page, result=Callback(login.redirect_uri, "POST", answer))
    separator = "&" if "?" in login.redirect_uri else "?"
    query = urlencode(answer, quote_via=quote, safe="")
    callback = Callback(f"{login.redirect_uri}{separator}{query}", "GET", answer)
    headers = (("Location", callback.url), ("Cache-Control", "no-store"))
    return Response(303, headers=headers, result=callback)

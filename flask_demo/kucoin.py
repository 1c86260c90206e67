"""The blueprint ``kucoin``: connecting an account, checking, replacing or disconnecting a key."""

from __future__ import annotations

import logging
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug import Response
from werkzeug.datastructures import MultiDict

from authlib_kucoin import ApiKeyError, KuCoinError, PermissionMismatch

from . import events, ledger, logins
from .accounts import ask_to_sign_in, current_user_id
from .checks import check
from .extensions import csrf, db, oauth
from .limits import LOGIN_SECONDS
from .models import LARGEST_ID, ConnectAttempt, ConnectedKey, Status, lock_keys, now
from .permissions import fewer
from .tokens import forget_token, fresh_token
from .vault import vault

log = logging.getLogger(__name__)

bp = Blueprint("kucoin", __name__, url_prefix="/kucoin")

#: The views of this blueprint that need no sign-in.
_PUBLIC: Final = ("kucoin.callback_by_post", "kucoin.problem")

#: The text of the page for a callback that failed, by the HTTP status of that page. The text for
#: 500 is in error.html.
_PROBLEMS: Final = {
    400: "This answer from KuCoin belongs to no connection that was begun here. Nothing was done. "
    "Begin again on the page of your accounts.",
    403: "This connection was begun under another name. Nothing was done. Sign in under that name, "
    "or begin again on the page of your accounts.",
    500: "",
}

#: The type of ids in routes. A number that is too large for the database leads to a 404.
ID: Final = f"int(max={LARGEST_ID})"


@bp.before_request
def require_user() -> Response | None:
    """Redirect to the sign-in if nobody is signed in and the view needs a user.

    If a GET is redirected, the sign-in leads back to the page that was asked for, unless the page's
    address is too long. A form has to be sent again.
    """
    if request.endpoint in _PUBLIC or current_user.is_authenticated:
        return None
    if request.method != "GET":
        return ask_to_sign_in(None)
    if request.endpoint == "kucoin.callback":
        return ask_to_sign_in(url_for("kucoin.callback", sealed=_sealed_query()))
    return ask_to_sign_in(request.script_root + request.full_path)


@bp.post("/connect")
def connect() -> Response:
    """Begin an attempt, and redirect to KuCoin's login page (document section 7.1).

    If the form's field ``fewer_than`` is the id of an attempt of the user, fewer permissions are
    asked for than by that attempt; if none would be left, no attempt is begun, and the browser is
    redirected to the page of that attempt.
    """
    user_id = current_user_id()
    number = request.form.get("fewer_than", 0, int)
    refused = ledger.own_attempt(number, user_id) if 0 < number <= LARGEST_ID else None
    if refused is None:
        return _to_kucoin(ledger.start(user_id))
    less = fewer(refused.permissions)
    return _to_kucoin(ledger.start(user_id, less)) if less else _to_outcome(refused.id)


@bp.get("/callback")
def callback() -> ResponseReturnValue:
    """Receive the browser from KuCoin and, if the user approved, get a key.

    A GET is answered with a redirect, so that the URL with the code stays neither in the browser's
    history nor in a Referer. If a GET aborts or raises here, :func:`callback_problem` makes the
    redirect.
    """
    if request.method == "HEAD":  # Flask calls this view for HEAD, which must change nothing
        abort(405, valid_methods=["GET"])
    if sealed := request.args.get("sealed"):
        query = vault().open_text(sealed, LOGIN_SECONDS) or ""
        request.args = MultiDict(parse_qsl(query, keep_blank_values=True))
    attempt = ledger.find(request.args.get("state", ""))
    if attempt is None:
        abort(400)
    if attempt.user_id != current_user_id():
        abort(403)
    # Only one request for an attempt gets into this block. A reload leads to the same page.
    if attempt.status is Status.STARTED and ledger.advance(attempt, Status.CLAIMED):
        try:
            token = oauth.kucoin.authorize_access_token()
        except KuCoinError as error:
            ledger.fail(attempt, error)
        else:
            _provision(attempt, token)
    return _to_outcome(attempt.id)


@bp.post("/callback")
@csrf.exempt  # type: ignore[untyped-decorator]  # Flask-WTF has no types
def callback_by_post() -> Response:
    """Redirect KuCoin's form POST, with which browsers send no SameSite=Lax cookie, to a GET."""
    return redirect(url_for("kucoin.callback", sealed=_sealed_query()), 303)


def callback_problem(code: int | None) -> Response:
    """Redirect, after a callback failed with HTTP status ``code``, to a page about the failure."""
    known = code if code in _PROBLEMS else 500
    # For 500: perhaps the database failed before the authorization code was used. So the page
    # offers to open the callback again.
    again = _sealed_query() if known == 500 else None
    return redirect(url_for("kucoin.problem", code=known, again=again), 303)


@bp.get("/problem/<int:code>")
def problem(code: int) -> NoReturn:
    """Explain why a callback failed. The page's status is ``code``, or 404 if it is unknown."""
    abort(code if code in _PROBLEMS else 404, _PROBLEMS.get(code))


@bp.get(f"/attempts/<{ID}:attempt_id>")
def outcome(attempt_id: int) -> str:
    """Show how far an attempt has come or how it ended, and what to do next."""
    attempt = ledger.own_attempt(attempt_id, current_user_id()) or abort(404)
    key = db.session.scalar(select(ConnectedKey).where(ConnectedKey.attempt_id == attempt.id))
    return render_template("attempt.html", attempt=attempt, key=key)


@bp.post(f"/attempts/<{ID}:attempt_id>/done")
def done(attempt_id: int) -> Response:
    """Store that the user has done what was to be done at KuCoin after an attempt."""
    attempt = ledger.own_attempt(attempt_id, current_user_id()) or abort(404)
    attempt.done_at = now()
    db.session.commit()
    return redirect(url_for("accounts.index"), 303)


@bp.post(f"/keys/<{ID}:key_id>/check")
def check_key(key_id: int) -> Response:
    """Ask KuCoin what a key may do, and show the result on the first page."""
    check(_own_key(key_id))
    # The URL names the key. flash() would change the session after the wait for KuCoin (logins.py).
    return redirect(url_for("accounts.index", checked=key_id, _anchor=f"key-{key_id}"), 303)


@bp.post(f"/keys/<{ID}:key_id>/rotate")
def rotate(key_id: int) -> Response:
    """Replace a key by a new one: at once with a kept token, without one after a new approval.

    If the form is out of date, begin no attempt: redirect to KuCoin if the key's latest attempt
    waits for approval, and to the page of that attempt otherwise.
    """
    key = _own_key(key_id)
    latest = key.latest_attempt_id
    is_latest = request.form.get("seen", latest, int) == latest
    attempt = ledger.start_rotation(key) if is_latest else None
    if attempt is None:  # the form was sent twice or is old, or the key's row was deleted since
        now_held = db.session.get(ConnectedKey, key_id)
        latest = now_held.latest_attempt_id if now_held else latest
        attempt = ledger.own_attempt(latest, current_user_id()) or abort(404)
        # After a double click the browser shows only the response to the second request. So while
        # the attempt waits for approval, this response redirects to KuCoin as well.
        if now_held and now_held.sealed_token is None and attempt.status is Status.STARTED:
            return _to_kucoin(attempt)
        return _to_outcome(latest)
    try:
        token = fresh_token(key_id)
    except KuCoinError as error:
        ledger.fail(attempt, error)
        return _to_outcome(attempt.id)
    if token is None:
        return _to_kucoin(attempt)
    if ledger.advance(attempt, Status.CLAIMED):
        _provision(attempt, token, replaces=key)
    return _to_outcome(attempt.id)


@bp.post(f"/keys/<{ID}:key_id>/disconnect")
def disconnect(key_id: int) -> Response:
    """Delete the row of a key; list the key for deletion at KuCoin unless it is gone there."""
    for row in lock_keys(ConnectedKey.id == _own_key(key_id).id):
        db.session.delete(row)
        if not row.is_gone:
            db.session.get_one(ConnectAttempt, row.attempt_id).note_to_delete(row.api_name)
        flash(f"Disconnected. The credentials of “{row.api_name}” are deleted here.")
        events.changed("key", row.id, "disconnected")
    db.session.commit()
    return redirect(url_for("accounts.index"), 303)


def _provision(
    attempt: ConnectAttempt, token: dict[str, Any], replaces: ConnectedKey | None = None
) -> None:
    """Create a key with a token, store and check the key. Each step is committed before the next.

    If the key cannot be created or stored, the attempt ends as ``failed`` or ``unknown``.
    """
    if not ledger.advance(attempt, Status.PROVISIONING):
        return  # getting the token took so long that the attempt was settled: ask for no key
    try:
        # Pass no refresh token, so the library cannot refresh: only fresh_token() may do that.
        api_key = oauth.kucoin.create_api_key(
            token=token["access_token"],
            permissions=attempt.permissions if current_app.config["FAST_API_2"] else None,
        )
    except KuCoinError as error:
        ledger.fail(attempt, error)
        # Both errors may be due to the token. Delete the token, so that the next attempt asks the
        # user for approval.
        if replaces and type(error) in (ApiKeyError, PermissionMismatch):
            forget_token(replaces.id)
        return
    try:
        key = ledger.store(attempt, api_key, token, replaces)
    except SQLAlchemyError:
        db.session.rollback()
        log.exception("a key was issued and could not be stored")
        # Perhaps the key was stored and only the database's answer was lost: read the status again.
        # If the database is still down, the row stays "provisioning" until settle() changes it to
        # "unknown".
        if attempt.status is Status.PROVISIONING:
            ledger.advance(attempt, Status.UNKNOWN, error="NotStored")
        return
    check(key, api_key)


def _to_kucoin(attempt: ConnectAttempt) -> Response:
    """Redirect to KuCoin's login page, with the attempt in the parameter ``state``."""
    configured = current_app.config.get("KUCOIN_REDIRECT_URI")
    redirect_uri = configured or url_for("kucoin.callback", _external=True)
    state = ledger.sign(attempt)
    return logins.remember_browser(oauth.kucoin.authorize_redirect(redirect_uri, state=state))


def _to_outcome(attempt_id: int) -> Response:
    return redirect(url_for("kucoin.outcome", attempt_id=attempt_id), 303)


def _own_key(key_id: int) -> ConnectedKey:
    own = select(ConnectedKey).filter_by(id=key_id, user_id=current_user_id())
    return db.session.scalar(own) or abort(404)


def _sealed_query() -> str:
    """Return the callback's parameters, sealed because one can be the authorization code."""
    if sealed := request.args.get("sealed"):
        return sealed
    pairs = [*request.args.items(multi=True), *request.form.items(multi=True)]
    return vault().seal_text(urlencode(pairs))

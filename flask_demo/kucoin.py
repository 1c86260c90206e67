"""The blueprint ``kucoin``: connecting an account, and checking, replacing, disconnecting a key."""

from __future__ import annotations

import logging
from typing import Any, Final

from flask import (
    Blueprint,
    abort,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug import Response

from authlib_kucoin import ApiKeyError, KuCoinError, PermissionMismatch

from . import ledger
from .accounts import current_user_id, require_user
from .checks import check
from .extensions import db, oauth
from .models import LARGEST_ID, ConnectAttempt, ConnectedKey, Status, lock_keys
from .tokens import forget_token, fresh_token

log = logging.getLogger(__name__)

bp = Blueprint("kucoin", __name__, url_prefix="/kucoin")
bp.before_request(require_user)

#: KuCoin's refusals of a key that may be due to the token.
_MAYBE_THE_TOKEN: Final = (ApiKeyError, PermissionMismatch)

#: Ids in URLs. A number that the database cannot hold is a 404.
ID: Final = f"int(max={LARGEST_ID})"


@bp.post("/connect")
def connect() -> Response:
    """Send the browser to KuCoin's login page (document section 7.1)."""
    return _to_kucoin(ledger.start(current_user_id()))


@bp.get("/callback")
def callback() -> ResponseReturnValue:
    """Receive the browser from KuCoin and, if the user approved, get a key.

    The answer is a redirect, so that the URL with the code stays neither in the browser's history
    nor in a Referer.
    """
    if request.method == "HEAD":  # Flask answers HEAD by the GET view, but it must change nothing
        abort(405, valid_methods=["GET"])
    attempt = ledger.find(request.args.get("state", ""))
    if attempt is None:
        abort(400, "This answer from KuCoin belongs to no connection that was begun here.")
    if attempt.user_id != current_user_id():
        abort(403, "This connection was begun by another user. Nothing was done.")
    # Once only: a second callback, as from a reload, shows the outcome of the first.
    if attempt.status is Status.STARTED and ledger.advance(attempt, Status.CLAIMED):
        try:
            token = oauth.kucoin.authorize_access_token()
        except KuCoinError as error:
            ledger.fail(attempt, error)
        else:
            _provision(attempt, token)
    return _to_outcome(attempt.id)


@bp.get(f"/attempts/<{ID}:attempt_id>")
def outcome(attempt_id: int) -> str:
    """Show how an attempt ended and what to do next."""
    found = ledger.own_attempt(attempt_id, current_user_id()) or abort(404)
    key = db.session.scalar(select(ConnectedKey).where(ConnectedKey.attempt_id == found.id))
    return render_template("attempt.html", attempt=found, key=key)


@bp.post(f"/keys/<{ID}:key_id>/check")
def check_key(key_id: int) -> Response:
    """Ask KuCoin what a key may do."""
    key = _own_key(key_id)
    check(key)
    if not key.check_error:
        flash("Checked. Below is what KuCoin says about the key now.")
    return redirect(url_for("accounts.index", _anchor=f"key-{key_id}"), 303)


@bp.post(f"/keys/<{ID}:key_id>/rotate")
def rotate(key_id: int) -> Response:
    """Replace a key by a new one: at once with a kept token, otherwise after a new approval."""
    key = _own_key(key_id)
    latest = key.latest_attempt_id
    seen = request.form.get("seen", latest, int)
    attempt = ledger.start_rotation(key, seen) if 0 <= seen <= LARGEST_ID else None
    if attempt is None:  # a second click, or the key was disconnected in the meantime
        return _to_latest(key_id, latest)
    try:
        token = fresh_token(key.id)
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
    """Delete the credentials of a key."""
    for row in lock_keys(ConnectedKey.id == _own_key(key_id).id):
        db.session.delete(row)
        flash(
            f"Disconnected: the credentials of “{row.api_name}” are deleted here. The key still "
            "exists at KuCoin. Delete it there as well, in API management."
        )
    db.session.commit()
    return redirect(url_for("accounts.index"), 303)


def _provision(
    attempt: ConnectAttempt, token: dict[str, Any], replaces: ConnectedKey | None = None
) -> None:
    """Turn a token into a stored and checked key. Each step is committed before the next."""
    if not ledger.advance(attempt, Status.PROVISIONING):
        return  # too slow: the attempt was already taken for abandoned, so no key is asked for
    try:
        # Only the access token is given, so the library cannot refresh it: see fresh_token().
        api_key = oauth.kucoin.create_api_key(token=token["access_token"])
    except KuCoinError as error:
        ledger.fail(attempt, error)
        if replaces and type(error) in _MAYBE_THE_TOKEN:
            forget_token(replaces.id)  # the next attempt asks the user to approve
        return
    try:
        key = ledger.store(attempt, api_key, token, replaces)
    except SQLAlchemyError:
        db.session.rollback()
        log.exception("a key was issued and could not be stored")
        # It may have been stored, with only the database's answer lost. If this UPDATE fails,
        # too, the row stays "provisioning" and settle() makes it unknown later.
        if attempt.status is Status.PROVISIONING:
            ledger.advance(attempt, Status.UNKNOWN, error="NotStored")
        return
    check(key, api_key)


def _to_kucoin(attempt: ConnectAttempt) -> Response:
    """Redirect to KuCoin's login page; the ``state`` in its URL names the attempt."""
    redirect_uri = current_app.config.get("KUCOIN_REDIRECT_URI") or url_for(
        "kucoin.callback", _external=True
    )
    response: Response = oauth.kucoin.authorize_redirect(redirect_uri, state=ledger.sign(attempt))
    return response


def _to_outcome(attempt_id: int) -> Response:
    return redirect(url_for("kucoin.outcome", attempt_id=attempt_id), 303)


def _to_latest(key_id: int, known: int) -> Response:
    """Redirect to the latest attempt about a key.

    After a double click the browser follows the second answer, so that one has to lead to KuCoin,
    too, while the attempt waits for approval.

    Args:
        key_id: The key.
        known: The attempt to show if the key is gone.
    """
    key = db.session.scalar(select(ConnectedKey).where(ConnectedKey.id == key_id))
    if key is None:
        return _to_outcome(known)
    attempt = ledger.own_attempt(key.latest_attempt_id, key.user_id)
    if attempt and attempt.status is Status.STARTED and key.sealed_token is None:
        return _to_kucoin(attempt)
    return _to_outcome(key.latest_attempt_id)


def _own_key(key_id: int) -> ConnectedKey:
    keys = select(ConnectedKey).where(
        ConnectedKey.id == key_id, ConnectedKey.user_id == current_user_id()
    )
    return db.session.scalar(keys) or abort(404)

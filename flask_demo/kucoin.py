"""The blueprint ``kucoin``: connect an account, and look after its key."""

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
from .keys import check, forget_token, fresh_token, oauth
from .models import LARGEST_ID, ConnectAttempt, ConnectedKey, Status, db, lock_keys

log = logging.getLogger(__name__)

bp = Blueprint("kucoin", __name__, url_prefix="/kucoin")
bp.before_request(require_user)

#: Refusals of a key that another token may help against.
_MAYBE_THE_TOKEN: Final = (ApiKeyError, PermissionMismatch)

#: A larger number is an address that does not exist.
ID: Final = f"int(max={LARGEST_ID})"


@bp.post("/connect")
def connect() -> Response:
    """Send the browser to KuCoin's login page (document section 7.1)."""
    return _to_kucoin(ledger.start(current_user_id()))


@bp.get("/callback")
def callback() -> ResponseReturnValue:
    """Take the browser back from KuCoin, and get a key if it agreed.

    The answer is always a redirect: the address with the code in it must not stay in the
    browser's history or go out as a Referer.
    """
    if request.method == "HEAD":  # Flask would call us, and a HEAD must not change anything
        abort(405, valid_methods=["GET"])
    attempt = ledger.find(request.args.get("state", ""))
    if attempt is None:
        abort(400, "This answer from KuCoin belongs to no connection that was begun here.")
    if attempt.user_id != current_user_id():
        abort(403, "This connection was begun by another user. Nothing was done.")
    # Once only. A second callback, from a double click or another tab, shows the first's outcome.
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
    """Tell how an attempt went and what to do next."""
    found = ledger.own_attempt(attempt_id, current_user_id()) or abort(404)
    key = db.session.scalar(select(ConnectedKey).where(ConnectedKey.attempt_id == found.id))
    return render_template("attempt.html", attempt=found, key=key)


@bp.post(f"/keys/<{ID}:key_id>/check")
def check_key(key_id: int) -> Response:
    """Ask KuCoin what a key may do."""
    key = _own_key(key_id)
    check(key)
    if not key.check_error:
        flash("Checked. What KuCoin says of the key now is shown below.")
    return redirect(url_for("accounts.index", _anchor=f"key-{key_id}"), 303)


@bp.post(f"/keys/<{ID}:key_id>/rotate")
def rotate(key_id: int) -> Response:
    """Replace a key by a new one: with a kept token at once, otherwise by way of KuCoin."""
    key = _own_key(key_id)
    latest = key.latest_attempt_id
    seen = request.form.get("seen", latest, int)
    attempt = ledger.start_rotation(key, seen) if 0 <= seen <= LARGEST_ID else None
    if attempt is None:  # clicked twice, or disconnected in the meantime
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
    """Forget a key's credentials."""
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
    """Turn a token into a key that is stored and checked, each step committed before the next."""
    if not ledger.advance(attempt, Status.PROVISIONING):
        return  # we were so slow that the attempt was given up: ask for nothing
    try:
        # The access token alone: refreshing is done under the row's lock, and nowhere else.
        api_key = oauth.kucoin.create_api_key(token=token["access_token"])
    except KuCoinError as error:
        ledger.fail(attempt, error)
        if replaces and type(error) in _MAYBE_THE_TOKEN:
            forget_token(replaces.id)  # or the next attempt would end like this one
        return
    try:
        key = ledger.store(attempt, api_key, token, replaces)
    except SQLAlchemyError:
        db.session.rollback()
        log.exception("a key was issued and could not be stored")
        # Unless it was, and the database's answer got lost. If this fails too, the row says
        # "provisioning", and soon reads as unknown by itself.
        if attempt.status is Status.PROVISIONING:
            ledger.advance(attempt, Status.UNKNOWN, error="NotStored")
        return
    check(key)


def _to_kucoin(attempt: ConnectAttempt) -> Response:
    """Send the browser to KuCoin's login page; the state in it leads back to the attempt."""
    redirect_uri = current_app.config.get("KUCOIN_REDIRECT_URI") or url_for(
        "kucoin.callback", _external=True
    )
    response: Response = oauth.kucoin.authorize_redirect(redirect_uri, state=ledger.sign(attempt))
    return response


def _to_outcome(attempt_id: int) -> Response:
    return redirect(url_for("kucoin.outcome", attempt_id=attempt_id), 303)


def _to_latest(key_id: int, known: int) -> Response:
    """Send the browser where the latest attempt about a key is.

    Of two clicks it follows the second one's answer, so that has to lead to KuCoin as well.

    Args:
        key_id: The key.
        known: The latest attempt before, should there be no key any more.
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

"""Signing in and out, and the page that lists the user's KuCoin accounts.

The sign-in asks for a name and for no password. Replace the sign-in by your own, and keep the rest
of this module.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug import Response

from . import ledger, logins
from .extensions import db, login_manager
from .models import LARGEST_ID, ConnectAttempt, ConnectedKey, User

bp = Blueprint("accounts", __name__)

_PAGE_SIZE = 10
_LONGEST_NAME = 64
_LONGEST_PATH = 1500  # the session is a cookie, which has room for 4 kB


def current_user_id() -> int:
    """Return the id of the signed-in user. Call this only if somebody is signed in."""
    return int(current_user.id)


def ask_to_sign_in(return_to: str | None) -> Response:
    """Redirect to the sign-in.

    Args:
        return_to: The path to open after the sign-in. If it is None or too long, a path that is
            already in the session stays there (it can be that of the callback from KuCoin, which
            must not get lost). If the session has no path, the first page is opened.
    """
    if return_to and len(return_to) < _LONGEST_PATH:
        session["return_to"] = return_to
        flash("Please sign in first. Then you will return to the page that you wanted.")
    else:
        flash("Please sign in first. Nothing was changed.")
    return redirect(url_for("accounts.index"), 303)


@bp.get("/")
def index() -> str:
    """Show the user's accounts and a page of attempts; the sign-in form if nobody is signed in."""
    if not current_user.is_authenticated:
        return render_template("sign_in.html")
    user_id = current_user_id()
    own = select(ConnectedKey).filter_by(user_id=user_id).order_by(ConnectedKey.id)
    keys = db.session.scalars(own).all()
    return render_template(
        "index.html",
        keys=keys,
        key_of={key.attempt_id: key for key in keys},
        duties=ledger.duties(user_id),
        checked=request.args.get("checked", type=int),
        **_page_of_attempts(user_id),
    )


def _page_of_attempts(user_id: int) -> dict[str, Any]:
    """Return a page of attempts, newest first, and whether to link to newer and to older ones.

    ``?before=ID`` asks for the attempts with lower ids, and ``?after=ID`` for those with higher
    ids; the links on the pages hold these ids. An OFFSET instead would read all rows before the
    page. The query asks for one row more than the page shows, to find out whether another page
    follows in the same direction. A page that was opened by such a link also links back.
    """
    before, after = (request.args.get(name, 0, int) for name in ("before", "after"))
    attempts = select(ConnectAttempt).filter_by(user_id=user_id)
    if after > 0:
        attempts = attempts.where(ConnectAttempt.id > min(after, LARGEST_ID)).order_by(
            ConnectAttempt.id
        )
    else:
        attempts = attempts.order_by(ConnectAttempt.id.desc())
        if before > 0:
            attempts = attempts.where(ConnectAttempt.id < min(before, LARGEST_ID))
    found = db.session.scalars(attempts.limit(_PAGE_SIZE + 1)).all()
    has_more, page = len(found) > _PAGE_SIZE, list(found[:_PAGE_SIZE])
    if after > 0:
        page.reverse()
    ledger.settle(page)
    return {
        "attempts": page,
        "has_newer": has_more if after > 0 else before > 0,
        "has_older": after > 0 or has_more,
    }


@bp.post("/login")
def login() -> ResponseReturnValue:
    """Sign in. Replace this view by your own sign-in."""
    name = request.form.get("username", "").strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        return render_template("sign_in.html", longest=_LONGEST_NAME), 400
    user = _user(name)
    page = session.get("return_to")
    session.clear()  # nothing from before the sign-in stays in the session (no session fixation)
    login_user(user)
    return logins.remember_browser(redirect(page or url_for("accounts.index"), 303))


@bp.post("/logout")
def logout() -> Response:
    """End all sessions of the user.

    A login at KuCoin that this browser began can no longer be finished.
    """
    if current_user.is_authenticated:
        current_user.epoch = User.epoch + 1  # an SQL expression: the database adds 1
        db.session.commit()
    logout_user()
    session.clear()
    return logins.forget_browser(redirect(url_for("accounts.index"), 303))


def _user(name: str) -> User:
    named = select(User).where(User.name == name)
    if db.session.scalar(named) is None:
        db.session.add(User(name=name))
        try:
            db.session.commit()
        except IntegrityError:  # a parallel request has added the same name
            db.session.rollback()
    return db.session.scalars(named).one()


@login_manager.user_loader  # type: ignore[untyped-decorator]  # Flask-Login has no types
def _load_user(session_id: str) -> User | None:
    user = db.session.get(User, int(session_id.partition(".")[0]))
    return user if user and user.get_id() == session_id else None

"""Signing in, and the page that lists the user's KuCoin accounts.

The sign-in believes any name. Replace it by your own sign-in and keep the rest.
"""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug import Response

from . import ledger
from .extensions import db, login_manager
from .models import LARGEST_ID, ConnectAttempt, ConnectedKey, User

bp = Blueprint("accounts", __name__)

_PAGE_SIZE = 10
_LONGEST_NAME = 64


def current_user_id() -> int:
    """Return the id of the signed-in user."""
    return int(current_user.id)


def require_user() -> Response | None:
    """Redirect to the sign-in unless somebody is signed in; a hook for ``before_request``."""
    if current_user.is_authenticated:
        return None
    flash("Please sign in first. Nothing was changed.")
    return redirect(url_for("accounts.index"), 303)


@bp.get("/")
def index() -> str:
    """Show the connected accounts and the recent attempts, or the sign-in."""
    if not current_user.is_authenticated:
        return render_template("sign_in.html")
    user_id = current_user_id()
    keys = db.session.scalars(
        select(ConnectedKey).where(ConnectedKey.user_id == user_id).order_by(ConnectedKey.id)
    ).all()
    attempts = (
        select(ConnectAttempt)
        .where(ConnectAttempt.user_id == user_id)
        .order_by(ConnectAttempt.id.desc())
        .limit(_PAGE_SIZE + 1)
    )
    before = request.args.get("before", type=int)
    if before is not None and 0 < before <= LARGEST_ID:
        attempts = attempts.where(ConnectAttempt.id < before)
    found = db.session.scalars(attempts).all()
    page = found[:_PAGE_SIZE]
    ledger.settle(page)
    return render_template(
        "index.html",
        keys=keys,
        held={key.attempt_id for key in keys},
        attempts=page,
        older=page[-1].id if len(found) > _PAGE_SIZE else None,
        newer=before is not None,
    )


@bp.post("/login")
def login() -> Response:
    """Sign in. Replace this by your own sign-in."""
    name = request.form.get("username", "").strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        abort(400, f"A name has 1 to {_LONGEST_NAME} letters. Please choose another one.")
    user = _user(name)
    session.clear()  # a new user starts with an empty session (no session fixation)
    login_user(user)
    return redirect(url_for("accounts.index"), 303)


@bp.post("/logout")
def logout() -> Response:
    """Sign out. Logins that are not yet finished at KuCoin can no longer be finished."""
    logout_user()
    session.clear()
    return redirect(url_for("accounts.index"), 303)


def _user(name: str) -> User:
    named = select(User).where(User.name == name)
    user = db.session.scalar(named)
    if user is None:
        user = User(name=name)
        db.session.add(user)
        try:
            db.session.commit()
        except IntegrityError:  # the same name has just signed in elsewhere
            db.session.rollback()
            user = db.session.scalars(named).one()
    return user


@login_manager.user_loader  # type: ignore[untyped-decorator]  # Flask-Login has no types
def _load_user(user_id: str) -> User | None:
    return db.session.get(User, int(user_id))

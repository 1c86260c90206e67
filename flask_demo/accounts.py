"""Signing in, and the page that lists the user's KuCoin accounts.

The sign-in accepts any name, without a password. Replace it by your own sign-in and keep the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from werkzeug import Response

from . import ledger, logins
from .extensions import db, login_manager
from .models import LARGEST_ID, ConnectAttempt, ConnectedKey, User

bp = Blueprint("accounts", __name__)

_PAGE_SIZE = 10
_LONGEST_NAME = 64


def current_user_id() -> int:
    """Return the id of the signed-in user."""
    return int(current_user.id)


@bp.get("/")
def index() -> str:
    """Show the connected accounts and the recent attempts, or the sign-in."""
    if not current_user.is_authenticated:
        return render_template("sign_in.html")
    user_id = current_user_id()
    keys = db.session.scalars(
        select(ConnectedKey).where(ConnectedKey.user_id == user_id).order_by(ConnectedKey.id)
    ).all()
    page = _attempts(user_id)
    ledger.settle(page.attempts)
    return render_template(
        "index.html",
        keys=keys,
        key_of={key.attempt_id: key for key in keys},
        duties=ledger.duties(user_id),
        page=page,
        checked=request.args.get("checked", type=int),
    )


@bp.post("/login")
def login() -> ResponseReturnValue:
    """Sign in. Replace this by your own sign-in."""
    name = request.form.get("username", "").strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        return render_template("sign_in.html", longest=_LONGEST_NAME), 400
    user = _user(name)
    page = session.get("return_to")
    session.clear()  # a new user starts with an empty session (no session fixation)
    login_user(user)
    return logins.remember_browser(redirect(page or url_for("accounts.index"), 303))


@bp.post("/logout")
def logout() -> Response:
    """Sign out everywhere. Logins that are not yet finished at KuCoin can no longer be finished."""
    if current_user.is_authenticated:
        user = update(User).where(User.id == current_user_id())
        db.session.execute(user.values(epoch=User.epoch + 1))
        db.session.commit()
    logout_user()
    session.clear()
    return logins.forget_browser(redirect(url_for("accounts.index"), 303))


class _Page(NamedTuple):
    """A page of attempts, newest first, and the ids that lead to the pages beside it."""

    attempts: Sequence[ConnectAttempt]
    older: int | None
    newer: int | None


def _attempts(user_id: int) -> _Page:
    """Return the page of attempts that ``?before=`` or ``?after=`` asks for."""
    before, after = (request.args.get(name, 0, int) for name in ("before", "after"))
    attempts = select(ConnectAttempt).where(ConnectAttempt.user_id == user_id)
    newest_first = attempts.order_by(ConnectAttempt.id.desc()).limit(_PAGE_SIZE + 1)
    if 0 < after <= LARGEST_ID:
        later = attempts.where(ConnectAttempt.id > after).order_by(ConnectAttempt.id)
        found = [*reversed(db.session.scalars(later.limit(_PAGE_SIZE + 1)).all())]
        has_newer, page = len(found) > _PAGE_SIZE, found[-_PAGE_SIZE:]
        has_older = True
    else:
        has_newer = 0 < before <= LARGEST_ID
        if has_newer:
            newest_first = newest_first.where(ConnectAttempt.id < before)
        found = [*db.session.scalars(newest_first)]
        has_older, page = len(found) > _PAGE_SIZE, found[:_PAGE_SIZE]
    return _Page(
        page,
        older=page[-1].id if page and has_older else None,
        newer=page[0].id if page and has_newer else None,
    )


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
def _load_user(session_id: str) -> User | None:
    user = db.session.get(User, int(session_id.partition(".")[0]))
    return user if user and user.get_id() == session_id else None

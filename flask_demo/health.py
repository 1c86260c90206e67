"""``GET /healthz`` for load balancers."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from .extensions import db

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer 200 if this process can use the database, and 503 if not."""
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return {"database": type(error).__name__}, 503
    return {"database": "ok"}

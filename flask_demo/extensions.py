"""The Flask extensions that the other modules share; ``create_app`` sets them up for an app."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from flask import current_app
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.orm import DeclarativeBase
from werkzeug.local import LocalProxy


class Base(DeclarativeBase):
    """Base class of the models."""


# Rows stay readable after a commit. So a view can commit before it waits for KuCoin, and hold no
# database connection during the wait.
db: Final = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
migrate: Final = Migrate(db=db, directory=str(Path(__file__).parent / "migrations"))
csrf: Final = CSRFProtect()
login_manager: Final = LoginManager()
# Off, because this protection changes the session when the browser's address changes, and a slow
# response that changes the session can overwrite a newer session. See logins.py.
login_manager.session_protection = None

#: Authlib's ``OAuth`` of the current Flask app. Each Flask app has its own, because an ``OAuth``
#: reads its settings from one Flask app only: the one that it was last initialised with.
oauth: Final[Any] = LocalProxy(lambda: current_app.extensions["authlib.integrations.flask_client"])

"""Every place the library runs in, as one row each.

Adding a framework means adding a row: a class in a module of its own that derives from
`SyncStack` or `AsyncStack` of ``_base.py``, and its name in `ROWS`. The whole contract then
holds for it.

python-social-auth brings a vocabulary of its own, with fewer verbs. Tests that hold for it as
well are marked `everywhere`.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from ._base import (
    REDIRECT_URI,
    AsyncStack,
    NewStack,
    Settings,
    Stack,
    Update,
    outcome_of,
)
from ._clients import AsyncHttpxStack, HttpxStack, RequestsStack
from ._django import DjangoStack
from ._flask import FlaskStack
from ._starlette import FastAPIStack, StarletteStack

FRAMEWORKS: dict[str, type[Stack]] = {
    "flask": FlaskStack,
    "starlette": StarletteStack,
    "fastapi": FastAPIStack,
    "django": DjangoStack,
}
CLIENTS: dict[str, type[Stack]] = {
    "requests": RequestsStack,
    "httpx": HttpxStack,
    "httpx-async": AsyncHttpxStack,
}
ROWS = {**FRAMEWORKS, **CLIENTS}
EVERYWHERE = dict(ROWS)
# The oldest releases that the others admit are older than those that social-core wants, and are
# tested without it.
if find_spec("social_core"):
    from ._social import SocialStack

    EVERYWHERE["social"] = SocialStack

#: The places that keep a login in the browser's session; a script keeps its state itself.
WITH_SESSIONS = [name for name in EVERYWHERE if name not in CLIENTS]

everywhere = pytest.mark.parametrize("row", EVERYWHERE)

__all__ = [
    "CLIENTS",
    "EVERYWHERE",
    "FRAMEWORKS",
    "REDIRECT_URI",
    "ROWS",
    "WITH_SESSIONS",
    "AsyncStack",
    "NewStack",
    "Settings",
    "Stack",
    "Update",
    "everywhere",
    "outcome_of",
]

"""The rows of the contract: every framework and client that the library works with.

To add a framework, write a class in a module of its own, derived from `SyncStack` or `AsyncStack`
in ``_base.py``, and add it to `FRAMEWORKS`. The tests with the fixture `row` then run with it.

python-social-auth has fewer calls. Tests marked `everywhere`, and those that use `EVERYWHERE` or
`WITH_SESSIONS`, run with it too.
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
# social-core needs newer releases of some libraries than the rest does. So ``make test-lowest``
# runs these tests with it and, with older releases, without it.
if find_spec("social_core"):
    from ._social import SocialStack

    EVERYWHERE["social"] = SocialStack

#: The rows that keep a login in the browser's session. A client's script stores it by itself.
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

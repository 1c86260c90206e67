"""The version of the package that the sandbox comes with."""

from __future__ import annotations

import functools


@functools.cache
def version() -> str:
    """Return the version."""
    from importlib.metadata import version as of  # noqa: PLC0415 - keeps the usual start quick

    return of("authlib-kucoin")

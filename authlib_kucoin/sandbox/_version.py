"""The version of the package that contains the sandbox."""

from __future__ import annotations

import functools


@functools.cache
def version() -> str:
    """Return the version."""
    from importlib.metadata import version as of  # noqa: PLC0415 - loaded only here, to keep the usual start quick

    return of("authlib-kucoin")

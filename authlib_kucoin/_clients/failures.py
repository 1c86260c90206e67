"""Errors of the HTTP libraries, described without their text, which may hold the URL."""

from __future__ import annotations

from typing import Final

from authlib_kucoin._errors import ConfigurationError

#: How many errors behind an error are looked at: one may be its own cause.
_DEEPEST: Final = 20


def name_of(error: BaseException) -> str:
    """Return what an error is called, and the system's error below it; not its text.

    That may hold the URL.
    """
    names = [type(error).__name__]
    below = error.__cause__ or error.__context__
    for _ in range(_DEEPEST):
        if isinstance(below, OSError) and type(below).__name__ != names[-1]:
            names[1:] = [type(below).__name__]
        below = below and (below.__cause__ or below.__context__)
    return ": ".join(names)


def cannot_connect(error: Exception, operation: str | None) -> ConfigurationError:
    """Return the error for a connection that could not even be tried.

    Args:
        error: What was raised. Only what the system or an import says is repeated: an address
            that cannot be read may hold a proxy's password.
        operation: The call that it was for, if it was for one.
    """
    says_more = isinstance(error, (OSError, ImportError)) and not isinstance(error, ValueError)
    why = f"{type(error).__name__}: {error}" if says_more else type(error).__name__
    return ConfigurationError(
        f"No connection to KuCoin can be set up ({why}). Look at the proxies and the certificates "
        "in client_kwargs, or the client's arguments, and in the environment.",
        operation=operation,
    )

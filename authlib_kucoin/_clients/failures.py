"""Errors of the HTTP libraries, described without their text, which may hold the URL."""

from __future__ import annotations

from typing import Final

from authlib_kucoin._errors import ConfigurationError

#: How many causes of an error are looked at; a bound, since an error may be its own cause.
_DEEPEST: Final = 20


def name_of(error: BaseException) -> str:
    """Return the class name of an error, and of the system's error that caused it.

    Never its text, which may hold the URL.
    """
    names = [type(error).__name__]
    below = error.__cause__ or error.__context__
    for _ in range(_DEEPEST):
        if isinstance(below, OSError) and type(below).__name__ != names[-1]:
            names[1:] = [type(below).__name__]
        below = below and (below.__cause__ or below.__context__)
    return ": ".join(names)


def cannot_connect(error: Exception, operation: str | None) -> ConfigurationError:
    """Return the error for a connection that could not be set up at all.

    Args:
        error: The cause. Its text is repeated only if it is the system's or an import's: the text
            about an unreadable address may hold a proxy's password.
        operation: The call that needed the connection, if any.
    """
    says_more = isinstance(error, (OSError, ImportError)) and not isinstance(error, ValueError)
    why = f"{type(error).__name__}: {error}" if says_more else type(error).__name__
    return ConfigurationError(
        f"No connection to KuCoin can be set up ({why}). Check the proxies and certificates in "
        "client_kwargs, in the client's arguments and in the environment.",
        operation=operation,
    )

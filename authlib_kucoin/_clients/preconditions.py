"""Checks of the application's own functions, before a request that cannot be taken back."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from authlib_kucoin._errors import ConfigurationError


def check_function(
    function: object,
    name: str,
    *,
    keywords: Iterable[str],
    takes: int = 1,
    is_awaited: bool = False,
    operation: str | None = None,
) -> None:
    """Refuse a function that cannot be called as it will be.

    Args:
        function: The function.
        name: Its name, for error texts.
        keywords: The names of its keyword arguments.
        takes: The number of its positional arguments.
        is_awaited: Whether its result is awaited.
        operation: The call that needs it, for errors.

    Raises:
        ConfigurationError: If it is not callable, has other parameters, or is a coroutine function
            although nothing awaits it.
    """
    if not callable(function):
        raise ConfigurationError(
            f"{name} must be a function, not {type(function).__name__}.", operation=operation
        )
    called = (function, type(function).__call__)
    if not is_awaited and any(inspect.iscoroutinefunction(each) for each in called):
        raise _not_awaited(f"{name} is a coroutine function", name, operation)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some functions written in C have none
    try:
        signature.bind(*[None] * takes, **dict.fromkeys(keywords))
    except TypeError as error:
        why = str(error)
    else:
        return
    positional = ["…"] * takes
    given = ", ".join([*positional, *(f"{keyword}=…" for keyword in keywords)])
    raise ConfigurationError(
        f"{name} cannot be called as {name}({given}): {why}. Change its parameters.",
        operation=operation,
    )


def check_one_source(token: object, request: object) -> None:
    """Refuse a token together with the request that ``fetch_token`` would find one by.

    Raises:
        ConfigurationError: If both are given: one of them would have no effect.
    """
    if token is not None and request is not None:
        raise ConfigurationError(
            "Pass token= or request=, not both: request= is for the fetch_token of a registered "
            "app, which is called only if no token is given.",
            operation="create_api_key",
        )


def refuse_awaitable(result: Any, name: str, operation: str) -> None:
    """Raise if a function has returned an awaitable and nothing awaits it.

    Raises:
        ConfigurationError: If so. The function has then done nothing.
    """
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()  # or Python warns that it was never awaited
        raise _not_awaited(f"{name} has returned an awaitable", name, operation)


def _not_awaited(problem: str, name: str, operation: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"{problem}, and nothing awaits it here. Pass a plain function as {name}.",
        operation=operation,
    )

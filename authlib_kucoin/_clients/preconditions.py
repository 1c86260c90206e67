"""Checks of an application's functions and arguments, if possible before a request is sent."""

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
    """Raise if a function cannot be called with the arguments that it will get.

    Args:
        function: The function.
        name: The name of the function in error texts.
        keywords: The names of the keyword arguments that the function will get.
        takes: The number of positional arguments that the function will get.
        is_awaited: Whether the function's result will be awaited if it is awaitable.
        operation: The call that needs the function, for errors.

    Raises:
        ConfigurationError: If the function is not callable, does not accept the arguments, or is a
            coroutine function although its result will not be awaited.
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
        return  # some functions written in C have no signature
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
    """Raise if both are given: a token, and a request by which ``fetch_token`` finds one.

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
    """Raise if a function has returned an awaitable, which this blocking code cannot await.

    Args:
        result: What the function returned.
        name: The name of the function in the error text.
        operation: The call that called the function, for the error.

    Raises:
        ConfigurationError: If the result is awaitable.
    """
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()  # or Python would warn that it was never awaited
        raise _not_awaited(f"{name} has returned an awaitable", name, operation)


def _not_awaited(problem: str, name: str, operation: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"{problem}, and nothing awaits it here. Pass a plain function as {name}.",
        operation=operation,
    )

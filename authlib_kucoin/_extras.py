"""Modules that need a library which not everybody has installed."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

# Which extra of this package brings a library.
_EXTRAS = {"httpx2": "httpx", "requests": "requests"}


def load(name: str) -> ModuleType:
    """Import a module of this package.

    Args:
        name: Its name in here, such as ``"httpx_client"``.

    Raises:
        ModuleNotFoundError: If a library is missing; the text says how to get it.
    """
    try:
        return import_module(f".{name}", __package__)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        raise ModuleNotFoundError(
            f"{error.name} is not installed, and this needs it: "
            f"pip install 'authlib-kucoin[{_EXTRAS[error.name]}]'",
            name=error.name,
        ) from error

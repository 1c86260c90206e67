"""Imports modules of this package; says what to install if requests or httpx2 is missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Final

#: For each library, the extra of this package that installs it.
_EXTRAS: Final = {"httpx2": "httpx", "requests": "requests"}


def load(name: str) -> ModuleType:
    """Import a module of this package.

    Args:
        name: The module's name in this package, such as ``"httpx_client"``.

    Raises:
        ModuleNotFoundError: If a module is missing. For requests and httpx2, the text says what to
            install.
    """
    try:
        return import_module(f".{name}", __package__)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        raise ModuleNotFoundError(
            f"{error.name} is not installed. Install it with "
            f"pip install 'authlib-kucoin[{_EXTRAS[error.name]}]'",
            name=error.name,
        ) from error

"""Loading modules whose library may not be installed."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Final

#: The extra of this package that installs each library.
_EXTRAS: Final = {"httpx2": "httpx", "requests": "requests"}


def load(name: str) -> ModuleType:
    """Import a module of this package.

    Args:
        name: Its name in here, such as ``"httpx_client"``.

    Raises:
        ModuleNotFoundError: If a library is missing; the text says what to install.
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

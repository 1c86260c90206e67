"""KuCoin's Broker Fast API for Authlib and python-social-auth.

Importing this package imports no web framework, no HTTP library and nothing of Authlib, because the
sandbox and the pytest plugin need none of them. Each public name is imported at its first use.
"""

from __future__ import annotations

import sys

# Type checkers take this for typing's TYPE_CHECKING. Importing typing would take longer than the
# rest of this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._errors import AddressNotAllowed as AddressNotAllowed
    from ._errors import ApiKeyError as ApiKeyError
    from ._errors import ApiKeyInvalid as ApiKeyInvalid
    from ._errors import ApiKeyLimitReached as ApiKeyLimitReached
    from ._errors import ApiKeyNameTaken as ApiKeyNameTaken
    from ._errors import ApiKeyOutcomeUnknown as ApiKeyOutcomeUnknown
    from ._errors import ApiKeyPermissionDenied as ApiKeyPermissionDenied
    from ._errors import AuthorizationDenied as AuthorizationDenied
    from ._errors import ClockSkewed as ClockSkewed
    from ._errors import ConfigurationError as ConfigurationError
    from ._errors import KuCoinError as KuCoinError
    from ._errors import KuCoinUnavailable as KuCoinUnavailable
    from ._errors import MalformedResponse as MalformedResponse
    from ._errors import MismatchingState as MismatchingState
    from ._errors import MissingCode as MissingCode
    from ._errors import MissingToken as MissingToken
    from ._errors import PermissionMismatch as PermissionMismatch
    from ._errors import ReauthorizationRequired as ReauthorizationRequired
    from ._errors import TokenError as TokenError
    from ._errors import UnsafeRedirectURI as UnsafeRedirectURI
    from ._models import ApiKey as ApiKey
    from ._models import ApiKeyInfo as ApiKeyInfo
    from ._models import KuCoinToken as KuCoinToken
    from ._protocol.sites import Site as Site
    from ._registration import register_kucoin as register_kucoin
    from .httpx_client import AsyncKuCoinOAuth2Client as AsyncKuCoinOAuth2Client
    from .httpx_client import KuCoinOAuth2Client as KuCoinOAuth2Client
    from .requests_client import KuCoinOAuth2Session as KuCoinOAuth2Session

_HOME = {
    "AddressNotAllowed": "_errors",
    "ApiKey": "_models",
    "ApiKeyError": "_errors",
    "ApiKeyInfo": "_models",
    "ApiKeyInvalid": "_errors",
    "ApiKeyLimitReached": "_errors",
    "ApiKeyNameTaken": "_errors",
    "ApiKeyOutcomeUnknown": "_errors",
    "ApiKeyPermissionDenied": "_errors",
    "AsyncKuCoinOAuth2Client": "httpx_client",
    "AuthorizationDenied": "_errors",
    "ClockSkewed": "_errors",
    "ConfigurationError": "_errors",
    "KuCoinError": "_errors",
    "KuCoinOAuth2Client": "httpx_client",
    "KuCoinOAuth2Session": "requests_client",
    "KuCoinToken": "_models",
    "KuCoinUnavailable": "_errors",
    "MalformedResponse": "_errors",
    "MismatchingState": "_errors",
    "MissingCode": "_errors",
    "MissingToken": "_errors",
    "PermissionMismatch": "_errors",
    "ReauthorizationRequired": "_errors",
    "Site": "_protocol.sites",
    "TokenError": "_errors",
    "UnsafeRedirectURI": "_errors",
    "register_kucoin": "_registration",
}
_LIBRARIES = {"httpx_client": "httpx2", "requests_client": "requests"}


# A type checker that saw __getattr__ would accept any name, even a misspelt one.
if not TYPE_CHECKING:  # pragma: no branch

    def __getattr__(name: str) -> object:
        if name == "__all__":
            return _loadable()
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ._extras import load  # noqa: PLC0415 - imported only if needed

        try:
            value = getattr(load(_HOME[name]), name)
        except ModuleNotFoundError as error:
            # An AttributeError makes hasattr() return False. ``from authlib_kucoin import …`` uses
            # hasattr() too (in _handle_fromlist) and would then say only "cannot import name". So
            # let such an import raise the error that names the missing library.
            if sys._getframe(1).f_code.co_name == "_handle_fromlist":
                raise
            raise AttributeError(str(error)) from error
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_loadable()})


def _loadable() -> list[str]:
    """Return the public names except those whose HTTP library is not installed."""
    from importlib.util import find_spec  # noqa: PLC0415 - slower than the rest of this module

    return [name for name, home in _HOME.items() if find_spec(_LIBRARIES.get(home, __name__))]

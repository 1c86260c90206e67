"""Methods of Authlib's clients for what KuCoin does not have. Each raises an error that says why.

Only a hook on the application's own requests is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from authlib_kucoin._errors import ConfigurationError

from .options import ONLY_CODE_MODE


class NotOfKuCoin:
    """Mixin that refuses what KuCoin does not have.

    That is: hooks on its calls, client authentication, revocation, introspection, implicit mode.
    """

    token_auth: Any

    def register_compliance_hook(self, hook_type: str, hook: Callable[..., Any]) -> None:
        """Add a hook to the application's own requests, as Authlib's method does.

        Args:
            hook_type: ``"protected_request"``.
            hook: The hook.

        Raises:
            ConfigurationError: For any other ``hook_type``, because KuCoin's calls run no hooks.
        """
        if hook_type != "protected_request":
            raise ConfigurationError(
                f"There can be no hook for {hook_type!r}: KuCoin's differences from the RFC are "
                "built in, and its calls run no hooks."
            )
        self.token_auth.hooks.add(hook)

    def register_client_auth_method(self, *_auth: object) -> NoReturn:
        """Not supported, because KuCoin's token call has no client authentication.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            "KuCoin's token call has no client authentication (document section 7.2): give "
            "client_secret=, which is sent in the query, or nothing."
        )

    def revoke_token(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Not supported, because KuCoin has no call to revoke a token.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError("KuCoin has no call to revoke a token: its tokens expire.")

    def introspect_token(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Not supported: use :meth:`validate_access_token`.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            "KuCoin has no introspection: call validate_access_token (document section 7.4)."
        )

    def token_from_fragment(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Not supported, because KuCoin has no implicit mode and sends no token in a URL.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(ONLY_CODE_MODE, operation="token")

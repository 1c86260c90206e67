"""The calls that blocking clients and apps share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard, TypeVar

from authlib_kucoin._models import ApiKey, ApiKeyInfo, KuCoinToken
from authlib_kucoin._protocol import calls
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.permissions import api_key_body
from authlib_kucoin._protocol.sites import Site

from .base_client import AnyToken
from .preconditions import check_one_source

T = TypeVar("T")


class SyncCalls:
    """Mixin with KuCoin's calls that use a token or a key, for blocking clients and apps."""

    # The methods up to renew() are abstract: clients and apps define them.

    @property
    def site(self) -> Site:
        """The KuCoin site that the calls are sent to."""
        raise NotImplementedError

    def default_token(self, request: Any) -> AnyToken | None:
        """Return the token for a call that was given no token, or None."""
        raise NotImplementedError

    def check_ready(self, operation: str) -> None:
        """Raise, before anything is sent, if this object's settings do not allow a call."""
        raise NotImplementedError

    def is_expired(self, token: AnyToken | None) -> TypeGuard[Mapping[str, Any]]:
        """Tell whether a token has to be refreshed before it is used."""
        raise NotImplementedError

    def on_refreshed(self, old: Mapping[str, Any], fresh: KuCoinToken) -> None:
        """Hook: called after a refresh, by :meth:`create_api_key` and by subclasses.

        Args:
            old: The old pair, or a mapping with at least its refresh token.
            fresh: The new pair.
        """
        raise NotImplementedError

    def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        raise NotImplementedError

    def renew(self, token: Mapping[str, Any], url: str | None = None) -> KuCoinToken:
        """Exchange a token for a new token pair, and call ``update_token`` (if set) with it.

        If several callers refresh the same token at the same time, one of them sends the request
        and calls its ``update_token``, and all receive the new pair.
        """
        raise NotImplementedError

    def validate_access_token(self, token: AnyToken | None = None) -> bool:
        """Ask KuCoin whether an access token is valid (document section 7.4).

        Args:
            token: The token, or its access token as a string. If left out, a client uses its own
                token. A registered Flask app uses the token of the current request or, if there is
                none, the result of ``fetch_token``. Other registered apps need the argument.

        Raises:
            TokenError: If there is no usable token, or KuCoin refused to answer.
            ConfigurationError: If a setting is missing or wrong.
            KuCoinUnavailable: If KuCoin could not be reached, is failing or gets too many requests.
            MalformedResponse: If the answer does not say whether the token is valid.
        """
        token = self.default_token(None) if token is None else token
        access_token = calls.access_token_of(token, "validate")
        return self.perform(calls.validate_call(self.site, access_token=access_token))

    def create_api_key(
        self,
        token: AnyToken | None = None,
        *,
        permissions: Iterable[str] | None = None,
        request: Any = None,
    ) -> ApiKey:
        """Ask KuCoin for a new API key (document section 4). The request is never repeated.

        A token that has expired, or will within ``leeway`` seconds, is refreshed first, unless it
        is given as a string. If the refresh or ``update_token`` fails, no key is asked for.

        Args:
            token: The token, or its access token as a string. If left out, a client uses its own
                token, and a registered app the result of ``fetch_token``. (A Flask app uses the
                token of the current request, if there is one.)
            permissions: KuCoin's names of the permissions to ask for; ``["API_COMMON",
                "API_SPOT"]`` if left out. Only Fast API 2 has permissions, and its request is known
                from one published client only: ask KuCoin whether your client id can use version 2.
            request: The current request of the framework, instead of ``token``. An app that is
                registered with Django or Starlette passes it to ``fetch_token``.

        Returns:
            The new key. KuCoin never shows its secret again.

        Raises:
            ApiKeyOutcomeUnknown: If a key was perhaps created but no usable answer came. Do not
                try again before the user has looked for a new key at KuCoin.
            ApiKeyError: If KuCoin refused to create a key. Its subclasses tell why.
            ConfigurationError: If a setting is missing or wrong, or an argument is wrong.
            KuCoinUnavailable: If the request could not be sent, KuCoin got too many requests, or
                the refresh failed with this error.
            MalformedResponse: If the answer to the refresh is not a token.
            TokenError: If there is no usable token, or it has expired and cannot be refreshed.
        """
        # Check first what can be checked: neither a refresh nor a new key can be undone.
        self.check_ready("create_api_key")
        body = api_key_body(self.site, permissions)
        check_one_source(token, request)
        token = self.default_token(request) if token is None else token
        if self.is_expired(token):
            fresh = self.renew(token)
            self.on_refreshed(token, fresh)
            token = fresh
        access_token = calls.access_token_of(token, "create_api_key")
        return self.perform(
            calls.create_api_key_call(self.site, access_token=access_token, body=body)
        )

    def get_api_key_info(self, key: ApiKey) -> ApiKeyInfo:
        """Ask KuCoin for the account and the permissions of a key.

        The request is signed with the key itself, so it needs no token.

        Args:
            key: The key with its credentials.

        Raises:
            ApiKeyInvalid: If the key was deleted, is another site's, or a credential is wrong.
            AddressNotAllowed: If this server's address is not allowed to use the key.
            ClockSkewed: If the request's timestamp is more than 5 s off.
            ApiKeyPermissionDenied: If the key lacks the permission.
            ApiKeyError: If KuCoin refused for another reason, or a credential in ``key`` is
                missing, masked or malformed.
            ConfigurationError: If a setting is missing or wrong.
            KuCoinUnavailable: If KuCoin could not be reached, is failing or gets too many requests.
            MalformedResponse: If the answer does not describe the key.
        """
        return self.perform(calls.api_key_info_call(self.site, key=key))

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
    """KuCoin's calls about tokens and keys."""

    # A client answers these for itself, an app through its client.

    @property
    def site(self) -> Site:
        """The KuCoin site."""
        raise NotImplementedError

    def default_token(self, request: Any) -> AnyToken | None:
        """Return the token to use if none was given."""
        raise NotImplementedError

    def check_ready(self, operation: str) -> None:
        """Check, before anything is sent, that a call can be made."""
        raise NotImplementedError

    def is_expired(self, token: AnyToken | None) -> TypeGuard[Mapping[str, Any]]:
        """Tell whether a token has to be refreshed before it is used."""
        raise NotImplementedError

    def on_refreshed(self, old: Mapping[str, Any], fresh: KuCoinToken) -> None:
        """Hook: called when a caller has received a new pair for an old one."""
        raise NotImplementedError

    def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        raise NotImplementedError

    def renew(self, token: Mapping[str, Any], url: str | None = None) -> KuCoinToken:
        """Exchange a token for a new pair (callers share one request); call ``update_token``."""
        raise NotImplementedError

    def validate_access_token(self, token: AnyToken | None = None) -> bool:
        """Ask KuCoin whether an access token is valid (section 7.4).

        Args:
            token: The token, or its access token alone. A client's own unless given.

        Raises:
            TokenError: If there is no token, or KuCoin refused to say.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is neither true nor false.
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
        """Ask for an API key (section 4). The request is never repeated.

        An expired token is refreshed first; if that fails, no key is asked for.

        Args:
            token: The token, or its access token alone. Unless given: a client's own, or what a
                registered app's ``fetch_token`` returns.
            permissions: KuCoin's names of the permissions to ask for, such as ``["API_COMMON",
                "API_SPOT"]``, which is the default. Fast API 2 only, which is known from one
                published client: confirm with KuCoin that your client id is for it.
            request: The framework's request, for the ``fetch_token`` of an app that is registered
                in Django or Starlette. Not together with ``token``.

        Returns:
            The key. KuCoin shows its secret only now.

        Raises:
            ApiKeyOutcomeUnknown: If a key may have been created. Do not simply try again.
            ApiKeyError: If KuCoin refused: see its subclasses.
            ConfigurationError: If the permissions cannot be asked for.
            KuCoinUnavailable: If nothing was sent, or KuCoin asks to wait (HTTP 429).
            TokenError: If there is no token, or it could not be refreshed.
        """
        # All checks come first: a refresh cannot be taken back either.
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
        """Ask for a key's account and permissions. Signed with the key; no token is needed.

        Args:
            key: The key, with its credentials.

        Raises:
            ApiKeyInvalid: If the key was deleted, is another site's, or a credential is wrong.
            AddressNotAllowed: If our address may not use the key.
            ClockSkewed: If our clock is wrong.
            ApiKeyPermissionDenied: If the key lacks the permission.
            ApiKeyError: If KuCoin refused for another reason.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer does not describe a key.
        """
        return self.perform(calls.api_key_info_call(self.site, key=key))

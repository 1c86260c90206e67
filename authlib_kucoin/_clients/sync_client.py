"""Calls of a client that blocks until the answer has arrived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from authlib_kucoin._models import ApiKey, ApiKeyInfo, KuCoinToken
from authlib_kucoin._protocol import calls
from authlib_kucoin._protocol.call import Call

from .base_client import AnyToken, ClientBase
from .refresh import refreshes

T = TypeVar("T")


class SyncClient(ClientBase):
    """The calls of a client that waits for their answers."""

    def _perform(self, call: Call[T]) -> T:
        raise NotImplementedError

    def fetch_token(
        self,
        url: str | None = None,
        *,
        code: str | None = None,
        authorization_response: str | None = None,
        state: str | None = None,
        **params: Any,
    ) -> KuCoinToken:
        """Exchange an authorization code for a token (section 7.2).

        Args:
            url: The token endpoint, if it is not the site's.
            code: The authorization code; or
            authorization_response: the whole URL of the callback.
            state: The state that the callback must hold. It is compared only if it is given.
            params: ``redirect_uri``, if it is not the client's own.

        Raises:
            AuthorizationDenied: If the callback was refused.
            TokenError: If KuCoin refused the code.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is no token.
            UnsafeRedirectURI: If the redirect URI cannot stand in a URL unencoded.
        """
        call = self._token_call(url, code, authorization_response, state, params)
        # By a name of its own: another thread may change the client's meanwhile.
        self.token = token = self._perform(call)
        return KuCoinToken(token)

    def refresh_token(
        self, url: str | None = None, refresh_token: str | None = None
    ) -> KuCoinToken:
        """Exchange the refresh token for a new pair (section 7.3) and call ``update_token``.

        However many threads hold the same token, one request goes out.

        Args:
            url: The refresh endpoint, if it is not the site's.
            refresh_token: The client's own unless given.

        Raises:
            ReauthorizationRequired: If the refresh token is spent or past its 3 days.
            TokenError: If KuCoin refused it for another reason.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is no token. The old pair stays as it was.
        """
        self.token = token = self._refresh(self._token_to_refresh(refresh_token), url)
        return KuCoinToken(token)

    def ensure_active_token(self, token: Mapping[str, Any] | None = None) -> bool:
        """Refresh the client's token if it expires within ``leeway`` seconds.

        Args:
            token: The client's own unless given.

        Returns:
            True, since Authlib takes anything else for a token that is dead.

        Raises:
            KuCoinError: If it had to be refreshed and could not.
        """
        token = self.token if token is None else token
        if self._is_expired(token):
            self.token = self._refresh(token)
        return True

    def validate_access_token(self, token: AnyToken | None = None) -> bool:
        """Ask KuCoin whether an access token is valid (section 7.4).

        Args:
            token: The client's own unless given.

        Raises:
            TokenError: If there is no token, or KuCoin does not want to say.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is neither true nor false.
        """
        access_token = calls.access_token_of(self.token if token is None else token, "validate")
        return self._perform(calls.validate_call(self.site, access_token=access_token))

    def create_api_key(self, token: AnyToken | None = None) -> ApiKey:
        """Ask for an API key (section 4). It is asked for once, whatever happens.

        An expired token is refreshed first; if that fails, no key is asked for.

        Args:
            token: The client's own unless given.

        Returns:
            The key; its secret is shown this once.

        Raises:
            ApiKeyOutcomeUnknown: If a key may have been created. Do not simply try again.
            ApiKeyError: If KuCoin refused.
            KuCoinUnavailable: If nothing was sent, or KuCoin asks to wait (HTTP 429).
            TokenError: If there is no token, or it could not be refreshed.
        """
        token = self.token if token is None else token
        if self._is_expired(token):
            fresh = self._refresh(token)
            if self._is_own(token):
                self.token = fresh
            token = fresh
        access_token = calls.access_token_of(token, "create_api_key")
        return self._perform(calls.create_api_key_call(self.site, access_token=access_token))

    def get_api_key_info(self, key: ApiKey) -> ApiKeyInfo:
        """Ask whose a key is and what it may do. Signed with the key; no token is needed.

        Args:
            key: The key, with its credentials.

        Raises:
            ApiKeyError: If KuCoin refused: the key is unknown, or this address not allowed.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is no description of a key.
        """
        return self._perform(calls.api_key_info_call(self.site, key=key))

    def _refresh(self, token: Any, url: str | None = None) -> KuCoinToken:
        self._refuse_if_closed("refresh")  # here, since what fails in the midst of it fails for all
        call = self._refresh_call(token, url)
        refresh_token = token["refresh_token"]

        def update_token(fresh: KuCoinToken) -> None:
            if self.update_token:
                self.update_token(KuCoinToken(fresh), refresh_token=refresh_token)

        return refreshes.share(call.url, token, lambda: self._perform(call), update_token)

"""A client that blocks until the answer has arrived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from authlib_kucoin._models import KuCoinToken

from .base_client import ClientBase
from .preconditions import refuse_awaitable
from .refresh import refreshes
from .sync_calls import SyncCalls


class SyncClient(ClientBase, SyncCalls):
    """Authlib's methods of a blocking client, and KuCoin's calls."""

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
            code: The authorization code.
            authorization_response: The whole URL of the callback, in place of ``code``.
            state: The state that the callback must hold. It is compared only if it is given.
            params: ``redirect_uri``, if it differs from the client's.

        Raises:
            AuthorizationDenied: If the callback was refused.
            TokenError: If KuCoin refused the code.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is not a token.
            UnsafeRedirectURI: If the redirect URI cannot be sent unencoded.
        """
        call = self.token_call(
            url, code=code, authorization_response=authorization_response, state=state, **params
        )
        # In a variable as well: another thread may change the client's token meanwhile.
        self.token = token = self.perform(call)
        return KuCoinToken(token)

    def refresh_token(
        self, url: str | None = None, refresh_token: str | None = None, **params: Any
    ) -> KuCoinToken:
        """Exchange the refresh token for a new pair (section 7.3) and call ``update_token``.

        One request goes out, however many threads hold the same token.

        Args:
            url: The refresh endpoint, if it is not the site's.
            refresh_token: The client's own unless given.
            params: ``scope``, if it differs from the client's and the token's.

        Raises:
            ReauthorizationRequired: If the refresh token is spent or past its 3 days.
            TokenError: If KuCoin refused it for another reason.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is not a token. The old pair is kept.
        """
        self.token = token = self.renew(self._token_to_refresh(refresh_token, params), url)
        return KuCoinToken(token)

    def ensure_active_token(self, token: Mapping[str, Any] | None = None) -> bool:
        """Refresh the client's token if it expires within ``leeway`` seconds.

        Args:
            token: The client's own unless given.

        Returns:
            True: Authlib takes any other value for a dead token.

        Raises:
            KuCoinError: If the refresh failed.
        """
        token = self.token if token is None else token
        if self.is_expired(token):
            self.token = self.renew(token)
        return True

    def renew(self, token: Mapping[str, Any], url: str | None = None) -> KuCoinToken:
        """Exchange a token for a new pair and call ``update_token``.

        Args:
            token: The old pair, or a mapping with its refresh token alone.
            url: The refresh endpoint, if it is not the site's.

        Raises:
            ConfigurationError: If ``update_token`` cannot be called. Nothing has been sent.
        """
        # All checks come first: a refresh cannot be taken back, and its failure fails all waiters.
        self.check_ready("refresh")
        call = self._refresh_call(token, url)
        refresh_token = token["refresh_token"]

        def update_token(fresh: KuCoinToken) -> None:
            told = self.update_token(KuCoinToken(fresh), refresh_token=refresh_token)
            refuse_awaitable(told, "update_token", "refresh")

        return refreshes.share(
            call.url,
            token,
            lambda: self.perform(call),
            update_token if self.has_listener() else None,
            longest=self.total_timeout,
            owner=self,
        )

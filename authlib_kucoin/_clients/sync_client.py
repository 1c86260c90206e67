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
    """A blocking client: Authlib's methods, and KuCoin's calls."""

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
            url: URL of the token endpoint; the site's if left out.
            code: The authorization code.
            authorization_response: The whole URL of the callback, in the place of ``code``.
            state: The state that ``authorization_response`` must hold; the client's ``state`` if
                left out. If neither is set, the state is not checked.
            params: ``redirect_uri``, if it differs from the client's.

        Raises:
            AuthorizationDenied: If ``authorization_response`` says that the login was refused, or
                cannot be trusted.
            ConfigurationError: If a setting is missing, or KuCoin's token call has no parameter
                of a name in ``params``.
            TokenError: If KuCoin refused the code.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is not a token.
            UnsafeRedirectURI: If the redirect URI cannot be sent unencoded.
        """
        call = self.token_call(
            url, code=code, authorization_response=authorization_response, state=state, **params
        )
        # Also in a local variable: another thread can replace self.token before the next line.
        self.token = token = self.perform(call)
        return KuCoinToken(token)

    def refresh_token(
        self, url: str | None = None, refresh_token: str | None = None, **params: Any
    ) -> KuCoinToken:
        """Exchange the refresh token for a new token pair, and call ``update_token`` with it.

        If several threads refresh the same token, one request is sent and all of them receive the
        new pair (section 7.3). If this raises, the client keeps its old token.

        Args:
            url: URL of the refresh endpoint; the site's if left out.
            refresh_token: The refresh token; the client's own if left out.
            params: ``scope``, if it differs from the client's and the token's.

        Raises:
            ConfigurationError: If ``update_token`` cannot be called. Then nothing was sent.
            ReauthorizationRequired: If the refresh token no longer works or is past its 3 days.
            TokenError: If KuCoin refused the refresh for another reason.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is not a token.
        """
        self.token = token = self.renew(self._token_to_refresh(refresh_token, params), url)
        return KuCoinToken(token)

    def ensure_active_token(self, token: Mapping[str, Any] | None = None) -> bool:
        """Refresh a token that has expired, or will within ``leeway`` seconds.

        The new token becomes the client's own.

        Args:
            token: The token to check; the client's own if left out.

        Returns:
            Always True, because Authlib takes any other value to mean that the token is dead.

        Raises:
            KuCoinError: If the refresh failed.
        """
        token = self.token if token is None else token
        if self.is_expired(token):
            self.token = self.renew(token)
        return True

    def renew(self, token: Mapping[str, Any], url: str | None = None) -> KuCoinToken:
        """Exchange a token for a new token pair and call ``update_token``.

        Args:
            token: The old pair, or a mapping that holds only its refresh token.
            url: URL of the refresh endpoint; the site's if left out.

        Raises:
            ConfigurationError: If ``update_token`` cannot be called. Then nothing was sent.
            KuCoinError: If the refresh failed.
        """
        # All checks come before share(): a refresh cannot be undone, and all waiters get its error.
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

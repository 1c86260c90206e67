"""Base of the clients that block until the answer has arrived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from authlib_kucoin._models import KuCoinToken

from .base_client import ClientBase
from .preconditions import refuse_awaitable
from .refresh import refreshes
from .sync_calls import SyncCalls


class SyncClient(ClientBase, SyncCalls):
    """Base of the blocking clients: Authlib's methods, and KuCoin's calls.

    A subclass defines :meth:`perform`, which sends a call.
    """

    def fetch_token(
        self,
        url: str | None = None,
        *,
        code: str | None = None,
        authorization_response: str | None = None,
        state: str | None = None,
        **params: Any,
    ) -> KuCoinToken:
        """Exchange an authorization code for a token (document section 7.2).

        The token becomes the client's own.

        Args:
            url: URL of the token endpoint; the site's if left out.
            code: The authorization code.
            authorization_response: The whole URL of the callback, in the place of ``code``.
            state: The state that ``authorization_response`` must hold; the client's ``state`` if
                left out. If neither is set, any state is accepted. With ``code``, leave ``state``
                out.
            params: ``redirect_uri``, if it differs from the client's.

        Raises:
            AuthorizationDenied: If ``authorization_response`` says that the login was refused, or
                cannot be used.
            ConfigurationError: If a setting is missing or wrong, the arguments are wrong or do not
                fit together, or KuCoin's token call does not take one of ``params``.
            TokenError: If KuCoin refused the code.
            KuCoinUnavailable: If KuCoin could not be reached, is failing or gets too many requests.
            MalformedResponse: If the answer is not a token.
            UnsafeRedirectURI: If the redirect URI is missing, is not an absolute https URL (http is
                for loopback only), or cannot be sent unencoded.
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
        """Exchange the refresh token for a new token pair (document section 7.3).

        The new pair becomes the client's own token. If several callers refresh the same token at
        the same time, one of them sends the request and calls its ``update_token`` (if set), and
        all receive the new pair.

        If ``update_token`` raises, this raises the same error. If this raises, the client keeps its
        old token.

        Args:
            url: URL of the refresh endpoint; the site's if left out.
            refresh_token: The refresh token; the client's own if left out.
            params: ``scope``, if it differs from the client's and the token's.

        Raises:
            ConfigurationError: If a setting is missing or wrong, an argument is wrong, or
                ``update_token`` cannot be called. Then no refresh has reached KuCoin. Only if
                ``update_token`` returns an awaitable, which a blocking client cannot await, is this
                raised after the refresh.
            ReauthorizationRequired: If there is no refresh token, it no longer works, or it is past
                its 3 days.
            TokenError: If KuCoin refused the refresh for another reason, or a time in the token is
                not a number.
            KuCoinUnavailable: If KuCoin could not be reached, is failing or gets too many requests,
                or the refresh of the same token by another caller gave no result.
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
            Always True, because Authlib takes False or None to mean that the token is invalid.

        Raises:
            KuCoinError: As :meth:`refresh_token`. An error of ``update_token`` is raised as it is.
        """
        token = self.token if token is None else token
        if self.is_expired(token):
            self.token = self.renew(token)
        return True

    def renew(self, token: Mapping[str, Any], url: str | None = None) -> KuCoinToken:
        """Exchange a token for a new token pair, and call ``update_token`` (if set) with it.

        If several callers refresh the same token at the same time, one of them sends the request
        and calls its ``update_token``, and all receive the new pair.

        Args:
            token: The old pair, or a mapping with at least its refresh token.
            url: URL of the refresh endpoint; the site's if left out.

        Raises:
            KuCoinError: As :meth:`refresh_token`. An error of ``update_token`` is raised as it is.
        """
        # Check first what can be checked: a refresh cannot be undone, and a KuCoinError in
        # perform() is raised to all callers that wait for the refresh.
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

"""Calls of an app in a framework without ``await`` (Flask, Django)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from authlib_kucoin._clients.base_client import AnyToken
from authlib_kucoin._models import ApiKey, ApiKeyInfo, KuCoinToken
from authlib_kucoin._protocol.callback import mismatching_state, read_callback

from .base_app import AppBase


class SyncApp(AppBase):
    """The calls of an app in a framework that waits for them."""

    def load_server_metadata(self) -> dict[str, Any]:
        """Return where KuCoin is; Authlib asks before every use."""
        return self._site_metadata()

    def create_authorization_url(
        self,
        redirect_uri: str | None = None,
        **params: Any,
    ) -> dict[str, Any]:
        """Return the address of the login page and what to remember, as Authlib's own method."""
        return self._login(redirect_uri, params)

    def fetch_access_token(
        self,
        redirect_uri: str | None = None,
        **params: Any,
    ) -> KuCoinToken:
        """Exchange a code for a token, as Authlib's own method."""
        call = self._exchange(redirect_uri, params)
        token: KuCoinToken = self._client._perform(call)
        return token

    def refresh_access_token(self, token: AnyToken) -> KuCoinToken:
        """Exchange a token for a new one (section 7.3).

        ``update_token`` and Authlib's ``token_update`` signal are told. However many threads
        hold the same token, one request goes out, and all are given the new one.

        Args:
            token: The old token, or its refresh token alone.

        Raises:
            ReauthorizationRequired: If the refresh token is spent or past its 3 days.
            TokenError: If KuCoin refused it for another reason.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is no token.
        """
        old = {"refresh_token": token} if isinstance(token, str) else token
        fresh: KuCoinToken = self._client._refresh(old)
        self._refreshed(old["refresh_token"], fresh)
        return fresh

    def _refreshed(self, refresh_token: str, token: KuCoinToken) -> None:
        """Take note that a caller has been given a new token for an old one."""

    def validate_access_token(self, token: AnyToken) -> bool:
        """Ask KuCoin whether an access token is valid (section 7.4).

        Args:
            token: The token, or its access token alone.

        Raises:
            TokenError: If it is no token, or KuCoin does not want to say.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is neither true nor false.
        """
        is_valid: bool = self._client.validate_access_token(token)
        return is_valid

    def create_api_key(self, token: AnyToken | None = None, *, request: Any = None) -> ApiKey:
        """Ask for an API key (section 4). It is asked for once, whatever happens.

        An expired token is refreshed first; if that fails, no key is asked for.

        Args:
            token: The token; what the app's ``fetch_token`` gives unless it is given.
            request: The request that ``fetch_token`` is called with (Django).

        Returns:
            The key; its secret is shown this once, so store it before anything else.

        Raises:
            ApiKeyOutcomeUnknown: If a key may have been created. Do not simply try again.
            ApiKeyError: If KuCoin refused: see its subclasses.
            KuCoinUnavailable: If nothing was sent, or KuCoin asks to wait (HTTP 429).
            TokenError: If there is no token, or it could not be refreshed.
        """
        if token is None:
            token = self._get_requested_token(request)  # type: ignore[attr-defined]  # Authlib's
        key: ApiKey = self._client.create_api_key(token)
        return key

    def get_api_key_info(self, key: ApiKey) -> ApiKeyInfo:
        """Ask whose a key is and what it may do. Signed with the key; no token is needed.

        Args:
            key: The key, with its credentials.

        Raises:
            ApiKeyError: If KuCoin refused: the key is unknown, or this address not allowed.
            KuCoinUnavailable: If KuCoin could not be reached or is failing.
            MalformedResponse: If the answer is no description of a key.
        """
        info: ApiKeyInfo = self._client.get_api_key_info(key)
        return info

    def close(self) -> None:
        """Close the connections that are kept. The app can still be used: it opens new ones."""
        self._connections.dispose()

    def save_authorize_data(self, *request: Any, **data: Any) -> None:
        """Remember a login in the session, as Authlib's own method, and whose it is.

        Authlib keeps it under name and state, and "kucoin" and "eu_1" are there what "kucoin_eu"
        and "1" are.
        """
        super().save_authorize_data(*request, **data, registered_as=self.name)  # type: ignore[misc]  # Authlib's

    def _exchange_callback(
        self,
        session: MutableMapping[str, Any],
        pairs: Iterable[tuple[str, str]],
        params: Mapping[str, Any],
    ) -> KuCoinToken:
        """Check a callback against the browser's session and exchange its code."""
        callback = read_callback(pairs)
        expected = self.framework.get_state_data(session, callback.state)
        if not self._is_ours(expected):
            raise mismatching_state()
        self.framework.clear_state_data(session, callback.state)
        return self.fetch_access_token(
            code=callback.code(), redirect_uri=expected.get("redirect_uri"), **params
        )

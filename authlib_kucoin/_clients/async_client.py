"""The calls of a client whose answers are awaited; but for ``await`` those of ``_client.py``."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isawaitable
from typing import Any, TypeVar

from authlib_kucoin._models import ApiKey, ApiKeyInfo, KuCoinToken
from authlib_kucoin._protocol import calls
from authlib_kucoin._protocol.call import Call

from .base_client import AnyToken, ClientBase
from .refresh import refreshes

T = TypeVar("T")


class AsyncClient(ClientBase):
    """The calls of a client whose answers are awaited."""

    async def _perform(self, call: Call[T]) -> T:
        raise NotImplementedError

    async def fetch_token(
        self,
        url: str | None = None,
        *,
        code: str | None = None,
        authorization_response: str | None = None,
        state: str | None = None,
        **params: Any,
    ) -> KuCoinToken:
        """Exchange an authorization code for a token, as :meth:`SyncClient.fetch_token`."""
        call = self._token_call(url, code, authorization_response, state, params)
        self.token = token = await self._perform(call)
        return KuCoinToken(token)

    async def refresh_token(
        self, url: str | None = None, refresh_token: str | None = None
    ) -> KuCoinToken:
        """Exchange the refresh token for a new pair, as :meth:`SyncClient.refresh_token`.

        However many tasks hold the same token, one request goes out.
        """
        self.token = token = await self._refresh(self._token_to_refresh(refresh_token), url)
        return KuCoinToken(token)

    async def ensure_active_token(self, token: Mapping[str, Any] | None = None) -> bool:
        """Refresh the client's token if it expires within ``leeway`` seconds."""
        token = self.token if token is None else token
        if self._is_expired(token):
            self.token = await self._refresh(token)
        return True

    async def validate_access_token(self, token: AnyToken | None = None) -> bool:
        """Ask whether a token is valid, as :meth:`SyncClient.validate_access_token`."""
        access_token = calls.access_token_of(self.token if token is None else token, "validate")
        return await self._perform(calls.validate_call(self.site, access_token=access_token))

    async def create_api_key(self, token: AnyToken | None = None) -> ApiKey:
        """Ask for an API key, once, as :meth:`SyncClient.create_api_key`."""
        token = self.token if token is None else token
        if self._is_expired(token):
            fresh = await self._refresh(token)
            if self._is_own(token):
                self.token = fresh
            token = fresh
        access_token = calls.access_token_of(token, "create_api_key")
        return await self._perform(calls.create_api_key_call(self.site, access_token=access_token))

    async def get_api_key_info(self, key: ApiKey) -> ApiKeyInfo:
        """Ask what a key may do, as :meth:`SyncClient.get_api_key_info`."""
        return await self._perform(calls.api_key_info_call(self.site, key=key))

    async def _refresh(self, token: Any, url: str | None = None) -> KuCoinToken:
        self._refuse_if_closed("refresh")
        call = self._refresh_call(token, url)
        refresh_token = token["refresh_token"]

        async def update_token(fresh: KuCoinToken) -> None:
            if self.update_token:
                told = self.update_token(KuCoinToken(fresh), refresh_token=refresh_token)
                if isawaitable(told):
                    await told

        return await refreshes.share_async(
            call.url, token, lambda: self._perform(call), update_token
        )

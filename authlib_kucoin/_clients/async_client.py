"""Async twin of ``sync_client``: the same methods, awaited."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isawaitable
from typing import Any

from authlib_kucoin._models import KuCoinToken

from .async_calls import AsyncCalls
from .base_client import AnyToken, ClientBase
from .refresh import refreshes


class AsyncClient(ClientBase, AsyncCalls):
    """Base of the async client: Authlib's methods, and KuCoin's calls.

    The methods that send something are awaited. A subclass defines :meth:`perform`, which sends.
    """

    _awaits = True

    async def default_token(self, request: object) -> AnyToken | None:  # type: ignore[override]  # async
        """Return the client's own token; see :meth:`ClientBase.default_token`."""
        return super().default_token(request)

    async def fetch_token(
        self,
        url: str | None = None,
        *,
        code: str | None = None,
        authorization_response: str | None = None,
        state: str | None = None,
        **params: Any,
    ) -> KuCoinToken:
        """Exchange an authorization code for a token; see :meth:`SyncClient.fetch_token`."""
        call = self.token_call(
            url, code=code, authorization_response=authorization_response, state=state, **params
        )
        self.token = token = await self.perform(call)
        return KuCoinToken(token)

    async def refresh_token(
        self, url: str | None = None, refresh_token: str | None = None, **params: Any
    ) -> KuCoinToken:
        """Exchange the refresh token for a new pair; see :meth:`SyncClient.refresh_token`.

        If the caller is cancelled, the refresh goes on, and can still replace the client's token.
        """
        self.token = token = await self.renew(self._token_to_refresh(refresh_token, params), url)
        return KuCoinToken(token)

    async def ensure_active_token(self, token: Mapping[str, Any] | None = None) -> bool:
        """Refresh a token if necessary; see :meth:`SyncClient.ensure_active_token`."""
        token = self.token if token is None else token
        if self.is_expired(token):
            self.token = await self.renew(token)
        return True

    async def renew(self, token: Mapping[str, Any], url: str | None = None) -> KuCoinToken:
        """Exchange a token for a new token pair; see :meth:`SyncClient.renew`."""
        self.check_ready("refresh")
        call = self._refresh_call(token, url)
        has_listener = self.has_listener()
        refresh_token = token["refresh_token"]

        # Replace the client's own token in the two local functions below, which run even if the
        # caller is cancelled. If the client has an update_token, replace the token only after
        # update_token has succeeded. If update_token fails, the client keeps the old pair, and the
        # next refresh of the old pair calls update_token again.
        async def perform() -> KuCoinToken:
            fresh = await self.perform(call)
            if not has_listener:
                self.on_refreshed(token, fresh)
            return fresh

        async def update_token(fresh: KuCoinToken) -> None:
            told = self.update_token(KuCoinToken(fresh), refresh_token=refresh_token)
            if isawaitable(told):
                await told
            self.on_refreshed(token, fresh)

        return await refreshes.share_async(
            call.url,
            token,
            perform,
            update_token if has_listener else None,
            longest=self.total_timeout,
            owner=self,
        )

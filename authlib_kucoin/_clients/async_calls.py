"""Async twin of ``sync_calls``; identical except for ``await``."""

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


class AsyncCalls:
    """Mixin with KuCoin's calls that use a token or a key; see :class:`SyncCalls`."""

    # The methods up to renew() are abstract: clients and apps define them.

    @property
    def site(self) -> Site:
        """The KuCoin site that the calls are sent to."""
        raise NotImplementedError

    async def default_token(self, request: Any) -> AnyToken | None:
        """Return the token for a call that was given no token, or None."""
        raise NotImplementedError

    def check_ready(self, operation: str) -> None:
        """Raise, before anything is sent, if this object's settings do not allow a call."""
        raise NotImplementedError

    def is_expired(self, token: AnyToken | None) -> TypeGuard[Mapping[str, Any]]:
        """Tell whether a token has to be refreshed before it is used."""
        raise NotImplementedError

    def on_refreshed(self, old: Mapping[str, Any], fresh: KuCoinToken) -> None:
        """Hook: called after a refresh; see :meth:`SyncCalls.on_refreshed`."""
        raise NotImplementedError

    async def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        raise NotImplementedError

    async def renew(self, token: Mapping[str, Any], url: str | None = None) -> KuCoinToken:
        """Exchange a token for a new token pair, and call ``update_token`` (if set) with it.

        If several callers refresh the same token at the same time, one of them sends the request
        and calls its ``update_token``, and all receive the new pair.
        """
        raise NotImplementedError

    async def validate_access_token(self, token: AnyToken | None = None) -> bool:
        """Ask whether an access token is valid; see :meth:`SyncCalls.validate_access_token`."""
        token = await self.default_token(None) if token is None else token
        access_token = calls.access_token_of(token, "validate")
        return await self.perform(calls.validate_call(self.site, access_token=access_token))

    async def create_api_key(
        self,
        token: AnyToken | None = None,
        *,
        permissions: Iterable[str] | None = None,
        request: Any = None,
    ) -> ApiKey:
        """Ask KuCoin for a new API key, once; see :meth:`SyncCalls.create_api_key`."""
        # Check first what can be checked: neither a refresh nor a new key can be undone.
        self.check_ready("create_api_key")
        body = api_key_body(self.site, permissions)
        check_one_source(token, request)
        token = await self.default_token(request) if token is None else token
        if self.is_expired(token):
            fresh = await self.renew(token)
            self.on_refreshed(token, fresh)
            token = fresh
        access_token = calls.access_token_of(token, "create_api_key")
        return await self.perform(
            calls.create_api_key_call(self.site, access_token=access_token, body=body)
        )

    async def get_api_key_info(self, key: ApiKey) -> ApiKeyInfo:
        """Ask for the account and permissions of a key; see :meth:`SyncCalls.get_api_key_info`."""
        return await self.perform(calls.api_key_info_call(self.site, key=key))

"""The calls of an app in a framework that awaits them; but for ``await`` those of ``_app.py``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from inspect import isawaitable
from typing import Any

from authlib_kucoin._clients.base_client import AnyToken
from authlib_kucoin._errors import TokenError
from authlib_kucoin._models import ApiKey, ApiKeyInfo, KuCoinToken
from authlib_kucoin._protocol.callback import mismatching_state, read_callback

from .base_app import AppBase


class AsyncApp(AppBase):
    """The calls of an app in a framework that awaits them; see :class:`SyncApp`."""

    _update_token: Any

    async def load_server_metadata(self) -> dict[str, Any]:
        """Return where KuCoin is; Authlib asks before every use."""
        return self._site_metadata()

    async def create_authorization_url(
        self,
        redirect_uri: str | None = None,
        **params: Any,
    ) -> dict[str, Any]:
        """Return the address of the login page and what to remember, as Authlib's own method."""
        return self._login(redirect_uri, params)

    async def fetch_access_token(
        self,
        redirect_uri: str | None = None,
        **params: Any,
    ) -> KuCoinToken:
        """Exchange a code for a token, as Authlib's own method."""
        call = self._exchange(redirect_uri, params)
        token: KuCoinToken = await self._client._perform(call)
        return token

    async def refresh_access_token(self, token: AnyToken) -> KuCoinToken:
        """Exchange a token for a new one, as :meth:`SyncApp.refresh_access_token`."""
        old = {"refresh_token": token} if isinstance(token, str) else token
        fresh: KuCoinToken = await self._client._refresh(old)
        return fresh

    async def validate_access_token(self, token: AnyToken) -> bool:
        """Ask whether a token is valid, as :meth:`SyncApp.validate_access_token`."""
        is_valid: bool = await self._client.validate_access_token(token)
        return is_valid

    async def create_api_key(
        self,
        token: AnyToken | None = None,
        *,
        request: Any = None,
    ) -> ApiKey:
        """Ask for an API key, once, as :meth:`SyncApp.create_api_key`."""
        if token is None and self._fetch_token:
            if request is None:
                raise TokenError(
                    "Give token=, or request= for fetch_token to be called with.",
                    operation="create_api_key",
                )
            token = await self._fetch_token(request)
        key: ApiKey = await self._client.create_api_key(token)
        return key

    async def get_api_key_info(self, key: ApiKey) -> ApiKeyInfo:
        """Ask what a key may do, as :meth:`SyncApp.get_api_key_info`."""
        info: ApiKeyInfo = await self._client.get_api_key_info(key)
        return info

    async def close(self) -> None:
        """Close the connections kept for this event loop, as :meth:`SyncApp.close`.

        They are closed with the loop in any case.
        """
        await self._connections.dispose()

    async def save_authorize_data(self, *request: Any, **data: Any) -> None:
        """Remember a login in the session, as :meth:`SyncApp.save_authorize_data`."""
        await super().save_authorize_data(*request, **data, registered_as=self.name)  # type: ignore[misc]  # as above

    async def _on_update_token(
        self,
        token: Any,
        refresh_token: str | None = None,
        access_token: str | None = None,
    ) -> None:
        # Unlike Authlib's own, this one takes a plain function too: a pair is not lost over it.
        if self._update_token:
            told = self._update_token(token, refresh_token=refresh_token, access_token=access_token)
            if isawaitable(told):
                await told

    async def _exchange_callback(
        self,
        session: MutableMapping[str, Any],
        pairs: Iterable[tuple[str, str]],
        params: Mapping[str, Any],
    ) -> KuCoinToken:
        """Check a callback against the browser's session and exchange its code."""
        callback = read_callback(pairs)
        expected = await self.framework.get_state_data(session, callback.state)
        if not self._is_ours(expected):
            raise mismatching_state()
        await self.framework.clear_state_data(session, callback.state)
        return await self.fetch_access_token(
            code=callback.code(), redirect_uri=expected.get("redirect_uri"), **params
        )

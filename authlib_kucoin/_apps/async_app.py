"""Async twin of ``sync_app``, for Starlette and FastAPI: the same methods, awaited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import wraps
from inspect import isawaitable
from typing import Any, TypeVar

from authlib_kucoin._clients.async_calls import AsyncCalls
from authlib_kucoin._clients.base_client import AnyToken
from authlib_kucoin._clients.refresh_task import wait_for_refreshes
from authlib_kucoin._errors import TokenError
from authlib_kucoin._models import KuCoinToken
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.callback import mismatching_state, read_callback

from .base_app import AppBase, old_pair
from .logins import all_logins, is_of_another, keep_login

T = TypeVar("T")


def _awaited(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a coroutine function of any function, because Authlib awaits the result."""

    @wraps(function)
    async def awaited(*args: Any) -> Any:
        result = function(*args)
        return await result if isawaitable(result) else result

    return awaited


class AsyncApp(AppBase, AsyncCalls):
    """Base of the registered apps whose calls are awaited; see :class:`SyncApp`."""

    _awaits = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if callable(self._fetch_token):
            self._fetch_token = _awaited(self._fetch_token)

    async def load_server_metadata(self) -> dict[str, Any]:
        """Return metadata with the URLs of the login page and the token endpoint.

        Authlib calls this before the application's own requests.
        """
        return self._server_metadata()

    async def create_authorization_url(
        self, redirect_uri: str | None = None, **params: Any
    ) -> dict[str, Any]:
        """Return the login page's URL and the data to store in the session, as Authlib does."""
        return self._login(redirect_uri, params)

    async def fetch_access_token(
        self, redirect_uri: str | None = None, **params: Any
    ) -> KuCoinToken:
        """Exchange an authorization code for a token, as Authlib's method does."""
        return await self.perform(self._exchange(redirect_uri, params))

    async def refresh_access_token(self, token: AnyToken) -> KuCoinToken:
        """Exchange a token for a new token pair; see :meth:`SyncApp.refresh_access_token`."""
        old = old_pair(token)
        fresh = await self.renew(old)
        self.on_refreshed(old, fresh)
        return fresh

    async def close(self) -> None:
        """Close the connections of this event loop, even those in use. The app stays usable.

        This waits first until all refreshes of this event loop, and their ``update_token``, have
        ended, for at most the longest ``total_timeout`` of their clients. So call it when a
        server's lifespan ends, because uvicorn can stop the loop while tasks still run. Without
        this call, the connections are closed at the end of ``asyncio.run``.
        """
        await wait_for_refreshes()
        if self._client is not None:
            await self.client.pool.dispose()

    async def save_authorize_data(self, *request: Any, **data: Any) -> None:
        """Store a login in the session; see :meth:`SyncApp.save_authorize_data`."""
        session = self._session_of(*request)
        before = all_logins(session)
        data.pop("url", None)
        await super().save_authorize_data(*request, **data)  # type: ignore[misc]  # as in SyncApp
        keep_login(session, self.name, data["state"], before)

    async def _on_update_token(
        self,
        token: Any,
        refresh_token: str | None = None,
        access_token: str | None = None,
    ) -> None:
        # Authlib's method would await the result even of a plain function, and so raise.
        told = self._update_token(token, refresh_token=refresh_token, access_token=access_token)
        if isawaitable(told):
            await told

    async def _exchange_callback(
        self,
        session: MutableMapping[str, Any],
        pairs: Iterable[tuple[str, str]],
        method: str | None,
        params: Mapping[str, Any],
    ) -> KuCoinToken:
        """Check that a callback belongs to a login, remove the login, and exchange the code."""
        callback = read_callback(pairs, method)
        expected = await self.framework.get_state_data(session, callback.state)
        if expected is None or is_of_another(session, self.name, callback.state):
            raise mismatching_state()
        await self.framework.clear_state_data(session, callback.state)
        return await self.fetch_access_token(
            code=callback.code(), redirect_uri=expected.get("redirect_uri"), **params
        )

    # The shared calls (AsyncCalls) are sent by the app's client.

    async def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        result: T = await self.client.perform(call)
        return result

    async def renew(self, token: Mapping[str, Any], url: str | None = None) -> KuCoinToken:
        """Exchange a token for a new token pair; see :meth:`SyncApp.renew`."""
        fresh: KuCoinToken = await self.client.renew(token, url)
        return fresh

    async def default_token(self, request: Any) -> AnyToken | None:
        """Return the result of ``fetch_token``, for a call that was given no token.

        If ``fetch_token`` is not set, the result is None.

        Raises:
            TokenError: If ``fetch_token`` is set, but there is no request to call it with.
        """
        if not self._fetch_token:
            return None
        if request is None:
            raise TokenError(
                "Pass token=, or, to create_api_key, request= for fetch_token to be called with."
            )
        token: AnyToken | None = await self._fetch_token(request)
        return token

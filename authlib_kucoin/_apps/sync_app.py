"""The base of the registered apps with blocking methods, for Flask and Django."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TypeVar

from authlib_kucoin._clients.base_client import AnyToken
from authlib_kucoin._clients.preconditions import refuse_awaitable
from authlib_kucoin._clients.sync_calls import SyncCalls
from authlib_kucoin._models import KuCoinToken
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.callback import mismatching_state, read_callback

from .base_app import AppBase, old_pair
from .logins import all_logins, is_of_another, keep_login

T = TypeVar("T")


class SyncApp(AppBase, SyncCalls):
    """Base of the registered apps that block: Authlib's methods, and KuCoin's calls."""

    def load_server_metadata(self) -> dict[str, Any]:
        """Return metadata with the URLs of the login page and the token endpoint.

        Authlib calls this before the application's own requests.
        """
        return self._server_metadata()

    def create_authorization_url(
        self, redirect_uri: str | None = None, **params: Any
    ) -> dict[str, Any]:
        """Return the login page's URL and the data to store in the session, as Authlib does."""
        return self._login(redirect_uri, params)

    def fetch_access_token(self, redirect_uri: str | None = None, **params: Any) -> KuCoinToken:
        """Exchange an authorization code for a token, as Authlib's method does."""
        return self.perform(self._exchange(redirect_uri, params))

    def refresh_access_token(self, token: AnyToken) -> KuCoinToken:
        """Exchange a token for a new token pair (document section 7.3).

        If several callers refresh the same token at the same time, one of them sends the request,
        calls its ``update_token`` (if set) and sends Authlib's ``token_update`` signal (which only
        Flask and Django have), and all receive the new pair. An error of ``update_token`` is raised
        as it is.

        Args:
            token: The old token, or its refresh token as a string.

        Raises:
            ConfigurationError: If a setting is missing or wrong, or ``update_token`` cannot be
                called. Then no refresh has reached KuCoin. Only if ``update_token`` returns an
                awaitable, which a blocking app cannot await, is this raised after the refresh.
            ReauthorizationRequired: If there is no refresh token, it no longer works, or it is past
                its 3 days.
            TokenError: If KuCoin refused the refresh for another reason, or a time in the token is
                not a number.
            KuCoinUnavailable: If KuCoin could not be reached, is failing or gets too many requests,
                or the refresh of the same token by another caller gave no result.
            MalformedResponse: If the answer is not a token.
        """
        old = old_pair(token)
        fresh = self.renew(old)
        self.on_refreshed(old, fresh)
        return fresh

    def close(self) -> None:
        """Close the idle connections. The app stays usable and opens new ones."""
        if self._client is not None:
            self.client.pool.dispose()

    def save_authorize_data(self, *request: Any, **data: Any) -> None:
        """Store a login in the session, as Authlib does, and keep the last five of this app."""
        session = self._session_of(*request)
        before = all_logins(session)
        data.pop("url", None)  # the login page's URL is long, and nothing reads it
        super().save_authorize_data(*request, **data)  # type: ignore[misc]  # of Authlib's app, later in the MRO
        keep_login(session, self.name, data["state"], before)

    def _on_update_token(
        self,
        token: Any,
        refresh_token: str | None = None,
        access_token: str | None = None,
    ) -> None:
        # Authlib's method does not notice an update_token that returns a coroutine.
        old = {"refresh_token": refresh_token, "access_token": access_token}
        if self._update_token is not None:
            refuse_awaitable(self._update_token(token, **old), "update_token", "refresh")
        self.framework.update_token(token, **old)

    def _exchange_callback(
        self,
        session: MutableMapping[str, Any],
        pairs: Iterable[tuple[str, str]],
        method: str | None,
        params: Mapping[str, Any],
    ) -> KuCoinToken:
        """Check that a callback belongs to a login, remove the login, and exchange the code."""
        callback = read_callback(pairs, method)
        expected = self.framework.get_state_data(session, callback.state)
        if expected is None or is_of_another(session, self.name, callback.state):
            raise mismatching_state()
        self.framework.clear_state_data(session, callback.state)
        return self.fetch_access_token(
            code=callback.code(), redirect_uri=expected.get("redirect_uri"), **params
        )

    # The shared calls (SyncCalls) are sent by the app's client.

    def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        result: T = self.client.perform(call)
        return result

    def renew(self, token: Mapping[str, Any], url: str | None = None) -> KuCoinToken:
        """Exchange a token for a new token pair, and call ``update_token`` (if set) with it.

        If several callers refresh the same token at the same time, one of them sends the request
        and calls its ``update_token``, and all receive the new pair.
        """
        fresh: KuCoinToken = self.client.renew(token, url)
        return fresh

    def default_token(self, request: Any) -> AnyToken | None:
        """Return the token for a call that was given no token; None if there is none.

        In Flask, that is the token of the current request or, without one, the result of
        ``fetch_token``. In Django, ``fetch_token`` is called only if there is a request.
        """
        token: AnyToken | None = self._get_requested_token(request)
        return token

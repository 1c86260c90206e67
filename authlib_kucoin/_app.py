"""What registered apps have in common, whichever framework they are registered with.

The calls that are awaited stand in ``_async_app.py``, and differ from those here by ``await``
alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeGuard

from ._call import Call
from ._callback import mismatching_state, read_callback
from ._client import AnyToken
from ._errors import ConfigurationError
from ._models import ApiKey, ApiKeyInfo, KuCoinToken
from ._sites import Site


class AppBase:
    """Where an app's calls go, and the connections they share."""

    # Authlib's own.
    access_token_params: Any
    access_token_url: Any
    authorize_params: Any
    authorize_url: Any
    client_cls: Any
    client_kwargs: Any
    framework: Any
    client_auth_methods: Any
    name: str
    server_metadata: dict[str, Any]
    _fetch_token: Any
    _server_metadata_url: Any

    def _site_metadata(self) -> dict[str, Any]:
        """Return what Authlib hands to every client it makes for us.

        The site is resolved at the first use, since settings may come after registration.

        Raises:
            ConfigurationError: If no site is set.
        """
        metadata = self.server_metadata
        if "site" not in metadata:
            load_site: Callable[[], Site] = metadata["load_site"]
            site = load_site()
            if refresh_endpoint := metadata.get("refresh_token_url"):
                site = dataclasses.replace(site, refresh_endpoint=refresh_endpoint)
            metadata["site"] = site
        site = metadata["site"]
        return {
            "site": site,
            "authorization_endpoint": site.authorization_endpoint,
            "token_endpoint": site.token_endpoint,
        }

    @property
    def _connections(self) -> Any:  # noqa: ANN401 - of requests or of httpx2
        """The connections that all clients of this app share."""
        # Not made in the constructor: if that raised, Authlib would put a stock app in our
        # place. setdefault is atomic: of two threads that come first, one pool is kept.
        if "connections" not in self.server_metadata:
            connections = self.client_cls.connections(self.client_kwargs)
            self.server_metadata.setdefault("connections", connections)
        return self.server_metadata["connections"]

    def _get_oauth_client(self, **metadata: Any) -> Any:  # noqa: ANN401 - one of Authlib's clients
        return super()._get_oauth_client(  # type: ignore[misc]  # Authlib's app comes after us
            **metadata, **self._connections.options
        )

    @property
    def _client(self) -> Any:  # noqa: ANN401 - one of Authlib's clients
        """The client that makes our calls, for all users: it is handed a token and keeps none.

        Authlib makes one for each call. That takes longer than all else we do, so we do not.

        Raises:
            ConfigurationError: If no site is set, or an option of Authlib's is, that KuCoin's
                calls have no use for.
        """
        # No cached_property: its lock, in Python 3.11, may be held at a fork.
        if "client" not in self.server_metadata:
            self.server_metadata.setdefault("client", self._new_client())
        return self.server_metadata["client"]

    def _new_client(self) -> Any:  # noqa: ANN401 - as above
        unused = {
            "client_auth_methods": self.client_auth_methods,
            "refresh_token_params": self.server_metadata.get("refresh_token_params"),
            "server_metadata_url": self._server_metadata_url,
        }
        if names := [name for name, value in unused.items() if value]:
            raise ConfigurationError(
                f"{', '.join(names)}: KuCoin's calls have no use for it, so leave it out."
            )
        return self._get_oauth_client(**self._site_metadata())

    def _login(self, redirect_uri: str | None, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the address of the login page and what to remember."""
        params = {"redirect_uri": redirect_uri, **params, **(self.authorize_params or {})}
        rv: dict[str, Any] = self._create_oauth2_authorization_url(  # type: ignore[attr-defined]  # Authlib's
            self._client, self.authorize_url, **params
        )
        return rv

    def _is_ours(self, login: Mapping[str, Any] | None) -> TypeGuard[Mapping[str, Any]]:
        """Tell whether what was found in a browser's session is a login of this app."""
        return login is not None and login.get("registered_as") == self.name

    def _exchange(self, redirect_uri: str | None, given: Mapping[str, Any]) -> Call[KuCoinToken]:
        """Return the call that exchanges a code."""
        params = {"redirect_uri": redirect_uri, **(self.access_token_params or {}), **given}
        call: Call[KuCoinToken] = self._client._token_call(  # noqa: SLF001 - our own
            self.access_token_url,
            params.pop("code", None),
            params.pop("authorization_response", None),
            params.pop("state", None),
            params,
        )
        return call


class SyncApp(AppBase):
    """The calls of an app in a framework that waits for them."""

    def load_server_metadata(self) -> dict[str, Any]:
        """Return where KuCoin is; Authlib asks before every use."""
        return self._site_metadata()

    def create_authorization_url(
        self,
        redirect_uri: str | None = None,
        **params: Any,  # noqa: ANN401 - as inherited
    ) -> dict[str, Any]:
        """Return the address of the login page and what to remember, as Authlib's own method."""
        return self._login(redirect_uri, params)

    def fetch_access_token(
        self,
        redirect_uri: str | None = None,
        **params: Any,  # noqa: ANN401 - as inherited
    ) -> KuCoinToken:
        """Exchange a code for a token, as Authlib's own method."""
        call = self._exchange(redirect_uri, params)
        token: KuCoinToken = self._client._perform(call)  # noqa: SLF001 - our own
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
        fresh: KuCoinToken = self._client._refresh(old)  # noqa: SLF001 - our own
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

    def create_api_key(self, token: AnyToken | None = None, *, request: Any = None) -> ApiKey:  # noqa: ANN401 - the framework's
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

    def save_authorize_data(self, *request: Any, **data: Any) -> None:  # noqa: ANN401 - as inherited
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

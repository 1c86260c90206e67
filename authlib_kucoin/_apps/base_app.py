"""What registered apps have in common, whichever framework they are registered with.

The calls that are awaited stand in ``_async_app.py``, and differ from those here by ``await``
alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from authlib_kucoin._errors import ConfigurationError
from authlib_kucoin._models import KuCoinToken
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.sites import Site


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
    def _connections(self) -> Any:
        """The connections that all clients of this app share."""
        # Not made in the constructor: if that raised, Authlib would put a stock app in our
        # place. setdefault is atomic: of two threads that come first, one pool is kept.
        if "connections" not in self.server_metadata:
            connections = self.client_cls.connections(self.client_kwargs)
            self.server_metadata.setdefault("connections", connections)
        return self.server_metadata["connections"]

    def _get_oauth_client(self, **metadata: Any) -> Any:
        return super()._get_oauth_client(  # type: ignore[misc]  # Authlib's app comes after us
            **metadata, **self._connections.options
        )

    @property
    def _client(self) -> Any:
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

    def _new_client(self) -> Any:
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
        call: Call[KuCoinToken] = self._client._token_call(
            self.access_token_url,
            params.pop("code", None),
            params.pop("authorization_response", None),
            params.pop("state", None),
            params,
        )
        return call

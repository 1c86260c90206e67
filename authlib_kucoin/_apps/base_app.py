"""Shared by all registered apps: settings, the client that sends their calls, and logins."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import Any, ClassVar, Final, TypeGuard

from authlib_kucoin._clients.base_client import AnyToken
from authlib_kucoin._clients.overrides import OF_APPS, refuse_overrides
from authlib_kucoin._clients.preconditions import check_function
from authlib_kucoin._errors import ConfigurationError
from authlib_kucoin._models import KuCoinToken
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.sites import Site, resolve_site

from .openid import NoOpenID
from .options import check_options

#: Attributes of an app that its client depends on. Setting one drops the client, so that the next
#: use makes another.
_SETTINGS: Final = {
    "access_token_url",
    "authorize_url",
    "client_cls",
    "client_id",
    "client_kwargs",
    "client_secret",
    "server_metadata",
}


class AppBase(NoOpenID):
    """Base of the apps that are registered with Authlib's ``OAuth``.

    Args:
        framework: Authlib's integration for the web framework.
        name: The name that the app is registered under. Its settings are named after it.
        oauth: The ``OAuth`` object, which reads the application's settings.
        site: The site; from the settings if left out.
        fast_api: The version of the Fast API, 1 or 2; from the settings if left out.
        settings_win: Whether the settings take precedence over ``site`` and ``fast_api``.
        options: The options of Authlib's app.
    """

    # Attributes of Authlib's app.
    access_token_params: Any
    access_token_url: Any
    authorize_params: Any
    authorize_url: Any
    client_auth_methods: Any
    client_cls: Any
    client_id: Any
    client_kwargs: Any
    client_secret: Any
    compliance_fix: Any
    framework: Any
    name: str
    server_metadata: dict[str, Any]
    _fetch_token: Any
    _on_update_token: Any
    _server_metadata_url: Any
    _update_token: Any
    _user_agent: str
    # Methods of Authlib's app, which is later in the MRO.
    _create_oauth2_authorization_url: Any
    _get_requested_token: Any

    _awaits: ClassVar = False
    #: The number of positional arguments that the app passes to ``fetch_token``: one (the request),
    #: or none in Flask. (The ``OAuth`` object's own ``fetch_token`` also gets the app's name, from
    #: Authlib.)
    _fetch_token_takes: ClassVar = 1
    _client: Any = None
    _site: Site | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_overrides(cls, OF_APPS)

    def __init__(
        self,
        framework: Any,
        name: str | None = None,
        *,
        oauth: Any = None,
        site: Site | str | None = None,
        fast_api: int | None = None,
        settings_win: bool = False,
        **options: Any,
    ) -> None:
        # This must not raise: after an error, Authlib would create its own app at the next access.
        super().__init__(framework, name, **options)  # type: ignore[call-arg]  # Authlib's app
        self._oauth = oauth
        self._given: dict[str, Any] = {"site": site, "fast_api": fast_api}
        self._settings_win = settings_win

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _SETTINGS:  # a new value counts from the next call on, as in Authlib
            vars(self).pop("_client", None)
            vars(self).pop("_site", None)

    @property
    def site(self) -> Site:
        """The KuCoin site of this app.

        It is resolved at its first use, because applications can load their settings after the
        registration.

        Raises:
            ConfigurationError: If no site is set, or the site, ``fast_api`` or the address of an
                endpoint is not valid.
        """
        if self._site is None:
            self._site = self._load_site()
        return self._site

    def _load_site(self) -> Site:
        settings = (self._oauth and self._oauth.load_config(self.name, tuple(self._given))) or {}
        first, second = (settings, self._given) if self._settings_win else (self._given, settings)
        site, fast_api = (first.get(name) or second.get(name) for name in ("site", "fast_api"))
        site = resolve_site(site, fast_api)
        endpoints = {
            "authorization_endpoint": self.authorize_url,
            "token_endpoint": self.access_token_url,
            "refresh_endpoint": self.server_metadata.get("refresh_token_url"),
        }
        given = {name: url for name, url in endpoints.items() if url}
        return dataclasses.replace(site, **given) if given else site

    @property
    def client(self) -> Any:
        """The client that sends this app's calls. All users share it, and it keeps no token.

        (Authlib makes a client for each call, which takes longer.)

        Raises:
            ConfigurationError: If :attr:`site` raises it, or an option of the registration has no
                effect or could not be used.
        """
        # Not a cached_property: in Python 3.11 it has a lock, and a child process would wait for
        # ever if another thread held the lock during the fork. setdefault is atomic: if two
        # threads get here at once, both use the same client.
        if self._client is None:
            vars(self).setdefault("_client", self._first_client())
        return self._client

    def _first_client(self) -> Any:
        self.refuse_options_without_effect()
        return self._client_over(self.client_cls.new_pool(self.client_kwargs))

    def refuse_options_without_effect(self) -> None:
        """Raise if an option of the registration has no effect, or could not be used.

        Raises:
            ConfigurationError: If there is such an option. The text says what to do instead.
        """
        if not hasattr(self.client_cls, "new_pool"):
            raise ConfigurationError(
                f"The app's client_cls is {self.client_cls.__name__}: make it a subclass of "
                "KuCoinOAuth2Session in Flask and Django, and of AsyncKuCoinOAuth2Client in "
                "Starlette."
            )
        unused = {
            **self.server_metadata,  # options that Authlib's constructor does not know
            "client_auth_methods": self.client_auth_methods,
            "compliance_fix": self.compliance_fix,
            "server_metadata_url": self._server_metadata_url,
        }
        unused.pop("refresh_token_url", None)
        check_options(self.client_cls, unused, self.client_kwargs)
        if self._fetch_token is not None:
            check_function(
                self._fetch_token,
                "fetch_token",
                keywords=(),
                takes=self._fetch_token_takes,
                is_awaited=self._awaits,
            )
        # Make a client, only because its constructor checks its options. It sends nothing.
        self.client_cls(client_secret=self.client_secret, **self.client_kwargs)

    def _client_over(self, pool: Any) -> Any:
        client = self.client_cls(
            client_id=self.client_id,
            client_secret=self.client_secret,
            site=self.site,
            update_token=self._on_update_token,
            **{**self.client_kwargs, **pool.client_options},
        )
        client.headers["User-Agent"] = self._user_agent
        client.has_listener = self.has_listener
        return client

    def _get_oauth_client(self, **_metadata: Any) -> Any:
        """Return a client for the application's own request. It uses this app's connections."""
        return self._client_over(self.client.pool)

    def _server_metadata(self) -> dict[str, Any]:
        site = self.site
        return {
            **self.server_metadata,
            "authorization_endpoint": site.authorization_endpoint,
            "token_endpoint": site.token_endpoint,
        }

    def _login(self, redirect_uri: str | None, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the login page's URL and the data to store in the session."""
        params = {"redirect_uri": redirect_uri, **params, **(self.authorize_params or {})}
        rv: dict[str, Any] = self._create_oauth2_authorization_url(self.client, None, **params)
        return rv

    def _session_of(self, request: Any) -> MutableMapping[str, Any]:
        """Return the browser's session, which stores the logins."""
        session: MutableMapping[str, Any] = request.session
        return session

    def _exchange(self, redirect_uri: str | None, given: Mapping[str, Any]) -> Call[KuCoinToken]:
        """Return the call that exchanges an authorization code."""
        params = {"redirect_uri": redirect_uri, **(self.access_token_params or {}), **given}
        call: Call[KuCoinToken] = self.client.token_call(**params)
        return call

    def check_ready(self, operation: str) -> None:
        """Raise, before anything is sent, if the settings of the app's client forbid the call."""
        self.client.check_ready(operation)

    def is_expired(self, token: AnyToken | None) -> TypeGuard[Mapping[str, Any]]:
        """Tell whether a token has expired, or will within the client's ``leeway`` seconds."""
        return bool(self.client.is_expired(token))

    def has_listener(self) -> bool:
        """Tell whether ``update_token`` is set. The client asks this before it sends a refresh.

        Raises:
            ConfigurationError: If ``check_function`` refuses ``update_token``.
        """
        if self._update_token is None:
            return False
        check_function(
            self._update_token,
            "update_token",
            keywords=("refresh_token", "access_token"),
            is_awaited=self._awaits,
            operation="refresh",
        )
        return True

    def on_refreshed(self, old: Mapping[str, Any], fresh: KuCoinToken) -> None:
        """Hook: called when create_api_key or refresh_access_token has refreshed a token."""


def old_pair(token: AnyToken) -> Mapping[str, Any]:
    """Return a token as a mapping. A string is taken to be the refresh token."""
    return {"refresh_token": token} if isinstance(token, str) else token

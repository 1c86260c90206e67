"""The input of the checks: the settings, the application, and one answer of the site."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

from authlib_kucoin._errors import KuCoinError
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.redirect_uri import is_loopback
from authlib_kucoin._protocol.sites import Site, resolve_site
from authlib_kucoin._tools.watched import LIBRARIES, Heard, installed_library, watched_client

#: Seconds to wait for the site in each step of a request, such as connecting.
PATIENCE: Final = 10.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings as they were given, unchecked.

    A setting that was not given is None or empty; only ``timeout`` then has the client's default.

    Attributes:
        site: The KuCoin site: a name, a base URL, or a :class:`authlib_kucoin.Site`.
        fast_api: The version of the Fast API.
        client_id: The client id.
        client_secret: The client secret.
        redirect_uri: The callback address, as registered with KuCoin.
        timeout: The client's ``timeout``.
        total_timeout: The client's ``total_timeout``.
        server_timeout: The time-out of the application's server for one request, in seconds.
        fast_api_ips: The addresses to register for the Fast API.
        trading_ips: The addresses to register for trading.
        vault_keys: The Fernet keys that encrypt stored credentials, separated by commas.
        client_kwargs: The options of the client, such as ``verify`` and ``proxies``.
        library: The HTTP library of the client: ``"requests"`` or ``"httpx2"``.
    """

    site: Any = None
    fast_api: Any = None
    client_id: Any = None
    client_secret: Any = dataclasses.field(default=None, repr=False)
    redirect_uri: Any = None
    timeout: Any = 10.0
    total_timeout: Any = None
    server_timeout: Any = None
    fast_api_ips: tuple[str, ...] = ()
    trading_ips: tuple[str, ...] = ()
    vault_keys: Any = dataclasses.field(default=None, repr=False)
    client_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    library: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """The flags of the session cookie and, for each flag, the setting that makes it right."""

    secure: Any
    http_only: Any
    same_site: Any
    set_secure: str = "SESSION_COOKIE_SECURE = True"
    set_http_only: str = "SESSION_COOKIE_HTTPONLY = True"
    set_same_site: str = 'SESSION_COOKIE_SAMESITE = "Lax"'


class HostRefused(Exception):
    """The application refuses this host or, in Starlette, a middleware answers the request."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The facts about an application that the checks need.

    Attributes:
        framework: The name of the framework.
        cookie: The flags of the session cookie; None if they are not known.
        secret_key: The key that signs sessions.
        secret_setting: The name of the setting that holds the secret key.
        has_other_sessions: Whether sessions seem to come from a package that this command does not
            know.
        debug: Whether the application runs in debug mode.
        callback_url: Takes the redirect URI and a Host header. Returns the URL that the app builds
            for the route of the redirect URI, behind a proxy that ends TLS and sends this Host;
            None if no route serves the redirect URI. Can raise :class:`HostRefused`.
        trust_scheme: The change that makes the app take the scheme from the proxy's headers.
        trust_host: The change after which the app builds the right host even if the proxy does not
            forward the browser's Host.
        allow_host: The setting that lists the hosts that the app serves.
        database: The URL of the database (for Django, made of its engine and name only); None if
            the app has none that this command knows.
        open_database: If there is a ``database``, connects to it and runs a query.
    """

    framework: str
    cookie: Cookie | None
    secret_key: Any = dataclasses.field(repr=False)
    debug: bool
    callback_url: Callable[[str, str], str | None]
    trust_scheme: str
    trust_host: str
    allow_host: str
    database: str | None = dataclasses.field(repr=False)
    open_database: Callable[[], object]
    secret_setting: str = "SECRET_KEY"
    has_other_sessions: bool = False


@dataclasses.dataclass
class Subject:
    """The input of the checks.

    Attributes:
        settings: The settings.
        app: The application; None if none was given, or if it could not be loaded or read.
        app_failure: Why the application could not be loaded or read; otherwise empty.
        offline: If true, the checks send nothing.
        clock: Returns seconds since the epoch.
    """

    settings: Settings
    app: App | None = None
    app_failure: str = ""
    offline: bool = False
    clock: Callable[[], float] = time.time

    @cached_property
    def site(self) -> Site | None:
        """The site; None if the settings name no valid site."""
        try:
            return resolve_site(self.settings.site, self.settings.fast_api)
        except KuCoinError:
            return None

    @property
    def library(self) -> str:
        """The HTTP library of the application's client.

        If it is not known, an installed library; if none is installed, requests.
        """
        return self.settings.library or installed_library() or LIBRARIES[0]

    @property
    def is_sandbox(self) -> bool:
        """Whether the site's host is loopback. The site then counts as a sandbox."""
        return self.site is not None and is_loopback(host_of(self.site.web))

    @cached_property
    def answer(self) -> Heard | str:
        """The site's answer to a request for the login page without parameters.

        The request is sent once, with the application's HTTP library and client options except for
        ``timeout``. If there is no answer, the value is a text that says why.
        """
        assert self.site is not None  # noqa: S101 - for the type checker; every check that uses it looks at site first
        heard: list[Heard] = []
        why = ""
        call: Call[None] = Call(
            operation="doctor",
            action="open the login page",
            method="HEAD",
            url=self.site.authorization_endpoint,
            headers={},
            secrets=(),
            read=lambda _fields: None,
            refused=lambda *_: KuCoinError,
        )
        try:
            with closing(
                watched_client(
                    self.settings.library,
                    heard.append,
                    **{**self.settings.client_kwargs, "site": self.site, "timeout": PATIENCE},
                )
            ) as client:
                client.perform(call)
        except (KuCoinError, ModuleNotFoundError) as error:
            why = str(error)
        if not heard:
            return why
        return heard[0] if heard[0].status else heard[0].failure


def host_of(url: str) -> str:
    """Return the host of an absolute URL."""
    return urlsplit(url).hostname or ""

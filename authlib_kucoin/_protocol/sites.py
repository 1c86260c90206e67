"""The addresses of each KuCoin site.

The document masks its host as ``www.kucoin.xxx``. The comment on each site below says what is known
and how certain it is. Confirm the host with KuCoin when it gives you your client id.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from authlib_kucoin._errors import ConfigurationError

from .redirect_uri import is_loopback


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        has_password = parts.username is not None
    except (ValueError, AttributeError, TypeError):
        host, has_password = None, False
    if has_password:
        raise ConfigurationError(
            "Remove the user name and password from the site's address: KuCoin uses neither."
        )
    if not host or parts.query or parts.fragment or not url.isascii() or url != url.strip():
        raise ConfigurationError(f"{url!r} is not a base URL such as 'https://www.kucoin.com'.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigurationError(
            f"{url!r} would send tokens in clear text: use https (http is for loopback only)."
        )
    return url


class _FromWeb(str):
    """An address derived from ``web``; ``dataclasses.replace(site, web=…)`` derives it again."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """The addresses of one KuCoin site.

    Args:
        web: Base URL of the site where the user signs in; it issues tokens and keys.
        rest: Base URL of the REST API, which describes keys; ``web`` if left out.
        name: Its name in messages.
        rest_headers: Headers of every REST request to this site.
        authorization_endpoint: Login page, if it is not ``{web}/oauth`` (section 7.1).
        token_endpoint: If it is not ``{web}/_oauth/access-token`` (section 7.2).
        refresh_endpoint: If it is not ``{web}/_oauth/refresh-token`` (section 7.3).

    Raises:
        ConfigurationError: If an address is not an absolute https URL (http is for loopback).
    """

    web: str
    rest: str = ""
    name: str = "custom"
    rest_headers: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    refresh_endpoint: str = ""

    def __post_init__(self) -> None:
        web = _checked(self.web).rstrip("/")

        def settle(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        settle("web", web)
        settle("rest_headers", MappingProxyType(dict(self.rest_headers)))
        for name, path in _PATHS.items():
            given = getattr(self, name)
            follows = not given or isinstance(given, _FromWeb)
            settle(name, _FromWeb(web + path) if follows else _checked(given).rstrip("/"))

    def __reduce__(self) -> tuple[object, ...]:
        """Support copy and pickle, which a mapping proxy does not."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Site, (*(values | {"rest_headers": dict(self.rest_headers)}).values(),)

    @property
    def validation_endpoint(self) -> str:
        """The address that verifies a token (section 7.4)."""
        return self.web + "/_oauth/validate-access-token"

    @property
    def api_key_endpoint(self) -> str:
        """The address that creates an API key (section 4)."""
        return self.web + "/_oauth/resource/ucenter/outer/api-key/add"


_PATHS: Final = {
    "rest": "",
    "authorization_endpoint": "/oauth",
    "token_endpoint": "/_oauth/access-token",
    "refresh_endpoint": "/_oauth/refresh-token",
}

SITES: Final[Mapping[str, Site]] = MappingProxyType(
    {
        # Named by KuCoin's global page and its SDK.
        "global": Site("https://www.kucoin.com", "https://api.kucoin.com", name="global"),
        # The web host is named by KuCoin EU's legal page, the REST host by public clients.
        # No public source shows its OAuth address: confirm it with KuCoin.
        "eu": Site("https://www.kucoin.eu", "https://api.kucoin.eu", name="eu"),
        # The global hosts; REST requests name the site in a header.
        "australia": Site(
            "https://www.kucoin.com",
            "https://api.kucoin.com",
            name="australia",
            rest_headers={"X-SITE-TYPE": "australia"},
        ),
    }
)


def resolve_site(site: Site | str | None) -> Site:
    """Return the site that a setting means.

    Args:
        site: A :class:`Site`, the name of one, or a base URL that serves both as the web
            site and as the REST API.

    Raises:
        ConfigurationError: If it is missing or unknown. There is no default: an account at
            one site does not exist at another.
    """
    if isinstance(site, Site):
        return site
    if isinstance(site, str) and site in SITES:
        return SITES[site]
    if isinstance(site, str) and "://" in site:
        return Site(site)
    said = "No KuCoin site is set" if not site else f"{site!r} is not a KuCoin site"
    raise ConfigurationError(
        f"{said}: give site= as one of {', '.join(map(repr, SITES))}, a base URL such as "
        "'https://www.kucoin.com', or an authlib_kucoin.Site. In an application's settings that "
        "is KUCOIN_SITE, or with Django AUTHLIB_OAUTH_CLIENTS['kucoin']['site']; another name "
        "than 'kucoin' has its own."
    )

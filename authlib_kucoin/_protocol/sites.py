"""The addresses of KuCoin's sites.

The document masks the host as ``www.kucoin.xxx``. The comment on each site below says where its
hosts are from. Confirm the host with KuCoin when it gives you your client id.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal
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
    if not host or "#" in url or not url.isascii() or url.split() != [url]:
        raise ConfigurationError(f"{url!r} is not a base URL such as 'https://www.kucoin.com'.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigurationError(
            f"{url!r} would send tokens in clear text: use https (http is for loopback only)."
        )
    return url


def _base(url: str) -> str:
    base = _checked(url).rstrip("/")
    if "?" in base:
        raise ConfigurationError(f"{url!r} is not a base URL such as 'https://www.kucoin.com'.")
    if match := _BEGINS_A_PATH.search(urlsplit(base).path):
        raise ConfigurationError(
            f"{url!r} is the address of a page or a call: set the base URL, which ends before "
            f"{match[0]!r}."
        )
    return base


def _version(given: object) -> Literal[1, 2]:
    match given:
        case True | False:  # not a version; without this case, True would match 1
            pass
        case 1 | "1":
            return 1
        case 2 | "2":
            return 2
    raise ConfigurationError(f"fast_api is 1 or 2, not {given!r}.")


class _FromWeb(str):
    """An address derived from ``web``. ``dataclasses.replace(site, web=…)`` derives a new one."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """The addresses of one KuCoin site.

    Args:
        web: Base URL of the web site, where users sign in, and tokens and keys are issued.
        rest: Base URL of the REST API, for ``get_api_key_info``; the same as ``web`` if left out.
        name: The name of the site in the report of ``doctor``.
        rest_headers: Headers that are added to the REST request of ``get_api_key_info``.
        authorization_endpoint: URL of the login page (document section 7.1); ``{web}/oauth`` if
            left out.
        token_endpoint: URL that exchanges codes (document section 7.2);
            ``{web}/_oauth/access-token`` if left out.
        refresh_endpoint: URL that refreshes tokens (document section 7.3);
            ``{web}/_oauth/refresh-token`` if left out.
        api_key_endpoint: URL that creates keys (document section 4). If left out, it is
            ``{web}/_oauth/resource/ucenter/outer/api-key/add`` or, for Fast API 2,
            ``{web}/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add``.
        fast_api: The version of the Fast API, 1 or 2. In version 2, you ask for permissions and
            the user grants them. The request of version 2 is known from one published client
            only: ask KuCoin whether your client id can use it.

    Raises:
        ConfigurationError: If a URL is not an absolute https URL (http is for loopback only), holds
            a user name, a fragment, white space or non-ASCII characters; if a base URL has a query
            or the path of the login page or a call; or if the version is neither 1 nor 2.
    """

    web: str
    rest: str = ""
    name: str = "custom"
    rest_headers: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    refresh_endpoint: str = ""
    api_key_endpoint: str = ""
    fast_api: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        web = _base(self.web)

        def settle(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        settle("web", web)
        settle("rest_headers", MappingProxyType(dict(self.rest_headers)))
        settle("fast_api", _version(self.fast_api))
        paths = {**_PATHS, "api_key_endpoint": _API_KEY_PATHS[self.fast_api]}
        for name, path in paths.items():
            given = getattr(self, name)
            follows = not given or isinstance(given, _FromWeb)
            check = _base if name == "rest" else _checked
            settle(name, _FromWeb(web + path) if follows else check(given).rstrip("/"))

    def __reduce__(self) -> tuple[object, ...]:
        """Support ``deepcopy`` and ``pickle``, which fail for the mapping proxy in rest_headers."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Site, (*(values | {"rest_headers": dict(self.rest_headers)}).values(),)

    @property
    def validation_endpoint(self) -> str:
        """URL of the call that validates a token (document section 7.4)."""
        return self.web + "/_oauth/validate-access-token"


_PATHS: Final = {
    "rest": "",
    "authorization_endpoint": "/oauth",
    "token_endpoint": "/_oauth/access-token",
    "refresh_endpoint": "/_oauth/refresh-token",
}

_API_KEY_PATHS: Final[Mapping[int, str]] = {
    1: "/_oauth/resource/ucenter/outer/api-key/add",
    2: "/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add",
}
#: Matches where the path of the login page or of a call begins. A base URL must not hold it.
_BEGINS_A_PATH: Final = re.compile(r"/(?:_?oauth(?:/|$)|api/v[0-9])")

SITES: Final[Mapping[str, Site]] = MappingProxyType(
    {
        # KuCoin's global page and its SDK name these hosts.
        "global": Site(
            "https://www.kucoin.com", "https://api.kucoin.com", name="global", fast_api=2
        ),
        # KuCoin EU's legal page names the web host, and public clients name the REST host. No
        # public source shows the URL of the login page: confirm it with KuCoin.
        "eu": Site("https://www.kucoin.eu", "https://api.kucoin.eu", name="eu"),
        # The hosts are those of the global site. REST requests name this site in a header.
        "australia": Site(
            "https://www.kucoin.com",
            "https://api.kucoin.com",
            name="australia",
            rest_headers={"X-SITE-TYPE": "australia"},
        ),
    }
)


def resolve_site(site: Site | str | None, fast_api: object = None) -> Site:
    """Return the site for the settings ``site`` and ``fast_api``.

    Args:
        site: A :class:`Site`, a name in ``SITES``, or a base URL that serves both as the web
            site and as the REST API.
        fast_api: The version of the Fast API, 1 or 2; the site's own if None.

    Raises:
        ConfigurationError: If the site is missing or unknown, its base URL cannot be used, or the
            version is neither 1 nor 2. There is no default site, because an account at one site
            does not exist at another.
    """
    found = _find(site)
    if fast_api is None or _version(fast_api) == found.fast_api:
        return found
    return dataclasses.replace(found, fast_api=_version(fast_api))


def _find(site: Site | str | None) -> Site:
    if isinstance(site, Site):
        return site
    if isinstance(site, str) and site in SITES:
        return SITES[site]
    if isinstance(site, str) and "://" in site:
        return Site(site)
    said = "No KuCoin site is set" if not site else f"{site!r} is not a KuCoin site"
    raise ConfigurationError(
        f"{said}: set site= to one of {', '.join(map(repr, SITES))}, to a base URL such as "
        "'https://www.kucoin.com', or to an authlib_kucoin.Site. The setting is KUCOIN_SITE (its "
        "prefix is the name of the registered app), or with Django "
        "AUTHLIB_OAUTH_CLIENTS['kucoin']['site']."
    )

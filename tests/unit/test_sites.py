"""The addresses of each KuCoin site, and which are accepted; there is no default site."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from authlib_kucoin import ConfigurationError, KuCoinError, Site
from authlib_kucoin._protocol.sites import SITES, resolve_site


@pytest.mark.parametrize(
    ("name", "web", "rest", "headers"),
    [
        ("global", "https://www.kucoin.com", "https://api.kucoin.com", {}),
        ("eu", "https://www.kucoin.eu", "https://api.kucoin.eu", {}),
        (
            "australia",
            "https://www.kucoin.com",
            "https://api.kucoin.com",
            {"X-SITE-TYPE": "australia"},
        ),
    ],
)
def test_each_named_site_has_its_endpoints(
    name: str, web: str, rest: str, headers: dict[str, str]
) -> None:
    """Each name gives its hosts, headers and endpoints, and its version of the Fast API."""
    site = resolve_site(name)
    assert (site.name, site.web, site.rest) == (name, web, rest)
    assert dict(site.rest_headers) == headers
    assert site.authorization_endpoint == f"{web}/oauth"
    assert site.token_endpoint == f"{web}/_oauth/access-token"
    assert site.refresh_endpoint == f"{web}/_oauth/refresh-token"
    assert site.validation_endpoint == f"{web}/_oauth/validate-access-token"
    first = f"{web}/_oauth/resource/ucenter/outer/api-key/add"
    second = f"{web}/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add"
    assert site.fast_api == (2 if name == "global" else 1)
    assert site.api_key_endpoint == (second if name == "global" else first)
    assert resolve_site(name, 1).api_key_endpoint == first
    assert resolve_site(name, "2").api_key_endpoint == second


@pytest.mark.parametrize("version", [0, 3, "one", True, 1.5, [1]])
def test_an_unknown_version_is_refused(version: Any) -> None:
    """Each of these versions of the Fast API is refused, and the error names 1 and 2."""
    for make in (
        lambda: resolve_site("eu", version),
        lambda: Site("https://a.example.com", fast_api=version),
    ):
        with pytest.raises(ConfigurationError, match="1 or 2"):
            make()


@pytest.mark.parametrize(
    "url",
    [
        "https://www.kucoin.eu/oauth",
        "https://www.kucoin.eu/oauth/",
        "https://www.kucoin.com/en-eu/oauth",
        "https://www.kucoin.com/_oauth/access-token",
        "https://api.kucoin.com/api/v1/user/api-key",
    ],
)
def test_url_with_a_page_path_is_refused_as_base_url(url: str) -> None:
    """A base URL with the path of a page or a call is refused; with another path it is accepted."""
    for make in (lambda: resolve_site(url), lambda: Site("https://www.kucoin.com", url)):
        with pytest.raises(ConfigurationError, match="base URL, which ends before"):
            make()
    assert Site("https://www.kucoin.com/en-eu").token_endpoint.endswith(
        "/en-eu/_oauth/access-token"
    )


def test_a_base_url_serves_both_web_and_rest() -> None:
    """A site that is given as one URL uses this URL for its OAuth calls and its REST calls."""
    site = resolve_site("http://127.0.0.1:9400/")
    assert site.web == site.rest == "http://127.0.0.1:9400"


def test_replacing_web_moves_the_derived_addresses() -> None:
    """Replacing ``web`` moves all addresses derived from it; addresses that were given stay."""
    moved = dataclasses.replace(SITES["eu"], web="https://eu.example.com")
    assert moved == Site("https://eu.example.com", "https://api.kucoin.eu", name="eu")
    assert moved.token_endpoint == "https://eu.example.com/_oauth/access-token"
    site = Site("https://a.example.com", token_endpoint="https://login.example.com/token")
    moved = dataclasses.replace(site, web="https://b.example.com")
    assert moved.token_endpoint == "https://login.example.com/token"
    assert moved.rest == "https://b.example.com"


def test_a_site_can_be_copied_and_pickled() -> None:
    """A copied or unpickled site equals the original, and has the same hash."""
    site = SITES["australia"]
    for again in (copy.deepcopy(site), pickle.loads(pickle.dumps(site))):
        assert again == site
        assert hash(again) == hash(site)


def test_url_with_a_password_is_refused_without_showing_it() -> None:
    """A URL with a password is refused, and the error does not show the password."""
    with pytest.raises(KuCoinError, match="user name and password") as caught:
        Site("https://user:pass-word@www.example.com")
    assert "pass-word" not in str(caught.value)


def test_each_endpoint_can_be_set() -> None:
    """The REST, login, token and refresh addresses can each be given."""
    site = Site(
        "https://www.example.com",
        rest="https://api.example.com/v",
        authorization_endpoint="https://login.example.com/start",
        token_endpoint="https://login.example.com/token",
        refresh_endpoint="https://login.example.com/refresh",
    )
    assert resolve_site(site) is site
    assert site.authorization_endpoint == "https://login.example.com/start"
    assert site.token_endpoint == "https://login.example.com/token"
    assert site.refresh_endpoint == "https://login.example.com/refresh"
    assert site.rest == "https://api.example.com/v"


@pytest.mark.parametrize("nothing", [None, "", "EU", "mars", "www.kucoin.com", 5])
def test_missing_or_unknown_site_lists_the_choices(nothing: Any) -> None:
    """A missing or unknown site raises a ``ValueError`` that lists the names to choose from."""
    with pytest.raises(KuCoinError, match="'global', 'eu', 'australia'") as caught:
        resolve_site(nothing)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "url",
    [
        "http://www.kucoin.com",
        "ftp://127.0.0.1",
        "https://",
        "https://www.example.com?x=1",
        "https://www.example.com?",
        "https://www.example.com#x",
        "https://www.example.com#",
        "https://www.example.com:port",
        "https://www.exämple.com",
        " https://www.example.com",
        "https://www.example.com/a b",
    ],
)
def test_invalid_url_is_refused(url: str) -> None:
    """A URL that is no base URL, or is neither https nor http to loopback, is refused."""
    with pytest.raises(KuCoinError, match=r"base URL|clear text"):
        Site(url)


def test_site_and_its_headers_are_frozen() -> None:
    """Neither a site, nor its headers, nor the table of sites can be changed."""
    headers = {"X-SITE-TYPE": "australia"}
    site = Site("https://www.example.com", rest_headers=headers)
    headers["X-OTHER"] = "changed"
    assert dict(site.rest_headers) == {"X-SITE-TYPE": "australia"}
    with pytest.raises(TypeError):
        site.rest_headers["X"] = "y"  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        site.web = "https://evil.example.com"  # type: ignore[misc]
    with pytest.raises(TypeError):
        SITES["eu"] = site  # type: ignore[index]
    assert hash(site) == hash(dataclasses.replace(site))

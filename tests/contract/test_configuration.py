"""Where a registration's settings come from, which are refused, and that none are shared."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authlib_kucoin import (
    ApiKey,
    KuCoinError,
    Site,
    TokenError,
    UnsafeRedirectURI,
    register_kucoin,
)
from tests.contract.hosts import HOSTS, Host
from tests.contract.recorder import TOKEN, Recorder

CALLBACK = "https://broker.example.com/callback"
KEY = ApiKey("broker-1", "key-id", "key-secret", "phrase")


def client_id(url: str) -> str:
    """Return the client id in an authorization URL."""
    (value,) = parse_qs(urlsplit(url).query)["client_id"]
    return value


# --- where settings come from ------------------------------------------------------------------


def test_site_and_client_id_are_read_from_settings(host: Host) -> None:
    """Both settings are read under the registered name, as Authlib reads its own."""
    host.configure({"kucoin": {"site": "eu", "client_id": "configured"}})
    app = register_kucoin(host.oauth())
    url = host.location(app, CALLBACK)
    assert url.startswith("https://www.kucoin.eu/oauth?response_type=code&client_id=configured&")


def test_arguments_win_over_settings_without_overwrite(host: Host) -> None:
    """An argument wins over a setting; with ``overwrite=True``, the setting wins."""
    host.configure({"kucoin": {"site": "eu", "client_id": "configured"}})
    given = {"site": "global", "client_id": "given"}
    url = host.location(register_kucoin(host.oauth(), **given), CALLBACK)
    assert (urlsplit(url).hostname, client_id(url)) == ("www.kucoin.com", "given")
    url = host.location(register_kucoin(host.oauth(), overwrite=True, **given), CALLBACK)
    assert (urlsplit(url).hostname, client_id(url)) == ("www.kucoin.eu", "configured")


def test_settings_may_come_after_registration(host: Host) -> None:
    """The site may be configured after the registration."""
    app = register_kucoin(host.oauth(), client_id="given")
    host.configure({"kucoin": {"site": "australia"}})
    assert host.location(app, CALLBACK).startswith("https://www.kucoin.com/oauth?")


@pytest.mark.parametrize("site", ["http://127.0.0.1:9400", Site("http://127.0.0.1:9400")])
def test_a_site_may_be_a_url_or_a_site(site: Site | str, host: Host) -> None:
    """``site`` may be a base URL or a ``Site``."""
    app = register_kucoin(host.oauth(), site=site, client_id="given")
    assert host.location(app, CALLBACK).startswith("http://127.0.0.1:9400/oauth?")


USES: dict[str, Callable[[Host, Any], Any]] = {
    "authorize_redirect": lambda host, app: host.authorize(app, CALLBACK),
    "create_authorization_url": lambda _, app: app.create_authorization_url(CALLBACK),
    "fetch_access_token": lambda _, app: app.fetch_access_token(CALLBACK, code="code"),
    "refresh_access_token": lambda _, app: app.refresh_access_token(TOKEN),
    "validate_access_token": lambda _, app: app.validate_access_token(TOKEN),
    "create_api_key": lambda _, app: app.create_api_key(token=TOKEN),
    "get_api_key_info": lambda _, app: app.get_api_key_info(KEY),
    "get": lambda _, app: app.get("https://www.example.com", token=TOKEN),
}


@pytest.mark.parametrize("site", [None, "EU", "kucoin.com"])
@pytest.mark.parametrize("use", USES)
def test_missing_site_raises_at_every_use(use: str, site: str | None, host: Host) -> None:
    """Without a known site, each use raises an error that lists the sites.

    The second use also raises: Authlib has not put its own app in the place of ours.
    """
    oauth = host.oauth()
    register_kucoin(oauth, site=site, client_id="given")
    for _ in range(2):
        with pytest.raises(KuCoinError, match="'global', 'eu', 'australia'") as caught:
            host.run(lambda: USES[use](host, oauth.kucoin))
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("use", ["authorize_redirect", "fetch_access_token"])
def test_missing_client_id_error_names_the_setting(use: str, host: Host) -> None:
    """Without a client id, the login and the exchange raise an error that names the setting."""
    app = register_kucoin(host.oauth(), site="eu")
    with pytest.raises(KuCoinError, match="KUCOIN_CLIENT_ID"):
        host.run(lambda: USES[use](host, app))


def test_redirect_uri_in_authorize_params_wins(host: Host) -> None:
    """A redirect URI in ``authorize_params`` wins over the argument of ``authorize_redirect``."""
    app = register_kucoin(
        host.oauth(), site="eu", client_id="given", authorize_params={"redirect_uri": CALLBACK}
    )
    assert f"&redirect_uri={CALLBACK}&" in host.location(app)
    assert f"&redirect_uri={CALLBACK}&" in host.location(app, "https://other.example.com/")


# --- registrations share nothing ---------------------------------------------------------------


def test_two_names_share_nothing(host: Host, recorder: Recorder) -> None:
    """Registrations under different names share neither settings nor connections."""
    host.configure({"kucoin_eu": {"site": "eu", "client_id": "one"}})
    oauth = host.oauth()
    kwargs = {"timeout": 5}
    eu = register_kucoin(oauth, "kucoin_eu", client_kwargs=kwargs)
    other = register_kucoin(oauth, "other", site=recorder.url, client_kwargs=kwargs)
    third = register_kucoin(oauth, "third", site=recorder.url, client_id="3", client_kwargs=kwargs)
    assert client_id(host.location(eu, CALLBACK)) == "one"
    assert client_id(host.location(third, CALLBACK)) == "3"
    with pytest.raises(KuCoinError, match="client id"):
        host.location(other, CALLBACK)
    assert len({id(app.client_kwargs) for app in (eu, other, third)}) == 3
    for app in (other, third, other):
        host.run(lambda: app.validate_access_token(TOKEN))  # noqa: B023 - called at once
    assert [request.connection for request in recorder.requests] == [1, 2, 1]
    host.run(other.close)
    host.run(third.close)


def test_two_oauth_objects_share_nothing(host: Host, recorder: Recorder) -> None:
    """Two ``OAuth`` objects can each have a registration named "kucoin", with its own settings."""
    first = register_kucoin(host.oauth(), site=recorder.url, client_id="one")
    second = register_kucoin(host.oauth(), site="eu", client_id="two")
    assert client_id(host.location(first, CALLBACK)) == "one"
    assert client_id(host.location(second, CALLBACK)) == "two"
    assert host.location(second, CALLBACK).startswith("https://www.kucoin.eu/")
    assert host.location(first, CALLBACK).startswith(recorder.url)


def test_second_registration_of_a_name_replaces_the_first(host: Host) -> None:
    """A second registration of a name replaces the first, which has been used already."""
    oauth = host.oauth()
    register_kucoin(oauth, site="eu", client_id="one")
    host.location(oauth.kucoin, CALLBACK)
    register_kucoin(oauth, site="global", client_id="two")
    url = host.location(oauth.kucoin, CALLBACK)
    assert (urlsplit(url).hostname, client_id(url)) == ("www.kucoin.com", "two")


@pytest.mark.parametrize("overwrite", [False, True])
def test_dicts_of_the_caller_are_not_changed(
    overwrite: bool,
    host: Host,
    recorder: Recorder,
) -> None:
    """Neither the registration nor a call changes the options, settings or token it was given."""
    settings = {"kucoin": {"client_id": "configured", "client_kwargs": {"timeout": 5}}}
    options = {"client_kwargs": {"scope": "OAUTH_CREATE_API"}, "client_id": "given"}
    token = {**TOKEN, "scope": ["OAUTH_CREATE_API"]}
    if HOSTS["starlette"] is type(host):
        del settings["kucoin"]["client_kwargs"]  # Starlette's settings can only be strings
    before = copy.deepcopy((settings, options, token))
    host.configure(settings)
    app = register_kucoin(host.oauth(), site=recorder.url, overwrite=overwrite, **options)
    host.location(app, CALLBACK)
    host.run(lambda: app.refresh_access_token(token))
    host.run(lambda: app.create_api_key(token))
    host.run(app.close)
    assert (settings, options, token) == before


# --- redirect URIs, parameters and tokens ------------------------------------------------------


def test_configured_redirect_uri_is_the_default(host: Host) -> None:
    """The redirect URI in ``client_kwargs`` is used if the call passes none."""
    app = register_kucoin(
        host.oauth(), site="eu", client_id="given", client_kwargs={"redirect_uri": CALLBACK}
    )
    assert f"&redirect_uri={CALLBACK}&" in host.location(app)
    assert f"&redirect_uri={CALLBACK}/2&" in host.location(app, f"{CALLBACK}/2")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (None, "no redirect URI"),
        ("/callback", "absolute URL"),
        ("http://broker.example.com/callback", "not https"),
        (f"{CALLBACK}?a=1&b=2", "the character '&'"),
        (f"{CALLBACK}/%2F", "the character '%'"),
        (f"{CALLBACK}/ä", r"the character U\+00E4"),
    ],
)
def test_redirect_uri_that_needs_encoding_is_refused(
    uri: str | None, reason: str, host: Host, recorder: Recorder
) -> None:
    """The login and the exchange refuse the redirect URI, and nothing is sent.

    It is missing, relative, http for a host other than loopback, or cannot be sent unencoded.
    """
    app = register_kucoin(host.oauth(), site=recorder.url, client_id="given")
    with pytest.raises(UnsafeRedirectURI, match=reason):
        host.location(app, uri)
    with pytest.raises(UnsafeRedirectURI, match=reason):
        host.run(lambda: app.fetch_access_token(uri, code="code"))
    assert recorder.requests == []


@pytest.mark.parametrize(
    ("options", "params", "reason"),
    [
        ({"client_kwargs": {"code_challenge_method": "S256"}}, {}, "no PKCE"),
        ({"authorize_params": {"prompt": "login"}}, {}, "no parameter 'prompt'"),
        ({}, {"nonce": "1", "acr": "2"}, "no parameter 'acr', 'nonce'"),
        ({}, {"response_type": "token"}, "authorization code mode only"),
        ({"client_kwargs": {"scope": "openid"}}, {}, "no parameter 'nonce'"),
    ],
)
def test_unknown_login_parameter_is_refused(
    options: dict[str, Any], params: dict[str, str], reason: str, host: Host
) -> None:
    """A parameter or response type that the login page lacks is refused, also from an option."""

    def register_and_log_in() -> None:
        app = register_kucoin(host.oauth(), site="eu", client_id="given", **options)
        host.location(app, CALLBACK, **params)

    with pytest.raises(KuCoinError, match=reason):
        register_and_log_in()


@pytest.mark.parametrize(
    ("options", "params", "reason"),
    [
        ({"access_token_params": {"audience": "x"}}, {}, "no parameter 'audience'"),
        ({}, {"code_verifier": "x"}, "no parameter 'code_verifier'"),
        ({}, {"grant_type": "client_credentials"}, "authorization code mode only"),
    ],
)
def test_unknown_token_parameter_is_refused(
    options: dict[str, Any], params: dict[str, str], reason: str, host: Host, recorder: Recorder
) -> None:
    """A parameter or grant type that KuCoin's token call does not know is refused, unsent."""
    app = register_kucoin(host.oauth(), site=recorder.url, client_id="given", **options)
    with pytest.raises(KuCoinError, match=reason):
        host.run(lambda: app.fetch_access_token(CALLBACK, code="code", **params))
    assert recorder.requests == []


def test_create_api_key_without_a_token_raises(host: Host, recorder: Recorder) -> None:
    """``create_api_key()`` raises: the app kept no token of its earlier exchange or refresh."""
    app = register_kucoin(host.oauth(), site=recorder.url, client_id="given")
    host.run(lambda: app.fetch_access_token(CALLBACK, code="code"))
    host.run(lambda: app.refresh_access_token(TOKEN))
    with pytest.raises(TokenError, match="have the user authorize first"):
        host.run(app.create_api_key)
    assert len(recorder.requests) == 2
    host.run(app.close)


def test_registering_with_another_object_than_oauth_is_refused() -> None:
    """``register_kucoin`` raises for an object that is no ``OAuth`` of Authlib."""
    with pytest.raises(TypeError, match="Flask, Starlette, Django"):
        register_kucoin(object())

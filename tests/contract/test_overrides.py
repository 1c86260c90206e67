"""Which names of Authlib and the HTTP libraries a subclass can override."""

from __future__ import annotations

from typing import Any
from unittest import mock

import httpx2
import pytest
import requests
from authlib.integrations.django_client import DjangoOAuth2App
from authlib.integrations.flask_client import FlaskOAuth2App
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.integrations.starlette_client import StarletteOAuth2App

from authlib_kucoin import (
    ApiKeyOutcomeUnknown,
    AsyncKuCoinOAuth2Client,
    ConfigurationError,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    register_kucoin,
)
from authlib_kucoin._clients.overrides import OF_APPS, OF_CLIENTS
from authlib_kucoin.django_client import KuCoinDjangoApp
from authlib_kucoin.flask_client import KuCoinFlaskApp
from authlib_kucoin.starlette_client import KuCoinStarletteApp
from tests.contract.hosts import CALLBACK, Host, ask, every_client
from tests.contract.recorder import TOKEN, Recorder

CLIENTS = {
    KuCoinOAuth2Session: OAuth2Session,
    KuCoinOAuth2Client: OAuth2Client,
    AsyncKuCoinOAuth2Client: AsyncOAuth2Client,
}
APPS = {
    KuCoinFlaskApp: FlaskOAuth2App,
    KuCoinDjangoApp: DjangoOAuth2App,
    KuCoinStarletteApp: StarletteOAuth2App,
}
#: Names that a subclass can override, because a call or the application itself uses them.
OF_CLIENTS_CALLED = {
    *("create_authorization_url", "ensure_active_token", "fetch_access_token", "fetch_token"),
    *("introspect_token", "refresh_token", "register_client_auth_method", "revoke_token"),
    *("register_compliance_hook", "request", "stream", "token", "token_auth_class"),
    "token_from_fragment",
}
OF_APPS_CALLED = {
    *("OAUTH_APP_CONFIG", "authorize_access_token", "authorize_redirect", "client_cls"),
    *("create_authorization_url", "fetch_access_token", "save_authorize_data", "token"),
    *("delete", "get", "patch", "post", "put", "request", "_send_token_request"),
    *("_create_oauth2_authorization_url", "_get_requested_token", "_on_update_token"),
    # Methods of OpenID Connect, which only the application calls.
    *("create_logout_url", "fetch_jwk_set", "logout_redirect", "parse_id_token", "userinfo"),
    "validate_logout_response",
}


def names_of(theirs: type, package: str) -> set[str]:
    """Return the names that a class and its bases in a package define, except ``__…`` names."""
    classes = [each for each in theirs.__mro__ if each.__module__.startswith(package)]
    names = {name for each in classes for name in vars(each)}
    return {name for name in names if not name.startswith("__")}


@pytest.mark.parametrize("ours", CLIENTS)
def test_every_authlib_client_method_is_called_or_refused(ours: type) -> None:
    """Each name in Authlib's clients, by ``names_of``, is listed as called or as refused."""
    names = names_of(CLIENTS[ours], "authlib.")
    assert names <= OF_CLIENTS.keys() | OF_CLIENTS_CALLED


@pytest.mark.parametrize("ours", APPS)
def test_every_authlib_app_method_is_called_or_refused(ours: type) -> None:
    """Each name in Authlib's apps, by ``names_of``, is listed as called or as refused."""
    assert names_of(APPS[ours], "authlib.") <= OF_APPS.keys() | OF_APPS_CALLED


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        *[(each, name) for each in CLIENTS for name in OF_CLIENTS],
        *[(each, name) for each in APPS for name in OF_APPS],
    ],
)
def test_override_without_effect_is_refused(ours: type, name: str) -> None:
    """Defining the class raises an error that names the override, and says why or what to do."""
    with pytest.raises(ConfigurationError, match=f"Mine overrides {name}, which .* not use: ."):
        type("Mine", (ours,), {name: print})
    mixin = type("Mixin", (), {name: print})
    with pytest.raises(ConfigurationError, match=f"Mixin overrides {name}"):
        type("Mine", (mixin, ours), {})


# --- send, which users of the HTTP libraries override ----------------------------------------


def recording(client_class: Any) -> tuple[type, list[str]]:
    """Return a subclass that records the end of each request's path, and the list of these."""
    paths: list[str] = []

    class Recording(client_class):  # type: ignore[misc]  # a variable
        def send(self, request: Any, **options: Any) -> Any:
            paths.append(str(request.url).partition("?")[0].rpartition("/")[2])
            return super().send(request, **options)

    return Recording, paths


@every_client
def test_send_is_called_for_every_request(client_class: Any, recorder: Recorder) -> None:
    """A custom ``send`` is called for KuCoin's calls and for the application's own requests."""
    recording_class, paths = recording(client_class)
    client = recording_class("broker", site=recorder.url, redirect_uri=CALLBACK)

    async def awaited(client: Any) -> None:
        await client.fetch_token(code="c")
        assert await client.create_api_key()
        await client.get(f"{recorder.url}/own")

    def blocking(client: Any) -> None:
        client.fetch_token(code="c")
        assert client.create_api_key()
        client.get(f"{recorder.url}/own")

    ask(client, awaited if client_class is AsyncKuCoinOAuth2Client else blocking)
    assert paths == [request.path.rpartition("/")[2] for request in recorder.requests]
    assert paths == ["access-token", "add", "own"]
    assert "cookie" not in recorder.requests[1].headers


OWNERS: dict[type, Any] = {
    KuCoinOAuth2Session: requests.Session,
    KuCoinOAuth2Client: httpx2.Client,
    AsyncKuCoinOAuth2Client: httpx2.AsyncClient,
}


@pytest.mark.parametrize("where", ["instance", "class"])
@every_client
def test_mock_of_send_is_called(
    client_class: Any, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a test replaces ``send`` by a mock, the call returns the mock's answer."""
    client = client_class("broker", site="eu", redirect_uri=CALLBACK)
    if client_class is KuCoinOAuth2Session:
        answer: Any = requests.Response()
        answer.status_code, answer._content = 200, b'{"access_token": "a"}'
    else:
        answer = httpx2.Response(200, json={"access_token": "a"})
    kind = mock.AsyncMock if client_class is AsyncKuCoinOAuth2Client else mock.Mock
    target = client if where == "instance" else OWNERS[client_class]
    monkeypatch.setattr(target, "send", kind(return_value=answer))
    assert ask(client, lambda client: client.fetch_token(code="c"))["access_token"] == "a"


@every_client
def test_failing_custom_send_leaves_key_outcome_unknown(client_class: Any) -> None:
    """A custom ``send`` may fail after it has sent the request, so the outcome is unknown."""

    class Mine(client_class):  # type: ignore[misc]  # a variable
        def send(self, *_request: Any, **_options: Any) -> Any:
            library = requests if client_class is KuCoinOAuth2Session else httpx2
            raise library.ReadTimeout("made up")

    client = Mine("broker", site="eu")
    with pytest.raises(ApiKeyOutcomeUnknown):
        ask(client, lambda client: client.create_api_key("a-token"))


# --- apps --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("create_logout_url", "fetch_jwk_set", "logout_redirect", "parse_id_token", "userinfo"),
        "validate_logout_response",
    ],
)
def test_openid_connect_is_refused(name: str, host: Host) -> None:
    """Each OpenID Connect method of an app raises an error: KuCoin has no OpenID Connect."""
    app = register_kucoin(host.oauth(), site="eu", client_id="b")
    with pytest.raises(ConfigurationError, match="no OpenID Connect"):
        host.run(lambda: getattr(app, name)(TOKEN))


def test_overridden_app_methods_are_called(host: Host, recorder: Recorder) -> None:
    """Overrides of the methods in ``names`` are called by a login and a refresh, in this order."""
    own = register_kucoin(host.oauth(), site="eu").__class__
    seen: list[str] = []

    def recorded(name: str) -> Any:
        inherited = getattr(own, name)

        def method(self: Any, *args: Any, **options: Any) -> Any:
            seen.append(name)
            return inherited(self, *args, **options)

        return method

    names = (
        *("authorize_redirect", "create_authorization_url", "save_authorize_data"),
        *("authorize_access_token", "fetch_access_token", "_on_update_token"),
    )
    mine = type("Mine", (own,), {name: recorded(name) for name in names})
    app = register_kucoin(
        host.oauth(), site=recorder.url, client_id="b", update_token=dict, client_cls=mine
    )
    state = host.state(app)
    assert host.come_back(app, f"code=c&state={state}")["access_token"]
    host.run(lambda: app.refresh_access_token(TOKEN))
    assert seen == list(names)
    host.run(app.close)

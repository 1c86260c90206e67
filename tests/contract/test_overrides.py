"""A method of Authlib's that a subclass overrides is called, or the subclass is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import requests
from authlib.integrations.django_client import DjangoOAuth2App
from authlib.integrations.flask_client import FlaskOAuth2App
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.integrations.starlette_client import StarletteOAuth2App
from social_core.backends.oauth import BaseOAuth2

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
from authlib_kucoin.social import _UNUSED
from authlib_kucoin.starlette_client import KuCoinStarletteApp
from tests.contract.hosts import CALLBACK, HOSTS, Host
from tests.contract.recorder import TOKEN, Recorder
from tests.contract.test_options import ask, every_client

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
#: What is called, or what applies to the application's own requests, as in Authlib.
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
    # OpenID Connect's: only the application calls them.
    *("create_logout_url", "fetch_jwk_set", "logout_redirect", "parse_id_token", "userinfo"),
    "validate_logout_response",
}


def names_of(theirs: type, package: str) -> set[str]:
    """Return what a class of another package lets a subclass override."""
    classes = [each for each in theirs.__mro__ if each.__module__.startswith(package)]
    names = {name for each in classes for name in vars(each)}
    return {name for name in names if not name.startswith("__")}


@pytest.mark.parametrize("ours", CLIENTS)
def test_every_method_of_authlibs_clients_has_been_thought_of(ours: type) -> None:
    """One that Authlib adds fails here until it is handled."""
    names = names_of(CLIENTS[ours], "authlib.")
    assert names <= OF_CLIENTS.keys() | OF_CLIENTS_CALLED


@pytest.mark.parametrize("ours", APPS)
def test_every_method_of_authlibs_apps_has_been_thought_of(ours: type) -> None:
    """As with the clients."""
    assert names_of(APPS[ours], "authlib.") <= OF_APPS.keys() | OF_APPS_CALLED


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        *[(each, name) for each in CLIENTS for name in OF_CLIENTS],
        *[(each, name) for each in APPS for name in OF_APPS],
    ],
)
def test_an_override_that_nothing_calls_is_refused(ours: type, name: str) -> None:
    """The class cannot be made; the text says what to do instead."""
    with pytest.raises(ConfigurationError, match=f"Mine overrides {name}, which .* not use: ."):
        type("Mine", (ours,), {name: print})
    mixin = type("Mixin", (), {name: print})
    with pytest.raises(ConfigurationError, match=f"Mixin overrides {name}"):
        type("Mine", (mixin, ours), {})


def test_every_method_of_social_cores_backends_has_been_thought_of() -> None:
    """Those of OAuth and of its requests: the rest is the same for all backends."""
    names = names_of(BaseOAuth2, "social_core.backends.oauth") | {"get_json", "request"}
    assert names <= {*_UNUSED} | SOCIAL_CALLED


#: As ``OF_CLIENTS_CALLED``; of those in the last lines social-core makes use itself.
SOCIAL_CALLED = {
    *("ACCESS_TOKEN_URL", "AUTHORIZATION_URL", "DEFAULT_SCOPE", "REFRESH_TOKEN_URL"),
    *("access_token_url", "auth_complete", "auth_url", "authorization_url", "refresh_token_url"),
    *("do_auth", "extra_data", "get_access_token", "get_redirect_uri", "get_scope", "user_data"),
    *("process_error", "refresh_token", "request_access_token"),
    *("get_access_token_url_format", "get_authorization_url_format", "get_request_state"),
    *("ID_KEY", "get_or_create_state", "get_session_state", "validate_state"),
    *("REVOKE_TOKEN_METHOD", "REVOKE_TOKEN_URL", "process_revoke_token_response"),
    *("revoke_token", "revoke_token_headers", "revoke_token_params", "revoke_token_url"),
    # An association, which is bound to a user, has a state of its own.
    *("STATE_LIFETIME", "_nonce_scope", "_oauth2_transaction", "_prune_transactions"),
    *("_state_lifetime", "_transaction_index_key", "state_token", "transaction_key"),
}


# --- send, which the HTTP libraries' own users override ----------------------------------------


def noting(client_class: Any) -> tuple[type, list[str]]:
    """Return a subclass that notes what it sends, and its notes."""
    paths: list[str] = []

    class Noting(client_class):  # type: ignore[misc]  # a variable
        def send(self, request: Any, **options: Any) -> Any:
            paths.append(str(request.url).partition("?")[0].rpartition("/")[2])
            return super().send(request, **options)

    return Noting, paths


@every_client
def test_send_is_called_for_every_request(client_class: Any, recorder: Recorder) -> None:
    """KuCoin's calls, and the application's own requests. What it adds reaches KuCoin."""
    noting_class, paths = noting(client_class)
    client = noting_class("broker", site=recorder.url, redirect_uri=CALLBACK)

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


@pytest.mark.parametrize("where", ["instance", "class"])
@every_client
def test_send_may_be_replaced_in_a_test(
    client_class: Any, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Authlib's own tests do; nothing goes out to KuCoin then."""
    client = client_class("broker", site="eu", redirect_uri=CALLBACK)
    if client_class is KuCoinOAuth2Session:
        answer: Any = requests.Response()
        answer.status_code, answer._content = 200, b'{"access_token": "a"}'
        owner: Any = requests.Session
    else:
        answer = httpx2.Response(200, json={"access_token": "a"})
        owner = httpx2.Client if client_class is KuCoinOAuth2Client else httpx2.AsyncClient

    async def awaited(*_request: Any, **_options: Any) -> Any:
        return answer

    def send(*_request: Any, **_options: Any) -> Any:
        return answer

    is_awaited = client_class is AsyncKuCoinOAuth2Client
    target = client if where == "instance" else owner
    monkeypatch.setattr(target, "send", awaited if is_awaited else send)
    assert ask(client, lambda client: client.fetch_token(code="c"))["access_token"] == "a"


@every_client
def test_a_key_is_unknown_if_an_own_send_fails(client_class: Any) -> None:
    """Nobody can tell what it has sent, so the cautious reading holds."""

    class Mine(client_class):  # type: ignore[misc]  # a variable
        def send(self, *_request: Any, **_options: Any) -> Any:
            library = requests if client_class is KuCoinOAuth2Session else httpx2
            raise library.ReadTimeout("made up")

    client = Mine("broker", site="eu")
    with pytest.raises(ApiKeyOutcomeUnknown):
        ask(client, lambda client: client.create_api_key("a-token"))


# --- apps --------------------------------------------------------------------------------------


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Each framework in turn."""
    host = HOSTS[request.param]()
    yield host
    host.close()


@pytest.mark.parametrize(
    "name",
    [
        *("create_logout_url", "fetch_jwk_set", "logout_redirect", "parse_id_token", "userinfo"),
        "validate_logout_response",
    ],
)
def test_openid_connect_is_refused(name: str, host: Host) -> None:
    """In Authlib these would raise a bare ``KeyError``, or ask KuCoin for nothing."""
    app = register_kucoin(host.oauth(), site="eu", client_id="b")
    with pytest.raises(ConfigurationError, match="no OpenID Connect"):
        host.run(lambda: getattr(app, name)(TOKEN))


def test_the_methods_of_an_app_are_called(host: Host, recorder: Recorder) -> None:
    """A subclass may see each step of a login and of a refresh."""
    own = register_kucoin(host.oauth(), site="eu").__class__
    seen: list[str] = []

    def noted(name: str) -> Any:
        inherited = getattr(own, name)

        def method(self: Any, *args: Any, **options: Any) -> Any:
            seen.append(name)
            return inherited(self, *args, **options)

        return method

    names = (
        *("authorize_redirect", "create_authorization_url", "save_authorize_data"),
        *("authorize_access_token", "fetch_access_token", "_on_update_token"),
    )
    mine = type("Mine", (own,), {name: noted(name) for name in names})
    app = register_kucoin(
        host.oauth(), site=recorder.url, client_id="b", update_token=dict, client_cls=mine
    )
    state = host.state(app)
    assert host.come_back(app, f"code=c&state={state}")["access_token"]
    host.run(lambda: app.refresh_access_token(TOKEN))
    assert seen == list(names)
    host.run(app.close)

"""Which options and attributes have an effect, which are refused, and what the errors say."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from time import monotonic
from typing import Any

import httpx2
import pytest
from authlib.integrations import httpx_client, requests_client
from authlib.integrations.base_client import InvalidTokenError, MissingTokenError
from authlib.integrations.base_client.registry import OAUTH_CLIENT_PARAMS
from authlib.integrations.base_client.sync_app import OAuth2Base
from authlib.integrations.flask_client import OAuth
from authlib.integrations.httpx_client.utils import HTTPX_CLIENT_KWARGS
from authlib.integrations.requests_client.utils import REQUESTS_SESSION_KWARGS
from authlib.oauth2.client import OAuth2Client

from authlib_kucoin import (
    ConfigurationError,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    KuCoinUnavailable,
    register_kucoin,
)
from authlib_kucoin._apps import options as of_apps
from authlib_kucoin._clients.options import parameters_of
from authlib_kucoin._clients.requests_adapter import KuCoinAdapter
from authlib_kucoin.flask_client import KuCoinFlaskApp
from tests.contract.hosts import CALLBACK, CLIENTS, HOSTS, Host, ask, every_client
from tests.contract.recorder import TOKEN, Recorder

NOBODY = "http://127.0.0.1:9"
OVER_HTTPX = CLIENTS[1:]


# --- the constructors of clients ---------------------------------------------------------------


@every_client
def test_every_library_option_is_accepted_or_refused(client_class: Any) -> None:
    """Each option of Authlib or the HTTP library is listed as accepted or refused; others raise."""
    names, instead = client_class.accepted
    taken = set(OAuth2Client.EXTRA_AUTHORIZE_PARAMS) | {"response_type", "grant_type"}
    if client_class is KuCoinOAuth2Session:
        taken |= {*REQUESTS_SESSION_KWARGS, *signature(requests_client.OAuth2Session).parameters}
    else:
        taken |= {*HTTPX_CLIENT_KWARGS, *signature(httpx2.Client).parameters}
        taken |= {*signature(httpx_client.AsyncOAuth2Client).parameters}
    taken |= signature(OAuth2Client).parameters.keys() - {"session", "metadata"}
    assert taken - {"kwargs"} <= names | instead.keys() | parameters_of(client_class)
    with pytest.raises(ConfigurationError, match="Leave out another: there is no such option"):
        client_class("broker", site="eu", another=None)


@every_client
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tiemout": 5}, "tiemout: there is no such option. Did you mean timeout?"),
        ({"scop": "x"}, "Did you mean scope?"),
        ({"sit": "eu"}, "Did you mean site?"),
        ({"prompt": "consent"}, "prompt: KuCoin's login page has no such parameter"),
        ({"login_hint": "me"}, "login_hint: KuCoin's login page"),
        ({"response_type": "token"}, "response_type: KuCoin has the authorization code mode only"),
        ({"grant_type": "password"}, "grant_type: KuCoin has the authorization code mode only"),
        ({"code_challenge_method": "S256"}, "KuCoin has no PKCE"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "secret is sent in the query"),
        ({"token_endpoint_auth_method": "none", "client_secret": "s"}, "leave out client_secret"),
        ({"token_endpoint_auth_method": lambda *_: None}, "sent in the query"),
        ({"revocation_endpoint_auth_method": "none"}, "KuCoin revokes no tokens"),
        ({"token_updater": print}, "the option is update_token"),
        ({"hooks": {"response": [print]}}, "no hook runs on KuCoin's calls"),
        ({"event_hooks": {"request": [print]}}, "no hook runs on KuCoin's calls"),
        ({"params": {"lang": "en"}}, "the document's parameters only"),
        ({"auth": ("me", "pw")}, "no other credentials"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_client_option_without_effect_is_refused(
    client_class: Any, options: dict[str, Any], says: str
) -> None:
    """The constructor raises an error that says why, or what to do instead."""
    with pytest.raises(ConfigurationError) as raised:
        client_class("broker", site="eu", **options)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("client_class", "options", "says"),
    [
        (KuCoinOAuth2Session, {"proxy": NOBODY}, "the option is proxies="),
        (KuCoinOAuth2Session, {"mounts": {}, "headers": {"a": "b"}}, "the session's attribute"),
        (KuCoinOAuth2Session, {"transport": object()}, "the session's mount()"),
        (KuCoinOAuth2Session, {"limits": object()}, "pool_maxsize and keepalive_expiry"),
        *[(each, {"proxies": {"https": NOBODY}}, "proxy='http://…'") for each in OVER_HTTPX],
        *[(each, {"default_timeout": 5}, "the option is timeout") for each in OVER_HTTPX],
        *[(each, {"pool_maxsize": 5}, "limits=httpx2.Limits") for each in OVER_HTTPX],
        *[(each, {"adapter": object()}, "the option is transport") for each in OVER_HTTPX],
        *[
            (each, {"transport": object(), name: value}, f"{name}: beside transport it has no")
            for each in OVER_HTTPX
            for name, value in {"verify": False, "cert": "c", "limits": object()}.items()
        ],
        *[
            (KuCoinOAuth2Session, {"adapter": KuCoinAdapter(), name: 9}, f"{name}: beside adapter")
            for name in ("pool_maxsize", "keepalive_expiry")
        ],
        (KuCoinOAuth2Session, {"timeout": 3, "default_timeout": 4}, "default_timeout: beside time"),
    ],
)
def test_option_without_effect_in_this_http_library_is_refused(
    client_class: Any, options: dict[str, Any], says: str
) -> None:
    """The error says what to use instead, or which other option makes the refused one useless."""
    with pytest.raises(ConfigurationError) as raised:
        client_class("broker", site="eu", **options)
    assert says in str(raised.value)


@every_client
def test_options_that_change_nothing_are_accepted(client_class: Any) -> None:
    """The constructor accepts values that ask for what is done anyway."""
    client_class(
        "broker",
        site="eu",
        response_type="code",
        grant_type="authorization_code",
        token_endpoint_auth_method="none",
        code_challenge_method=None,
    )


# --- attributes of clients that have been made -------------------------------------------------


@every_client
@pytest.mark.parametrize(
    "name",
    [
        "token_endpoint_auth_method",
        "revocation_endpoint_auth_method",
        "code_challenge_method",
        "compliance_hook",
        "token_endpoint",
        "token_placement",
        "prompt",
        "proxy",
        "mounts",
        "limits",
        "transport",
    ],
)
def test_setting_an_attribute_without_effect_is_refused(client_class: Any, name: str) -> None:
    """Setting one of these attributes raises an error, since no call would read it."""
    client = client_class("broker", site="eu")
    with pytest.raises(ConfigurationError, match=f"Leave out {name}: "):
        setattr(client, name, "x")


@pytest.mark.parametrize("client_class", OVER_HTTPX)
@pytest.mark.parametrize("name", ["verify", "cert", "proxies", "default_timeout"])
def test_httpx2_client_refuses_requests_attributes(client_class: Any, name: str) -> None:
    """These attributes of the session over requests cannot be set on the clients over httpx2."""
    client = client_class("broker", site="eu")
    with pytest.raises(ConfigurationError, match=f"Leave out {name}: "):
        setattr(client, name, "x")


@pytest.mark.parametrize("name", ["verify", "cert"])
def test_session_uses_changed_certificates(name: str) -> None:
    """A changed ``verify`` or ``cert`` is used by the next call, as in any requests session."""
    with KuCoinOAuth2Session("broker", site="https://127.0.0.1:9") as session:
        setattr(session, name, "/nowhere/file.pem")
        with pytest.raises(ConfigurationError, match="/nowhere/file"):
            session.validate_access_token("an-access-token")
        setattr(session, name, None)  # None means "as by default", not "do not verify"
        assert session.verify is True
        with pytest.raises(KuCoinUnavailable):
            session.validate_access_token("an-access-token")


def test_session_uses_changed_proxies(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed ``trust_env`` or ``proxies`` is used by the next call."""
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    with KuCoinOAuth2Session("broker", site=recorder.url) as session:
        session.trust_env = False
        assert session.validate_access_token(TOKEN)
        session.proxies = {"http": NOBODY}
        with pytest.raises(KuCoinUnavailable):
            session.validate_access_token(TOKEN)


@every_client
def test_client_uses_changed_headers_and_timeout(client_class: Any, recorder: Recorder) -> None:
    """Changed headers and a changed timeout are used by the next call."""
    client = client_class("broker", site=recorder.url)
    client.headers["X-Mine"] = "1"
    client.timeout = 0.2
    recorder.go_on.clear()
    began = monotonic()
    with pytest.raises(KuCoinUnavailable):
        ask(client, lambda client: client.validate_access_token(TOKEN))
    assert recorder.requests[0].header("x-mine") == "1"
    assert monotonic() - began < 5  # the default timeout is 10 s


def _add_hook(client: Any) -> None:
    hooks = client.hooks if isinstance(client, KuCoinOAuth2Session) else client.event_hooks
    hooks["response"].append(print)
    if client.__class__ in OVER_HTTPX:
        client.event_hooks = hooks


@every_client
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda client: setattr(client, "params", {"lang": "en"}), "has params"),
        (_add_hook, "has hooks"),
        (
            lambda client: client.register_compliance_hook("protected_request", print),
            "has protected_request hooks",
        ),
    ],
)
def test_call_refuses_params_and_hooks_of_the_client(
    client_class: Any, change: Callable[[Any], None], says: str, recorder: Recorder
) -> None:
    """``create_api_key`` raises if params or hooks are set on the client, and sends nothing."""
    client = client_class("broker", site=recorder.url)
    change(client)
    with pytest.raises(ConfigurationError, match=says):
        ask(client, lambda client: client.create_api_key("an-access-token"))
    assert recorder.requests == []


@every_client
def test_hooks_and_client_authentication_are_refused(client_class: Any) -> None:
    """A client accepts no hook for KuCoin's token calls, and no client authentication."""
    client = client_class("broker", site="eu")
    for hook in ("access_token_response", "refresh_token_request", "refresh_token_response"):
        with pytest.raises(ConfigurationError, match=f"no hook for '{hook}'"):
            client.register_compliance_hook(hook, print)
    with pytest.raises(ConfigurationError, match="no client authentication"):
        client.register_client_auth_method(("mine", print))


# --- the calls of clients ----------------------------------------------------------------------


@every_client
@pytest.mark.parametrize("seconds", [None, "x", 0, -1, float("nan")])
def test_total_timeout_is_checked_when_it_is_set(client_class: Any, seconds: Any) -> None:
    """Setting a client's ``total_timeout`` to anything but a positive number raises an error."""
    client = client_class("broker", site="eu")
    with pytest.raises(ConfigurationError, match="positive number of seconds"):
        client.total_timeout = seconds
    client.total_timeout = 3
    assert client.total_timeout == 3.0


@every_client
@pytest.mark.parametrize(
    "params", [{"method": "GET"}, {"grant_type": None}, {"body": "", "headers": None, "auth": None}]
)
def test_arguments_that_change_nothing_are_accepted(
    client_class: Any, params: dict[str, Any], recorder: Recorder
) -> None:
    """``fetch_token`` accepts the arguments in ``params``: empty ones, and ``method="GET"``."""
    client = client_class("broker", site=recorder.url, redirect_uri=CALLBACK)
    assert ask(client, lambda client: client.fetch_token(code="c", **params))["access_token"]


@every_client
@pytest.mark.parametrize("scope", ["A B", ["A", "B"]])
def test_refresh_sends_the_given_scope(client_class: Any, scope: Any, recorder: Recorder) -> None:
    """``refresh_token(scope=…)`` sends this scope in place of the client's own."""
    client = client_class("broker", site=recorder.url, scope="MINE", token=TOKEN)
    ask(client, lambda client: client.refresh_token(scope=scope))
    assert recorder.requests[0].body.endswith(b"&scope=A+B")


@every_client
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda client: client.fetch_token(code="c", timeout=3), "Give timeout when the client is"),
        (lambda client: client.fetch_token(code="c", verify=False), "Give verify when the client"),
        (lambda client: client.fetch_token(code="c", method="POST"), "is a GET"),
        (lambda client: client.fetch_token(code="c", auth=("a", "b")), "no parameter 'auth'"),
        (lambda client: client.fetch_token(code="c", grant_type="password"), "code mode only"),
        (lambda client: client.fetch_token(), "code= or authorization_response="),
        (lambda client: client.fetch_token(code="c", state="s"), "Pass state= with authorization"),
        (
            lambda client: client.fetch_token(
                code="c", authorization_response=f"{CALLBACK}?code=d"
            ),
            "code= or authorization_response=, not both",
        ),
        (
            lambda client: client.create_api_key("a", request=object()),
            "token= or request=, not both",
        ),
        (lambda client: client.create_api_key(request=object()), "has no use for request="),
        (lambda client: client.refresh_token(timeout=3), "Give timeout when the client is made"),
        (lambda client: client.refresh_token(body="a=b"), "no parameter 'body'"),
        (
            lambda client: client.refresh_token(client.site.token_endpoint),
            "Leave out the URL of the token endpoint",
        ),
        (lambda client: client.revoke_token("https://www.example.com/"), "no call to revoke"),
        (lambda client: client.introspect_token("https://www.example.com/"), "validate_access_tok"),
        (lambda client: client.token_from_fragment(f"{CALLBACK}#access_token=a"), "code mode only"),
    ],
)
def test_call_argument_without_effect_is_refused(
    client_class: Any, call: Callable[[Any], Any], says: str, recorder: Recorder
) -> None:
    """The call raises before anything is sent, and the client keeps its token."""
    client = client_class("broker", site=recorder.url, redirect_uri=CALLBACK, token=TOKEN)
    with pytest.raises(ConfigurationError) as raised:
        ask(client, call)
    assert says in str(raised.value)
    assert recorder.requests == []
    assert client.token["access_token"] == TOKEN["access_token"]


@every_client
def test_query_of_a_given_address_is_kept(client_class: Any, recorder: Recorder) -> None:
    """The query of a given address stays in the URL, before the document's parameters."""
    endpoint = f"{recorder.url}/_oauth/access-token?a=%7Eb"  # not "~b"
    client = client_class("broker", site=recorder.url, redirect_uri=CALLBACK)
    url, _ = client.create_authorization_url("https://login.example.com/oauth?lang=en")
    assert url.startswith("https://login.example.com/oauth?lang=en&response_type=code&client_id=")
    assert ask(client, lambda client: client.fetch_token(endpoint, code="c"))["access_token"]
    assert recorder.requests[0].target.startswith(
        "/_oauth/access-token?a=%7Eb&grant_type=authorization_code&code=c&redirect_uri="
    )


@every_client
def test_token_placement_uri_puts_the_token_into_the_url(
    client_class: Any, recorder: Recorder
) -> None:
    """``token_placement="uri"`` puts the token into the URL of the application's own request."""
    token = {"access_token": "mine", "token_type": "bearer"}
    client = client_class("broker", site=recorder.url, token=token, token_placement="uri")
    ask(client, lambda client: client.get(f"{recorder.url}/own"))
    [request] = recorder.requests
    assert request.target == "/own?access_token=mine"
    assert "authorization" not in request.headers


@every_client
def test_token_errors_have_authlibs_classes(client_class: Any) -> None:
    """Without a token, or with one expired for good, an error of Authlib's class is raised."""
    client = client_class("broker", site="eu")
    with pytest.raises(MissingTokenError):
        ask(client, lambda client: client.create_api_key())
    expired = {"access_token": "a", "expires_at": 1}
    client = client_class("broker", site="eu", token=expired)
    with pytest.raises(InvalidTokenError):
        ask(client, lambda client: client.get("https://www.example.com/"))


def test_fetch_access_token_is_an_alias_of_fetch_token(recorder: Recorder) -> None:
    """``fetch_access_token`` of a session does the same as ``fetch_token``."""
    with KuCoinOAuth2Session("broker", site=recorder.url, redirect_uri=CALLBACK) as session:
        assert session.fetch_access_token(code="c")["access_token"]
        with pytest.raises(ConfigurationError, match="Give timeout when"):
            session.fetch_access_token(code="c", timeout=3)


# --- registrations -----------------------------------------------------------------------------

NO_EFFECT: list[tuple[dict[str, Any], str]] = [
    ({"client_auth_methods": ["client_secret_basic"]}, "client_auth_methods: a client secret is"),
    ({"compliance_fix": print}, "compliance_fix: KuCoin's differences from the RFC are built in"),
    ({"refresh_token_params": {"a": "b"}}, "refresh_token_params: the document's refresh"),
    ({"server_metadata_url": "https://www.example.com/"}, "server_metadata_url: KuCoin publishes"),
    ({"request_token_url": "https://www.example.com/"}, "request_token_url: it is OAuth 1's"),
    ({"userinfo_endpoint": "https://www.example.com/"}, "no user-info"),
    ({"authorization_endpoint": "https://www.example.com/"}, "the option is authorize_url"),
    ({"sit": "eu"}, "sit: there is no such option. Did you mean site?"),
    ({"client_kwarg": None}, "Did you mean client_kwargs?"),
    ({"timeout": 5}, "timeout: give it in client_kwargs={'timeout': …}"),
    ({"client_kwargs": {"tiemout": 5}}, "tiemout: there is no such option. Did you mean timeout?"),
    ({"client_kwargs": {"prompt": "login"}}, "KuCoin's login page has no such parameter"),
    ({"client_kwargs": {"token_endpoint_auth_method": "client_secret_post"}}, "sent in the query"),
    ({"client_kwargs": {"client_id": "x"}}, "client_id in client_kwargs: give it to register"),
    ({"client_kwargs": {"site": "eu"}}, "site in client_kwargs: give it to register"),
    ({"client_kwargs": {"token": TOKEN}}, "token in client_kwargs: an app serves all users"),
    ({"client_kwargs": {"adapter": None}}, "adapter in client_kwargs"),
]


@pytest.mark.parametrize(("option", "says"), NO_EFFECT, ids=lambda each: str(each)[:40])
def test_registration_option_without_effect_is_refused(
    option: dict[str, Any], says: str, host: Host
) -> None:
    """``register_kucoin`` raises, and Authlib has no app named "kucoin" afterwards."""
    oauth = host.oauth()
    with pytest.raises(ConfigurationError) as raised:
        register_kucoin(oauth, **{"site": "eu", "client_id": "given", **option})
    assert says in str(raised.value)
    assert oauth.create_client("kucoin") is None


def test_option_is_refused_without_a_flask_application() -> None:
    """``register_kucoin`` raises, although no Flask application exists yet."""
    with pytest.raises(ConfigurationError, match="Did you mean site"):
        register_kucoin(OAuth(), sit="eu")


@pytest.mark.parametrize(
    ("host_name", "kwargs"),
    [
        ("flask", {"proxy": NOBODY}),
        ("django", {"proxy": NOBODY}),
        ("starlette", {"proxies": {"https": NOBODY}}),
    ],
)
def test_proxy_option_of_the_other_library_is_refused(
    host_name: str, kwargs: dict[str, Any]
) -> None:
    """``register_kucoin`` refuses the proxy option of the other HTTP library."""
    with pytest.raises(ConfigurationError, match="prox"):
        register_kucoin(HOSTS[host_name]().oauth(), site="eu", client_kwargs=kwargs)


def test_settings_option_without_effect_raises_at_each_use(host: Host) -> None:
    """An option without effect in the application's settings makes each login raise."""
    host.configure({"kucoin": {"server_metadata_url": "https://www.example.com/", "site": "eu"}})
    app = register_kucoin(host.oauth(), client_id="given")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="Leave out server_metadata_url"):
            host.location(app, CALLBACK)


def test_every_registration_option_is_accepted_or_refused() -> None:
    """Each option that Authlib's registration takes is listed as accepted or as refused."""
    taken = {*OAUTH_CLIENT_PARAMS, *signature(OAuth2Base).parameters}
    taken -= {"framework", "name", "kwargs"}
    assert not taken - of_apps._KNOWN - of_apps._INSTEAD.keys()


def test_changed_attribute_of_an_app_is_used(host: Host, recorder: Recorder) -> None:
    """If one of these attributes is changed, the next call uses it, although the app was in use."""
    app = register_kucoin(host.oauth(), site=recorder.url, client_id="given")
    host.location(app, CALLBACK)
    for name, value, sent in (
        ("client_id", "other", "&client_id=other&"),
        ("client_kwargs", {"scope": "OTHER"}, "&scope=OTHER&"),
        ("authorize_url", "https://login.example.com/", "https://login.example.com?"),
        ("client_secret", "a-secret", "&client_secret=a-secret"),
        ("access_token_url", f"{recorder.url}/_oauth/access-token?a=b", "/access-token?a=b&"),
    ):
        setattr(app, name, value)
        url = host.location(app, CALLBACK)
        host.run(lambda: app.fetch_access_token(CALLBACK, code="c"))
        assert sent in url + recorder.requests[-1].target
        host.run(app.close)


def test_settings_of_an_app_class_are_not_changed(host: Host) -> None:
    """``OAUTH_APP_CONFIG`` is not changed, and a second app gets no secret of the first app."""
    own = register_kucoin(host.oauth(), site="eu").__class__
    config = {"site": "eu", "client_kwargs": {"scope": "MINE"}}
    mine = type("Mine", (own,), {"OAUTH_APP_CONFIG": {**config}})
    oauth = host.oauth()
    app = register_kucoin(oauth, client_id="one", client_secret="s", client_cls=mine)
    second = register_kucoin(oauth, "second", client_cls=mine)
    assert config == mine.OAUTH_APP_CONFIG
    assert (second.client_id, second.client_secret) == (None, None)
    url = host.location(app, CALLBACK)
    assert url.startswith("https://www.kucoin.eu/oauth?")
    assert "&scope=MINE&" in url


def test_app_subclass_can_take_its_own_option() -> None:
    """A subclass can take its own option; an unknown one raises at the app's first use."""

    class Shop(KuCoinFlaskApp):
        def __init__(self, *args: Any, shop: str = "", **options: Any) -> None:
            super().__init__(*args, **options)
            self.shop = shop

    host = HOSTS["flask"]()
    options = {"site": "eu", "client_id": "given", "client_cls": Shop}
    app = register_kucoin(host.oauth(), shop="mine", **options)
    assert host.location(app, CALLBACK)
    assert app.shop == "mine"
    app = register_kucoin(host.oauth(), shpo="mine", **options)
    with pytest.raises(ConfigurationError, match="Leave out shpo"):
        host.location(app, CALLBACK)


def test_client_class_of_an_app_must_share_connections() -> None:
    """A Flask app whose ``client_cls`` is ``KuCoinOAuth2Client`` raises at its first use."""
    mine = type("Mine", (KuCoinFlaskApp,), {"client_cls": KuCoinOAuth2Client})
    host = HOSTS["flask"]()
    app = register_kucoin(host.oauth(), site="eu", client_id="given", client_cls=mine)
    with pytest.raises(ConfigurationError, match="client_cls is KuCoinOAuth2Client"):
        host.location(app, CALLBACK)


def test_no_client_cls_is_the_frameworks_own(host: Host) -> None:
    """``client_cls=None`` counts as left out, as in Authlib."""
    app = register_kucoin(host.oauth(), site="eu", client_id="given", client_cls=None)
    assert host.location(app, CALLBACK).startswith("https://www.kucoin.eu/oauth?")

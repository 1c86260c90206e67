"""The backend does what social-core's own tests demand of its OAuth 2 backends, and more.

social-core's package does not include its tests, so these are rewritten here: a login (here an
association), a pipeline that halts twice, a refresh. Tests of the requests, of subclasses, errors
and settings follow. Where a test sends requests, the sandbox or a recording server plays KuCoin,
over real sockets.
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import social_core
from social_core.actions import do_auth, do_complete
from social_core.backends.utils import user_backends_data
from social_core.exceptions import (
    AuthCanceled,
    AuthConfigurationError,
    AuthInputError,
    AuthProviderError,
    ErrorStage,
)
from social_core.utils import PARTIAL_TOKEN_SESSION_NAME

from authlib_kucoin import KuCoinUnavailable, ReauthorizationRequired, Site
from authlib_kucoin._social.errors import social_error
from authlib_kucoin.sandbox import Sandbox, run_sandbox
from authlib_kucoin.social import KuCoinOAuth2
from tests.social.host import PIPELINE, REDIRECT_URI, REFRESHABLE, UID, Host, no_login
from tests.social.memory import HOST, Partial, Social, Strategy, User, approved, kept
from tests.support.wire import Wire, answering

# --- social-core's requirements ------------------------------------------------------------------


def test_connecting_associates_the_user(host: Host) -> None:
    """The association has the KuCoin account's uid, and social-core lists it for the user."""
    assert host.come_back() == "/"
    assert host.user is not None
    [row] = Social.rows
    assert (row.provider, row.uid, row.user) == ("kucoin", UID, host.user)
    assert host.backend.get_user(host.user.id) is host.user
    backends = host.strategy.get_setting("SOCIAL_AUTH_AUTHENTICATION_BACKENDS")
    listed = user_backends_data(host.user, backends, host.strategy.storage)
    assert listed["associated"] == [row]
    assert listed["not_associated"] == ["mixcloud"]


def test_connecting_twice_leaves_one_association(host: Host) -> None:
    """Connecting twice leaves one association, with both keys stored and approved."""
    host.come_back()
    host.come_back()
    assert len(Social.rows) == 1
    assert approved == [f"{UID}:{key.api_key}" for _, key in kept]
    assert len(kept) == len(host.sandbox.issued_keys) == 2


def test_halted_pipeline_can_go_on(kucoin_sandbox: Sandbox) -> None:
    """A pipeline that halts twice can go on.

    What it stores meanwhile holds no token, and not the key's secret or passphrase.
    """
    steps = list(PIPELINE)
    steps[4:4] = ["tests.social.memory.ask_for_password", "tests.social.memory.ask_for_slug"]
    host = Host(kucoin_sandbox, PIPELINE=steps)
    assert host.come_back() == "/password"
    waiting = "".join(Partial.rows.values())
    host.strategy.session_set("password", "foobar")
    assert host.complete({}) == "/slug"
    waiting += "".join(Partial.rows.values())
    host.strategy.session_set("slug", "foo-bar")
    assert host.complete({}) == "/"
    [row] = Social.rows
    assert row.uid == UID
    assert not Partial.rows
    assert PARTIAL_TOKEN_SESSION_NAME not in host.strategy.session
    [(_, key)] = kept
    assert approved == [f"{UID}:{key.api_key}"]
    assert key.api_key in waiting
    for secret in (key.secret, key.passphrase, "sandbox-access", "sandbox-refresh"):
        assert secret not in waiting


def test_only_an_expired_token_is_refreshed(kucoin_sandbox: Sandbox) -> None:
    """An expired token is replaced in `extra_data` by a new token pair; a valid one is not."""
    host = Host(kucoin_sandbox, EXTRA_DATA=REFRESHABLE)
    host.come_back()
    [row] = Social.rows
    old = dict(row.extra_data)
    assert row.get_access_token(host.strategy) == old["access_token"]
    row.extra_data["auth_time"] -= 3600
    assert row.get_access_token(host.strategy) == row.extra_data["access_token"]
    assert row.extra_data["access_token"] != old["access_token"]
    assert row.extra_data["refresh_token"] != old["refresh_token"]
    assert not row.access_token_expired()
    refresh = kucoin_sandbox.requests[-1]
    assert (refresh.operation, refresh.method, refresh.status) == ("refresh", "POST", 200)
    assert refresh.body.startswith("grant_type=authorization_code&")


def test_urls_of_the_backend_are_those_of_the_site(host: Host) -> None:
    """The backend's URLs are the site's, and the redirect URI gets no state."""
    base = host.sandbox.url
    assert host.backend.authorization_url() == f"{base}/oauth"
    assert host.backend.access_token_url() == f"{base}/_oauth/access-token"
    assert host.backend.refresh_token_url() == f"{base}/_oauth/refresh-token"
    assert host.backend.ACCESS_TOKEN_METHOD == "GET"
    assert host.backend.REFRESH_TOKEN_METHOD == "POST"
    assert host.backend.get_redirect_uri("state") == REDIRECT_URI


# --- requests and callbacks -----------------------------------------------------------------------


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that records requests."""
    with Wire() as wire:
        yield wire


@pytest.mark.parametrize(
    ("settings", "last"),
    [({}, "client_id=a%20broker"), ({"SECRET": "s/3"}, "client_id=a%20broker&client_secret=s%2F3")],
)
def test_the_redirect_uri_is_raw_in_both_urls(
    wire: Wire, settings: dict[str, str], last: str
) -> None:
    """In login URL and exchange, all parameters but the redirect URI are percent-encoded."""
    token = {"access_token": "a", "token_type": "bearer", "expires_in": 3600}
    key = {"apiName": "n", "apiKey": "k", "secret": "s", "passphrase": "p"}
    wire.answer = answering(
        token,
        {"success": True, "code": "200", "data": key},
        {"code": "200000", "data": {"uid": 7, "permission": "General"}},
    )
    strategy = Strategy(
        KEY="a broker",
        SITE=wire.url,
        SCOPE=["OAUTH_CREATE_API", "MORE"],
        API_KEY_STEP="tests.social.memory.keep_api_key",
        LOGIN_REDIRECT_URL="/",
        SANITIZE_REDIRECTS=False,
        **settings,
    )
    raw = f"{HOST}/complete/kucoin/?tenant=a:b@c,d"
    user = User("alice")
    backend = KuCoinOAuth2(strategy, redirect_uri=raw.removeprefix(HOST))
    url = do_auth(backend, user=user)
    state = strategy.session["kucoin_state"]["state"]
    assert url == (
        f"{wire.url}/oauth?response_type=code&client_id=a%20broker&redirect_uri={raw}"
        f"&scope=OAUTH_CREATE_API%20MORE&state={state}"
    )
    strategy.data = {"code": "c/1", "state": state}
    backend = KuCoinOAuth2(strategy, redirect_uri=raw.removeprefix(HOST))
    do_complete(backend, login=no_login, user=user)
    exchange, create, _ = wire.seen
    assert exchange.line == (
        "GET /_oauth/access-token?grant_type=authorization_code&code=c%2F1"
        f"&redirect_uri={raw}&{last} HTTP/1.1"
    )
    assert (exchange.body, create.body) == (b"", b"")
    assert create.headers["authorization"] == "bearer a"


def test_second_association_opens_no_connection(host: Host) -> None:
    """Each web request has its own backend, but a second association opens no new connection."""
    host.come_back()
    before = host.sandbox.connections
    host.come_back()
    assert host.sandbox.connections == before


@pytest.mark.parametrize("mode", ["plain", "envelope", "form_post"])
def test_every_form_of_callback_is_accepted(mode: Any) -> None:
    """The parameters of a plain callback, of an envelope and of a form POST connect an account."""
    with run_sandbox(callback=mode) as sandbox:
        assert Host(sandbox).come_back() == "/"
    assert Social.rows


# --- subclasses and errors ------------------------------------------------------------------------


def test_addresses_of_subclass_or_settings_are_used(wire: Wire) -> None:
    """Addresses can be methods, attributes or (except for the refresh) settings of the backend."""

    class ByMethods(KuCoinOAuth2[str]):
        def authorization_url(self) -> str:
            return f"{wire.url}/my-login"

        def access_token_url(self) -> str:
            return f"{wire.url}/my-token"

        def refresh_token_url(self) -> str:
            return f"{wire.url}/my-refresh"

    class ByAttributes(KuCoinOAuth2[str]):
        AUTHORIZATION_URL = f"{wire.url}/my-login"
        ACCESS_TOKEN_URL = f"{wire.url}/my-token"
        REFRESH_TOKEN_URL = f"{wire.url}/my-refresh"

    urls = {"AUTHORIZATION_URL": f"{wire.url}/my-login", "ACCESS_TOKEN_URL": f"{wire.url}/my-token"}
    token = {"access_token": "a", "token_type": "bearer", "expires_in": 3600, "refresh_token": "b"}
    for number, (kind, settings, refresh) in enumerate(
        [
            (ByMethods, {}, "/my-refresh"),
            (ByAttributes, {}, "/my-refresh"),
            (KuCoinOAuth2, urls, "/_oauth/refresh-token"),
        ]
    ):
        wire.answer = answering(token, token)
        strategy = Strategy(KEY="broker", SITE="https://kucoin.example", **settings)
        if kind is KuCoinOAuth2:
            strategy.settings["SOCIAL_AUTH_KUCOIN_SITE"] = wire.url
        backend = kind(strategy, redirect_uri="/complete/kucoin/")
        backend.prepare_auth(user=User("alice"))
        assert backend.start().startswith(f"{wire.url}/my-login?response_type=code&")
        backend.data = {"code": "c", "state": strategy.session["kucoin_state"]["state"]}
        assert backend.request_access_token(backend.access_token_url())["access_token"] == "a"
        backend.refresh_token(f"r{number}", scope="MINE")
        exchange, refreshed = wire.seen[-2:]
        assert (exchange.path, refreshed.path) == ("/my-token", refresh)
        assert refreshed.body.endswith(b"&scope=MINE")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCESS_TOKEN_METHOD", "POST"),
        ("REFRESH_TOKEN_METHOD", "GET"),
        ("RESPONSE_TYPE", "token"),
        ("REDIRECT_STATE", True),
        ("USE_BASIC_AUTH", True),
        ("auth_params", lambda _self, _state=None: {}),
        ("refresh_token_params", lambda _self, *_args: {}),
        ("get_json", lambda _self, *_args: {}),
    ],
)
def test_subclass_override_without_effect_is_refused(host: Host, name: str, value: object) -> None:
    """A subclass that changes one of these, which KuCoin's calls ignore, cannot start a login."""
    kind: Any = type("Mine", (KuCoinOAuth2,), {name: value})
    backend = kind(host.strategy, redirect_uri="/complete/kucoin/")
    backend.prepare_auth(user=host.user)
    with pytest.raises(AuthConfigurationError) as caught:
        backend.start()
    assert f"Leave {name} as authlib_kucoin.social has it" in caught.value.detail


def test_replaced_backend_method_without_effect_is_refused(host: Host) -> None:
    """If a test replaces ``backend.request``, a refresh raises: it would ignore the replacement."""
    backend: Any = host.backend
    backend.request = print
    with pytest.raises(AuthConfigurationError) as caught:
        backend.refresh_token("r")
    assert "Leave request as" in caught.value.detail


@pytest.mark.parametrize(
    "setting", [{"PERMISSIONS": ["API_WITHDRAW_OAUTH"]}, {"API_KEY_STEP": "no.where"}]
)
def test_key_settings_are_checked_before_the_exchange(
    kucoin_sandbox: Sandbox, setting: dict[str, Any]
) -> None:
    """Wrong settings for the key raise when a login starts, and before a code is exchanged."""
    host = Host(kucoin_sandbox, FAST_API=2)
    fields = kucoin_sandbox.approve(host.start()).fields
    for name, value in setting.items():
        host.strategy.settings[f"SOCIAL_AUTH_KUCOIN_{name}"] = value
    with pytest.raises(AuthConfigurationError) as caught:
        host.complete(fields)
    assert caught.value.stage == "token_exchange"
    with pytest.raises(AuthConfigurationError) as caught:
        host.start()
    assert caught.value.stage == "begin"
    assert "token" not in kucoin_sandbox.totals


def test_refresh_token_with_a_second_argument_is_refused(host: Host) -> None:
    """``refresh_token`` with a second positional argument raises: it would be ignored."""
    with pytest.raises(AuthConfigurationError) as caught:
        host.backend.refresh_token("r", "another")
    assert "one argument" in caught.value.detail


def test_process_error_without_stage_is_called_for_each_answer(kucoin_sandbox: Sandbox) -> None:
    """A ``process_error`` without ``stage`` gets callback, then token, and can call ``super()``."""
    seen: list[bool] = []

    class Mine(KuCoinOAuth2[str]):
        def process_error(self, data: Any) -> None:  # type: ignore[override]  # the older form
            seen.append("access_token" in data)
            super().process_error(data)

    host = Host(kucoin_sandbox)
    host.strategy.data = kucoin_sandbox.approve(host.start()).fields
    backend = Mine(host.strategy, redirect_uri="/complete/kucoin/")
    do_complete(backend, login=no_login, user=host.user)
    assert seen == [False, True]


@pytest.mark.parametrize("kind", [AuthProviderError, TypeError])
def test_the_error_of_a_hook_reaches_the_caller(
    kucoin_sandbox: Sandbox, kind: type[Exception]
) -> None:
    """An error that ``process_error`` raises for a token reaches the caller.

    If it is an error of social-core, its stage is then "token_exchange" or "refresh".
    """
    seen: list[Any] = []

    class Mine(KuCoinOAuth2[str]):
        def process_error(self, data: Any, **_stage: Any) -> None:
            if "access_token" in data:
                seen.append(data)
                raise kind(self)

    host = Host(kucoin_sandbox)
    host.strategy.data = kucoin_sandbox.approve(host.start()).fields
    backend = Mine(host.strategy, redirect_uri="/complete/kucoin/")
    with pytest.raises(kind) as caught:
        do_complete(backend, login=no_login, user=host.user)
    assert getattr(caught.value, "stage", "token_exchange") == "token_exchange"
    with pytest.raises(kind) as caught:
        backend.refresh_token(seen[0]["refresh_token"])
    assert getattr(caught.value, "stage", "refresh") == "refresh"
    assert len(seen) == 2


def test_retry_after_is_text(host: Host) -> None:
    """``retry_after`` is text, as in social-core's other errors, or None."""
    error = KuCoinUnavailable("wait", retry_after=120)
    assert social_error(host.backend, error, "refresh").retry_after == "120"
    assert social_error(host.backend, KuCoinUnavailable("wait"), "refresh").retry_after is None


def test_error_code_is_not_exchanged_if_process_error_is_silent(host: Host) -> None:
    """A subclass whose ``process_error`` raises nothing still exchanges no error code."""
    kind: Any = type("Mine", (KuCoinOAuth2,), {"process_error": lambda *_, **__: None})
    host.start()
    state = host.strategy.session["kucoin_state"]["state"]
    host.strategy.data = {"success": "false", "code": "40001", "state": state}
    with pytest.raises(AuthCanceled):
        do_complete(kind(host.strategy, redirect_uri="/"), login=no_login, user=host.user)
    assert "token" not in host.sandbox.totals


def test_process_error_is_called_for_callback_and_token(kucoin_sandbox: Sandbox) -> None:
    """``process_error`` of a subclass is called with the callback, and then with the token."""
    stages: list[str] = []

    class Mine(KuCoinOAuth2[str]):
        def process_error(self, data: Any, *, stage: ErrorStage = "callback") -> None:
            stages.append(stage)

    host = Host(kucoin_sandbox)
    fields = kucoin_sandbox.approve(host.start()).fields
    host.strategy.data = fields
    backend = Mine(host.strategy, redirect_uri="/complete/kucoin/")
    do_complete(backend, login=no_login, user=host.user)
    assert stages == ["callback", "token_exchange"]


def test_process_error_accepts_a_token_without_state(host: Host) -> None:
    """``process_error`` accepts a token, although a token has no state or code."""
    host.backend.process_error({"access_token": "a"}, stage="token_exchange")


@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_other_methods_do_not_consume_the_login(host: Host, method: str) -> None:
    """A callback by HEAD or PUT is refused; afterwards the login can be finished by GET."""
    fields = host.sandbox.approve(host.start()).fields
    host.strategy.request = SimpleNamespace(method=method)  # type: ignore[attr-defined]  # Django's has it
    with pytest.raises(AuthInputError) as caught:
        host.complete(fields)
    assert "has to be opened with GET or POST" in caught.value.detail
    assert "token" not in host.sandbox.totals
    host.strategy.request.method = "GET"  # type: ignore[attr-defined]  # Django's has it
    assert host.complete(fields) == "/"


# --- settings, and the code of an error -----------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"SITE": None}, "one of 'global', 'eu', 'australia', to a base URL"),
        ({"SITE": "mars"}, "'mars' is not a KuCoin site"),
        ({"KEY": None}, "No client id is set"),
    ],
)
def test_incomplete_setting_is_named_in_the_error(
    kucoin_sandbox: Sandbox, settings: dict[str, Any], says: str
) -> None:
    """Without a client id, or without a known site, starting a login raises an error.

    The error says what is wrong, and names the settings for the client id and the site.
    """
    with pytest.raises(AuthConfigurationError) as caught:
        Host(kucoin_sandbox, **settings).start()
    for text in (caught.value.detail, str(caught.value)):
        assert says in text
        assert "SOCIAL_AUTH_KUCOIN_KEY and SOCIAL_AUTH_KUCOIN_SITE" in text
    assert caught.value.stage == "begin"


def test_setting_without_effect_is_refused(kucoin_sandbox: Sandbox) -> None:
    """With an unknown parameter in ``AUTH_EXTRA_ARGUMENTS``, starting a login raises an error.

    The error names the parameter.
    """
    with pytest.raises(AuthConfigurationError) as caught:
        Host(kucoin_sandbox, AUTH_EXTRA_ARGUMENTS={"lang": "en"}).start()
    assert "no parameter 'lang'" in caught.value.detail
    assert "KUCOIN_SITE" not in caught.value.detail


@pytest.mark.parametrize(
    ("settings", "is_named", "user_agent"),
    [
        ({}, True, f"social-auth-{social_core.__version__}"),
        ({"USER_AGENT": "mine/1"}, True, "mine/1"),
        ({"USER_AGENT": "mine/1"}, False, "python-requests"),
    ],
)
def test_user_agent_is_that_of_social_core(
    kucoin_sandbox: Sandbox, settings: dict[str, str], is_named: bool, user_agent: str
) -> None:
    """The header User-Agent is the setting ``USER_AGENT``, or else social-core's text.

    A backend whose ``SEND_USER_AGENT`` is false leaves the header to the library requests.
    """
    host = Host(kucoin_sandbox, **settings)
    kind = type("Mine", (KuCoinOAuth2,), {"SEND_USER_AGENT": is_named})
    assert kind(host.strategy)._client().headers["User-Agent"].startswith(user_agent)
    host.come_back()
    if is_named:
        assert {seen.headers["user-agent"] for seen in kucoin_sandbox.requests[-3:]} == {user_agent}


@pytest.mark.parametrize("name", ["REQUESTS_TIMEOUT", "URLOPEN_TIMEOUT"])
def test_both_timeout_settings_of_social_core_are_used(kucoin_sandbox: Sandbox, name: str) -> None:
    """The backend reads the time-out from either of social-core's two settings for it."""
    host = Host(kucoin_sandbox, **{name: 0.2})
    assert host.backend._client().timeout == 0.2


def test_redirect_uri_with_a_space_is_refused(host: Host) -> None:
    """A redirect URI with a space raises an error when a login starts."""
    backend = KuCoinOAuth2(host.strategy, redirect_uri="/complete/ku coin/")
    backend.prepare_auth(user=host.user)
    with pytest.raises(AuthConfigurationError) as caught:
        backend.start()
    assert "holds a space" in caught.value.detail


def test_backend_with_another_name_has_its_own_settings(kucoin_sandbox: Sandbox) -> None:
    """A subclass with another ``name`` reads the settings of that name; `SITE` may be a `Site`."""

    class Elsewhere(KuCoinOAuth2[str]):
        name = "kucoin-eu"

    strategy = Strategy(SITE=kucoin_sandbox.url)
    strategy.settings["SOCIAL_AUTH_KUCOIN_EU_SITE"] = Site("https://kucoin.example")
    assert Elsewhere(strategy).authorization_url() == "https://kucoin.example/oauth"
    assert KuCoinOAuth2(strategy).authorization_url() == f"{kucoin_sandbox.url}/oauth"


@pytest.mark.parametrize("code", [None, "500015", "invalid_request"])
def test_end_of_an_approval_has_a_code_of_its_own(host: Host, code: str | None) -> None:
    """If the user has to approve again, social-core's error says so, whatever KuCoin's code is."""
    error = ReauthorizationRequired("approve again", code=code)
    assert social_error(host.backend, error, "refresh").code == "reauthentication_required"

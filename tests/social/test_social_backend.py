"""The python-social-auth backend, held to what social-core's own `OAuth2Test` asks of one.

social-core ships no tests, so its contract is written out here: log in (here: associate), a
pipeline that halts twice, a refresh. KuCoin is the sandbox, over real sockets.
"""

import json
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import social_memory
from social_core.actions import do_auth, do_complete
from social_core.backends.utils import load_backends, user_backends_data
from social_core.exceptions import (
    AuthAssociationError,
    AuthCanceled,
    AuthConfigurationError,
    AuthCredentialError,
    AuthException,
    AuthInputError,
    AuthProviderError,
    AuthResponseError,
    AuthSessionError,
    SocialAuthBaseException,
)
from social_core.pipeline import DEFAULT_AUTH_PIPELINE
from social_core.utils import PARTIAL_TOKEN_SESSION_NAME
from social_memory import HOST, Partial, Social, Strategy, User, approved, kept
from support.wire import Wire, answering, running_wire

from authlib_kucoin import ApiKeyLimitReached, KuCoinError, Site
from authlib_kucoin.sandbox import Sandbox, SandboxKeywords, run_sandbox
from authlib_kucoin.social import KuCoinOAuth2

COMPLETE = "/complete/kucoin/"
REDIRECT_URI = HOST + COMPLETE
PIPELINE = (*DEFAULT_AUTH_PIPELINE, "social_memory.approve_api_key")
REFRESHABLE = ["access_token", "refresh_token", "expires_in"]
UID = "165111215"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    social_memory.forget()
    yield
    load_backends([], force_load=True)


class Host:
    """A host application, a browser that is signed in to it, and its user at KuCoin."""

    def __init__(self, sandbox: Sandbox, **settings: Any) -> None:
        """Set the host up."""
        defaults = {
            "KEY": sandbox.client_id,
            "SITE": sandbox.url,
            "API_KEY_STEP": "social_memory.keep_api_key",
            "PIPELINE": PIPELINE,
            "LOGIN_REDIRECT_URL": "/",
            "SANITIZE_REDIRECTS": False,
        }
        self.sandbox = sandbox
        self.strategy = Strategy(**defaults | settings)
        self.user: User | None = User("alice")

    @property
    def backend(self) -> KuCoinOAuth2[str]:
        """The backend of one request."""
        return KuCoinOAuth2(self.strategy, redirect_uri=COMPLETE)

    def start(self) -> str:
        """Press "connect"; return the address of the login page."""
        self.strategy.data = {}
        return do_auth(self.backend, user=self.user)

    def come_back(self, **changes: str) -> Any:
        """Approve, and come back with some parameters changed; return the host's answer."""
        return self.complete(self.sandbox.approve(self.start()).fields | changes)

    def complete(self, fields: Any) -> Any:
        """Come back with these parameters; return the host's answer."""
        self.strategy.data = fields
        return do_complete(self.backend, login=_no_login, user=self.user)


def _no_login(*_args: Any) -> None:
    raise AssertionError("KuCoin is no login")


@pytest.fixture
def host(kucoin_sandbox: Sandbox) -> Host:
    """A host with the defaults."""
    return Host(kucoin_sandbox)


# --- the contract --------------------------------------------------------------------------------


def test_a_user_is_associated(host: Host) -> None:
    """The uid is the account's own, and social-core lists the backend as associated."""
    assert host.come_back() == "/"
    assert host.user is not None
    [row] = Social.rows
    assert (row.provider, row.uid, row.user) == ("kucoin", UID, host.user)
    assert host.backend.get_user(host.user.id) is host.user
    backends = host.strategy.get_setting("SOCIAL_AUTH_AUTHENTICATION_BACKENDS")
    listed = user_backends_data(host.user, backends, host.strategy.storage)
    assert listed["associated"] == [row]
    assert listed["not_associated"] == ["mixcloud"]


def test_a_user_is_associated_again(host: Host) -> None:
    """Who connects twice has one association, and both keys are kept and approved."""
    host.come_back()
    host.come_back()
    assert len(Social.rows) == 1
    assert approved == [f"{UID}:{key.api_key}" for _, key in kept]
    assert len(kept) == len(host.sandbox.issued_keys) == 2


def test_a_pipeline_that_halts_goes_on(kucoin_sandbox: Sandbox) -> None:
    """It halts for a password and for a slug, and what waits in the database holds no secret."""
    steps = list(PIPELINE)
    steps[4:4] = ["social_memory.ask_for_password", "social_memory.ask_for_slug"]
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


def test_a_token_is_refreshed(kucoin_sandbox: Sandbox) -> None:
    """An expired token becomes a new pair in `extra_data`; one that lives stays."""
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


def test_the_urls_are_the_sites(host: Host) -> None:
    """social-core and what is built on it ask the backend where things are."""
    base = host.sandbox.url
    assert host.backend.authorization_url() == f"{base}/oauth"
    assert host.backend.access_token_url() == f"{base}/_oauth/access-token"
    assert host.backend.refresh_token_url() == f"{base}/_oauth/refresh-token"
    assert host.backend.ACCESS_TOKEN_METHOD == "GET"
    assert host.backend.REFRESH_TOKEN_METHOD == "POST"
    assert host.backend.get_redirect_uri("state") == REDIRECT_URI


# --- the wire --------------------------------------------------------------------------------


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that records what comes, byte for byte."""
    with running_wire() as wire:
        yield wire


@pytest.mark.parametrize(
    ("settings", "last"),
    [({}, "client_id=a%20broker"), ({"SECRET": "s/3"}, "client_id=a%20broker&client_secret=s%2F3")],
)
def test_the_redirect_uri_is_raw_in_both_urls(
    wire: Wire, settings: dict[str, str], last: str
) -> None:
    """Everything else is percent-encoded, and nothing is added."""
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
        API_KEY_STEP="social_memory.keep_api_key",
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
    do_complete(backend, login=_no_login, user=user)
    exchange, create, _ = wire.seen
    assert exchange.line == (
        "GET /_oauth/access-token?grant_type=authorization_code&code=c%2F1"
        f"&redirect_uri={raw}&{last} HTTP/1.1"
    )
    assert (exchange.body, create.body) == (b"", b"")
    assert create.headers["authorization"] == "bearer a"


def test_connections_are_kept_over_requests(host: Host) -> None:
    """Each request has a backend of its own; two associations cost one handshake."""
    host.come_back()
    before = host.sandbox.connections
    host.come_back()
    # The user's own browser opens one to the login page.
    assert host.sandbox.connections == before + 1


@pytest.mark.parametrize("mode", ["plain", "envelope", "form_post"])
def test_every_form_of_callback_is_taken(mode: Any) -> None:
    """The document's own form and the one that public clients read, by GET and by POST."""
    with run_sandbox(callback=mode) as sandbox:
        assert Host(sandbox).come_back() == "/"
    assert Social.rows


# --- what is kept ------------------------------------------------------------------------------


def test_only_what_the_settings_name_is_kept(host: Host) -> None:
    """By default not even the access token, which social-core always keeps."""
    host.come_back()
    assert set(Social.rows[0].extra_data) == {"auth_time"}


def test_the_settings_can_name_anything_but_the_credentials(kucoin_sandbox: Sandbox) -> None:
    """In every way that social-core knows to write an entry; the secret is nowhere to be had."""
    entries = [
        "uid",
        ("expires_at", "expires_on"),
        ["ip_whitelist"],
        ("sub_name", "sub", True),
        "secret",
        "passphrase",
        *("api_key", "api_name", "permissions", "is_master", "scope", "refresh_expires_at"),
    ]
    Host(kucoin_sandbox, EXTRA_DATA=entries).come_back()
    extra = Social.rows[0].extra_data
    [(_, key)] = kept
    assert extra["secret"] is extra["passphrase"] is None
    assert extra["uid"] == UID
    assert extra["api_key"] == key.api_key
    assert extra["api_name"] == key.api_name
    assert "Spot" in extra["permissions"]
    # social-core notes the time a little later, maybe in the next second.
    assert 0 <= extra["auth_time"] + 3600 - extra["expires_on"] <= 10
    assert extra["refresh_expires_at"] - extra["expires_on"] == 3 * 24 * 3600 - 3600
    assert extra["scope"] == "OAUTH_CREATE_API"
    assert extra["is_master"] is True
    assert extra["ip_whitelist"] == []
    assert "sub" not in extra


def test_keeping_everything_does_not_mean_the_token(kucoin_sandbox: Sandbox) -> None:
    """`GET_ALL_EXTRA_DATA` may be meant for other backends: a token has to be named."""
    Host(kucoin_sandbox, GET_ALL_EXTRA_DATA=True).come_back()
    extra = Social.rows[0].extra_data
    assert extra["uid"] == UID
    assert extra["access_token"] is None
    assert "refresh_token" not in extra


def test_no_secret_is_logged_or_shown(
    kucoin_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither when all goes well nor in what is said about a failure, whoever says it."""
    caplog.set_level(logging.DEBUG)
    host = Host(kucoin_sandbox, EXTRA_DATA=REFRESHABLE)
    callback = kucoin_sandbox.approve(host.start()).fields
    host.complete(callback)
    [(_, key)] = kept
    token = Social.rows[0].extra_data
    secrets = [callback["code"], key.secret, key.passphrase]
    secrets += [token["access_token"], token["refresh_token"]]
    said = caplog.text
    for operation in ("token", "create_api_key", "api_key_info"):
        kucoin_sandbox.fail_next(operation, "echo")
        callback = kucoin_sandbox.approve(host.start()).fields
        with pytest.raises(AuthException) as caught:
            host.complete(callback)
        said += "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
        secrets += [callback["code"], kept[-1][1].secret, kept[-1][1].passphrase]
    said += caplog.text
    assert "kucoin" in said
    assert [secret for secret in secrets if secret in said] == []


# --- the key is never lost ---------------------------------------------------------------------


def test_the_key_is_handed_over_before_anything_else(host: Host) -> None:
    """When KuCoin does not describe the key, the host has it, and it is not approved."""
    host.sandbox.fail_next("api_key_info", "503")
    with pytest.raises(AuthProviderError) as caught:
        host.come_back()
    assert (caught.value.code, caught.value.stage) == ("unavailable", "user_info")
    [(user, key)] = kept
    assert user is host.user
    assert [issued.api_key for issued in host.sandbox.issued_keys] == [key.api_key]
    assert not approved
    assert not Social.rows


def test_the_key_of_somebody_elses_account_is_kept(host: Host) -> None:
    """Whose the account is, is known with the key only: the host has it, and can flag it."""
    host.come_back()
    host.user = User("bob")
    with pytest.raises(AuthAssociationError) as caught:
        host.come_back()
    assert caught.value.code == "identity_in_use"
    assert [user.username for user, _ in kept] == ["alice", "bob"]
    assert approved == [f"{UID}:{kept[0][1].api_key}"]


@pytest.mark.parametrize("path", ["social_memory.nowhere", "nowhere.keep_api_key"])
def test_a_step_that_is_not_there_is_found_out_before_the_login(
    kucoin_sandbox: Sandbox, path: str
) -> None:
    """And again before the key: a setting can change while the user is at KuCoin."""
    host = Host(kucoin_sandbox, API_KEY_STEP=path)
    with pytest.raises(AuthConfigurationError) as caught:
        host.start()
    assert (caught.value.parameter, caught.value.stage) == ("API_KEY_STEP", "begin")
    host.strategy.settings["SOCIAL_AUTH_KUCOIN_API_KEY_STEP"] = "social_memory.keep_api_key"
    callback = kucoin_sandbox.approve(host.start())
    host.strategy.settings["SOCIAL_AUTH_KUCOIN_API_KEY_STEP"] = path
    with pytest.raises(AuthConfigurationError) as caught:
        host.complete(callback.fields)
    assert caught.value.stage == "user_info"
    assert not kucoin_sandbox.issued_keys


def test_without_the_setting_a_step_of_the_pipeline_takes_the_key(kucoin_sandbox: Sandbox) -> None:
    """It finds the whole key in the response; a session or database could not hold it."""
    steps = (*DEFAULT_AUTH_PIPELINE, "social_memory.take_api_key")
    host = Host(kucoin_sandbox, API_KEY_STEP=None, PIPELINE=steps)
    assert host.come_back() == "/"
    [(user, key)] = kept
    assert (user, key.secret) == (host.user, kucoin_sandbox.issued_keys[0].secret)
    [row] = Social.rows
    assert (row.uid, set(row.extra_data)) == (UID, {"auth_time"})
    with pytest.raises(TypeError):
        json.dumps({"credentials": key})


def test_a_token_of_ones_own_is_enough(kucoin_sandbox: Sandbox) -> None:
    """`do_auth` takes a token without a callback, as an application with a token has it."""
    host = Host(kucoin_sandbox, EXTRA_DATA=["access_token"])
    client = host.backend._client()  # noqa: SLF001 - any way to a token
    code = kucoin_sandbox.approve(host.start()).fields["code"]
    token = client.fetch_token(code=code)["access_token"]
    assert host.backend.do_auth(token, user=host.user) is host.user
    assert Social.rows[0].extra_data["access_token"] == token


# --- refused callbacks ---------------------------------------------------------------------------


def failure(host: Host, fields: Any) -> SocialAuthBaseException:
    """Return the error that a callback ends in; no code may have been exchanged."""
    with pytest.raises(SocialAuthBaseException) as caught:
        host.complete(fields)
    assert "token" not in host.sandbox.totals
    assert caught.value.stage == "callback"
    assert caught.value.backend is not None
    assert caught.value.backend.name == "kucoin"
    return caught.value


@pytest.mark.parametrize("mode", ["plain", "envelope", "form_post"])
def test_a_user_may_cancel(mode: Any) -> None:
    """And KuCoin's code and text are there for the log."""
    with run_sandbox(callback=mode) as sandbox:
        host = Host(sandbox)
        error = failure(host, sandbox.cancel(host.start()).fields)
        assert isinstance(error, AuthCanceled)
        assert error.provider_code == "sandbox.user_cancelled"
        assert "The user cancelled the authorization." in error.detail
        assert "kucoin_state" not in host.strategy.session


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        ({"success": "false", "code": "40001"}, AuthCanceled, "authorization_declined"),
        ({"success": "false", "msg": "no"}, AuthCanceled, "authorization_declined"),
        ({"success": "false"}, AuthInputError, "invalid_parameter"),
        ({"success": "true"}, AuthInputError, "invalid_parameter"),
        ({"error": "access_denied"}, AuthCanceled, "authorization_declined"),
        ({"error": "temporarily_unavailable"}, AuthProviderError, "unavailable"),
        ({"error": "invalid_scope"}, AuthConfigurationError, "invalid_setting"),
        ({"code": ""}, AuthInputError, "invalid_parameter"),
        ({"code": "two words"}, AuthInputError, "invalid_parameter"),
        ({}, AuthInputError, "invalid_parameter"),
    ],
)
def test_a_refused_callback(
    host: Host, fields: dict[str, str], kind: type[Exception], code: str
) -> None:
    """Each is refused as what it is, and an error code is never taken for a code."""
    host.start()
    state = host.strategy.session["kucoin_state"]["state"]
    error = failure(host, fields | {"state": state})
    assert isinstance(error, kind)
    assert error.code == code


class MultiDict(dict[str, list[str]]):
    """Parameters that may come twice, as Django's and Werkzeug's hand them over."""

    def get(self, name: str, default: Any = None) -> Any:
        """Return the last."""
        return super().get(name, [default])[-1]

    def __getitem__(self, name: str) -> Any:
        """Return the last."""
        return super().__getitem__(name)[-1]

    def lists(self) -> Any:
        """Return all."""
        return super().items()


@pytest.mark.parametrize("doubled", ["code", "state", "success", "other"])
def test_a_doubled_parameter_is_refused(host: Host, doubled: str) -> None:
    """Where the framework shows it: whose code is it?"""
    host.start()
    state = host.strategy.session["kucoin_state"]["state"]
    fields = {"code": ["c"], "state": [state], "success": ["true"], "other": ["o"]}
    fields[doubled] *= 2
    error = failure(host, MultiDict(fields))
    assert isinstance(error, AuthInputError)
    assert "twice" in error.detail


def test_single_parameters_of_a_multi_dict_are_taken(host: Host) -> None:
    """A framework's own type works like a dict."""
    fields = host.sandbox.approve(host.start()).fields
    assert host.complete(MultiDict({name: [value] for name, value in fields.items()})) == "/"


def test_the_state_is_checked(host: Host) -> None:
    """By social-core: a wrong one, none, one used before, another user's, nobody signed in."""
    fields = host.sandbox.approve(host.start()).fields
    missing = failure(host, {"code": fields["code"]})
    assert (type(missing), missing.parameter) == (AuthInputError, "state")
    wrong = failure(host, fields | {"state": "guessed"})
    assert (type(wrong), wrong.code) == (AuthSessionError, "state_mismatch")
    renamed = failure(host, {"code": fields["code"], "redirect_state": fields["state"]})
    assert type(renamed) is AuthInputError
    fields = host.sandbox.approve(host.start()).fields
    alice, host.user = host.user, User("mallory")
    foreign = failure(host, fields)
    assert (type(foreign), foreign.code) == (AuthSessionError, "user_mismatch")
    host.user = None
    nobody = failure(host, fields)
    assert type(nobody) is AuthSessionError
    host.user = alice
    host.complete(fields)
    host.sandbox.reset()
    again = failure(host, fields)
    assert (type(again), again.code) == (AuthSessionError, "session_context_missing")


def test_nobody_is_sent_to_kucoin_who_is_not_signed_in(host: Host) -> None:
    """It is no login."""
    host.user = None
    with pytest.raises(AuthSessionError) as caught:
        host.start()
    assert caught.value.stage == "begin"


# --- KuCoin's failures ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "fault", "kind", "code"),
    [
        ("token", "envelope:1:no", AuthCredentialError, "authorization_code_rejected"),
        ("token", "oauth:invalid_grant", AuthCredentialError, "authorization_code_rejected"),
        ("token", "429", AuthProviderError, "rate_limited"),
        ("token", "envelope:429000:slow", AuthProviderError, "rate_limited"),
        ("token", "502", AuthProviderError, "unavailable"),
        ("token", "reset_before", AuthProviderError, "connection_failed"),
        ("token", "lost", AuthProviderError, "connection_failed"),
        ("token", "html", AuthResponseError, "malformed_response"),
        ("token", "deep_json", AuthResponseError, "malformed_response"),
        ("token", "redirect", AuthResponseError, "malformed_response"),
        ("create_api_key", "429", AuthProviderError, "rate_limited"),
        ("create_api_key", "envelope:1:no", AuthProviderError, "http_error"),
        ("create_api_key", "lost", AuthResponseError, "malformed_response"),
        ("create_api_key", "503", AuthResponseError, "malformed_response"),
        ("create_api_key", "html", AuthResponseError, "malformed_response"),
        ("api_key_info", "429", AuthProviderError, "rate_limited"),
        ("api_key_info", "envelope:400006:IP", AuthProviderError, "http_error"),
        ("api_key_info", "wrong_shape", AuthResponseError, "malformed_response"),
    ],
)
def test_a_failure_has_social_cores_own_name(
    host: Host, operation: str, fault: str, kind: type[Exception], code: str
) -> None:
    """With the stage, KuCoin's code and status, and our error as its cause."""
    host.sandbox.fail_next(operation, fault)
    with pytest.raises(SocialAuthBaseException) as caught:
        host.come_back()
    error = caught.value
    assert (type(error), error.code) == (kind, code)
    assert error.stage == ("token_exchange" if operation == "token" else "user_info")
    cause = error.__cause__
    assert isinstance(cause, KuCoinError)
    assert cause.operation == operation
    assert (error.provider_code, error.status_code) == (cause.code, cause.status)
    assert error.detail == str(cause)
    assert not Social.rows


def test_a_time_out_is_social_cores_setting(kucoin_sandbox: Sandbox) -> None:
    """As for its own backends."""
    host = Host(kucoin_sandbox, REQUESTS_TIMEOUT=0.05)
    kucoin_sandbox.fail_next("token", "delay:1")
    with pytest.raises(AuthProviderError) as caught:
        host.come_back()
    assert caught.value.code == "connection_failed"
    assert caught.value.recovery == "retry_later"


def test_proxies_and_certificates_are_social_cores_settings(kucoin_sandbox: Sandbox) -> None:
    """As for its own backends."""
    host = Host(kucoin_sandbox, PROXIES={"http": "http://127.0.0.1:9"}, VERIFY_SSL="/ca.pem")
    client = host.backend._client()  # noqa: SLF001 - https to a proxy is the client's own test
    assert client.proxies == {"http": "http://127.0.0.1:9"}
    assert client.verify == "/ca.pem"
    client = Host(kucoin_sandbox).backend._client()  # noqa: SLF001 - as above
    assert client.verify is True
    assert client.default_timeout == 10


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_keys": 0}, "reaches to the maximum level"),
        ({"permission_mismatch": True}, "40503"),
    ],
)
def test_the_user_is_told_why_there_is_no_key(options: SandboxKeywords, says: str) -> None:
    """social-core has no words for it, and only the user can change it, at KuCoin."""
    with run_sandbox(**options) as sandbox:
        with pytest.raises(AuthProviderError, match=says) as caught:
            Host(sandbox).come_back()
        assert caught.value.recovery == "check_provider_profile"
        assert not kept


def test_the_user_is_told_where_to_look_for_a_lost_key(host: Host) -> None:
    """And who can tell the cases apart by class can do so here, too."""
    host.sandbox.fail_next("create_api_key", "reset_after")
    with pytest.raises(AuthResponseError, match="API management page") as caught:
        host.come_back()
    assert caught.value.recovery == "check_provider_profile"
    host.sandbox.fail_next("create_api_key", "envelope:x:number of user's apiKey: maximum")
    with pytest.raises(AuthProviderError) as refused:
        host.come_back()
    assert isinstance(refused.value.__cause__, ApiKeyLimitReached)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("envelope:1:no", AuthCredentialError, "credential_rejected"),
        ("oauth:invalid_grant", AuthCredentialError, "reauthentication_required"),
        ("503", AuthProviderError, "unavailable"),
        ("empty", AuthResponseError, "malformed_response"),
    ],
)
def test_a_failed_refresh_keeps_the_old_pair(
    kucoin_sandbox: Sandbox, fault: str, kind: type[Exception], code: str
) -> None:
    """And says what to do in social-core's own terms."""
    host = Host(kucoin_sandbox, EXTRA_DATA=REFRESHABLE)
    host.come_back()
    [row] = Social.rows
    old = dict(row.extra_data)
    kucoin_sandbox.fail_next("refresh", fault)
    with pytest.raises(SocialAuthBaseException) as caught:
        row.refresh_token(host.strategy)
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert caught.value.stage == "refresh"
    assert row.extra_data == old


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"SITE": None}, "as one of 'global', 'eu', 'australia', a base URL"),
        ({"SITE": "mars"}, "'mars' is not a KuCoin site"),
        ({"KEY": None}, "No client id is set"),
    ],
)
def test_an_incomplete_setting_is_named(
    kucoin_sandbox: Sandbox, settings: dict[str, Any], says: str
) -> None:
    """Before the user leaves, and with the choices there are."""
    with pytest.raises(AuthConfigurationError) as caught:
        Host(kucoin_sandbox, **settings).start()
    assert says in caught.value.detail
    assert "SOCIAL_AUTH_KUCOIN_KEY and SOCIAL_AUTH_KUCOIN_SITE" in caught.value.detail
    assert caught.value.stage == "begin"


def test_a_redirect_uri_that_cannot_travel_raw_is_named(host: Host) -> None:
    """Before the user leaves."""
    backend = KuCoinOAuth2(host.strategy, redirect_uri="/complete/ku coin/")
    backend.prepare_auth(user=host.user)
    with pytest.raises(AuthConfigurationError) as caught:
        backend.start()
    assert "holds a space" in caught.value.detail


def test_two_sites_are_two_backends(kucoin_sandbox: Sandbox) -> None:
    """A subclass with a name of its own has settings of its own, and may bring a `Site`."""

    class Elsewhere(KuCoinOAuth2[str]):
        name = "kucoin-eu"

    strategy = Strategy(SITE=kucoin_sandbox.url)
    strategy.settings["SOCIAL_AUTH_KUCOIN_EU_SITE"] = Site("https://kucoin.example")
    assert Elsewhere(strategy).authorization_url() == "https://kucoin.example/oauth"
    assert KuCoinOAuth2(strategy).authorization_url() == f"{kucoin_sandbox.url}/oauth"

"""Features of frameworks: app factories, stored tokens, logins in the session or in a cache."""

from __future__ import annotations

import json
from typing import Any

import pytest
from authlib.integrations import flask_client
from authlib.integrations.base_client import MismatchingStateError
from django.test import RequestFactory
from flask import Flask
from starlette.requests import Request

from authlib_kucoin import AuthorizationDenied, ConfigurationError, KuCoinError, register_kucoin
from tests.contract.hosts import DjangoHost, FlaskHost, Host, StarletteHost
from tests.contract.recorder import ANSWERS, REFRESHED, TOKEN, Recorder

CALLBACK = "https://broker.example.com/callback"


def test_flask_settings_may_follow_the_registration(recorder: Recorder) -> None:
    """With an application factory, settings made after the registration are used."""
    oauth = flask_client.OAuth()
    returned = register_kucoin(oauth)
    app = Flask("factory")
    app.config["SECRET_KEY"] = "contract"
    oauth.init_app(app)
    app.config.update(KUCOIN_SITE=recorder.url, KUCOIN_CLIENT_ID="late")
    for kucoin in (returned, oauth.kucoin):
        with app.test_request_context():
            url = kucoin.authorize_redirect(CALLBACK).headers["Location"]
        assert url.startswith(f"{recorder.url}/oauth?response_type=code&client_id=late&")
    assert returned.create_api_key(TOKEN).api_key == "key-id"
    oauth.kucoin.close()


def test_flask_uses_the_token_of_the_same_request(recorder: Recorder) -> None:
    """After ``authorize_access_token``, a view can create the key without passing the token."""
    host = FlaskHost()
    kucoin = register_kucoin(host.oauth(), site=recorder.url, client_id="given")

    @host.flask.get("/login")
    def login() -> Any:
        return kucoin.authorize_redirect("https://localhost/callback")

    @host.flask.get("/callback")
    def callback() -> str:
        kucoin.authorize_access_token()
        return kucoin.create_api_key().api_key

    browser = host.flask.test_client()
    state = browser.get("/login").headers["Location"].rpartition("&state=")[2]
    assert browser.get(f"/callback?code=code&state={state}").text == "key-id"
    authorization = recorder.requests[1].header("authorization")
    assert authorization == f"bearer {TOKEN['access_token']}"
    kucoin.close()


def test_flask_uses_the_refreshed_token_of_the_request(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later calls in the request use its refreshed token, even after a refresh of another token."""
    host = FlaskHost()
    kucoin = register_kucoin(host.oauth(), site=recorder.url, client_id="given")

    def work() -> None:
        kucoin.token = TOKEN
        kucoin.refresh_access_token(TOKEN["refresh_token"])
        kucoin.create_api_key()
        monkeypatch.setitem(ANSWERS, "/_oauth/refresh-token", TOKEN)
        kucoin.refresh_access_token({"refresh_token": "somebody-elses"})
        kucoin.create_api_key()

    host.run(work)
    kucoin.close()
    used = [seen.header("authorization") for seen in recorder.requests if "add" in seen.path]
    assert used == [f"bearer {REFRESHED['access_token']}"] * 2


@pytest.fixture
def fetched() -> list[Any]:
    """What ``fetch_token`` was called with, one entry for each call."""
    return []


def test_flask_calls_fetch_token(recorder: Recorder, fetched: list[Any]) -> None:
    """``create_api_key()`` without a token calls ``fetch_token`` once."""
    host = FlaskHost()
    app = register_kucoin(
        host.oauth(), site=recorder.url, fetch_token=lambda: fetched.append(None) or TOKEN
    )
    assert host.run(app.create_api_key).api_key == "key-id"
    assert fetched == [None]
    app.close()


def test_django_calls_fetch_token_with_the_request(recorder: Recorder, fetched: list[Any]) -> None:
    """``create_api_key(request=…)`` calls ``fetch_token`` with this request."""
    host = DjangoHost()
    app = register_kucoin(
        host.oauth(), site=recorder.url, fetch_token=lambda r: fetched.append(r) or TOKEN
    )
    request = RequestFactory().get("/")
    assert app.create_api_key(request=request).api_key == "key-id"
    assert fetched == [request]
    app.close()


def test_starlette_awaits_fetch_token_with_the_request(
    recorder: Recorder, fetched: list[Any]
) -> None:
    """``create_api_key(request=…)`` awaits ``fetch_token`` with this request."""
    host = StarletteHost()

    async def fetch_token(request: Request) -> dict[str, Any]:
        fetched.append(request)
        return TOKEN

    app = register_kucoin(host.oauth(), site=recorder.url, fetch_token=fetch_token)
    request = Request({"type": "http"})
    assert host.run(lambda: app.create_api_key(request=request)).api_key == "key-id"
    assert fetched == [request]
    host.close()


def test_starlette_error_says_fetch_token_needs_the_request() -> None:
    """``create_api_key()`` of an app with a ``fetch_token`` raises and asks for ``request=``."""
    host = StarletteHost()
    app = register_kucoin(host.oauth(), site="eu", fetch_token=lambda _request: TOKEN)
    with pytest.raises(KuCoinError, match="request= for fetch_token"):
        host.run(app.create_api_key)
    host.close()


def test_async_app_serves_two_event_loops_in_turn(recorder: Recorder) -> None:
    """One app serves two event loops in turn, with one connection for each loop."""
    first, second = StarletteHost(), StarletteHost()
    app = register_kucoin(first.oauth(), site=recorder.url)
    for host in (first, second, first):
        assert host.run(lambda: app.validate_access_token(TOKEN)) is True
    first.close()
    second.close()
    assert [request.connection for request in recorder.requests] == [1, 2, 1]


class MemoryCache:
    """Stands for a cache in which Authlib can keep logins, such as Redis; nothing expires."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self.kept.get(key)

    def set(self, key: str, value: str, _expires: int) -> None:
        self.kept[key] = value

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


class AsyncMemoryCache(MemoryCache):
    """Async twin of ``MemoryCache``, for Authlib's async apps."""

    async def get(self, key: str) -> str | None:  # type: ignore[override]  # awaited
        return super().get(key)

    async def set(self, key: str, value: str, expires: int) -> None:  # type: ignore[override]
        super().set(key, value, expires)

    async def delete(self, key: str) -> None:  # type: ignore[override]  # awaited
        super().delete(key)


def new_oauth(host: Host, cached: bool) -> Any:
    """Return an ``OAuth`` that keeps login data in the session or in a cache."""
    cache = AsyncMemoryCache() if isinstance(host, StarletteHost) else MemoryCache()
    return host.oauth(cache=cache) if cached else host.oauth()


@pytest.mark.parametrize("cached", [False, True])
def test_five_concurrent_logins_of_each_app_can_all_finish(
    host: Host, cached: bool, recorder: Recorder
) -> None:
    """Five logins of each of two apps can all be finished. "kucoin" cannot finish "kucoin_eu"'s.

    Authlib joins name and state to a session key, which is the same for "kucoin" with state "eu_1"
    and for "kucoin_eu" with state "1". When a login of "kucoin" begins, Authlib's Starlette
    integration drops the logins of both apps.
    """
    oauth = new_oauth(host, cached)
    names = ("kucoin", "kucoin_eu")
    apps = [register_kucoin(oauth, n, site=recorder.url, client_id="given") for n in names]
    states = [(app, host.state(app, CALLBACK)) for _ in range(5) for app in apps]
    kucoin, eu = apps
    for state in (f"eu_{states[1][1]}", states[1][1]):
        with pytest.raises(MismatchingStateError):
            host.come_back(kucoin, f"code=c&state={state}")
    assert recorder.requests == []
    for app, state in states:
        assert host.come_back(app, f"code=c&state={state}")["access_token"]
    with pytest.raises(MismatchingStateError):
        host.come_back(eu, f"code=c&state={states[1][1]}")
    for app in apps:
        host.run(app.close)


@pytest.mark.parametrize("cached", [False, True])
def test_apps_with_a_common_name_prefix_have_separate_logins(
    host: Host, cached: bool, recorder: Recorder
) -> None:
    """Ten logins of "kucoin" do not end the login that "kucoin_eu" has begun before."""
    oauth = new_oauth(host, cached)
    names = ("kucoin", "kucoin_eu")
    kucoin, eu = [register_kucoin(oauth, n, site=recorder.url, client_id="given") for n in names]
    state = host.state(eu, CALLBACK)
    for _ in range(10):
        host.state(kucoin, CALLBACK)
    assert host.come_back(eu, f"code=c&state={state}")["access_token"]
    host.run(eu.close)


@pytest.mark.parametrize("cached", [False, True])
def test_session_keeps_the_last_five_logins(host: Host, cached: bool) -> None:
    """The session keeps the last five of 20 logins, and the application's own entry."""
    host.session["user"] = "alice"
    app = register_kucoin(new_oauth(host, cached), site="eu", client_id="given")
    states = [host.state(app, CALLBACK) for _ in range(20)]
    kept = [f"_state_kucoin_{state}" for state in states[-5:]]
    assert host.session.keys() == {"user", *kept}


@pytest.mark.parametrize("cached", [False, True])
def test_login_written_by_the_host_can_be_finished_once(
    host: Host, cached: bool, recorder: Recorder
) -> None:
    """A login that the application itself stored in Authlib's format can be finished once."""
    oauth = new_oauth(host, cached)
    app = register_kucoin(oauth, site=recorder.url, client_id="given")
    data = {"data": {"redirect_uri": CALLBACK}}
    host.session["_state_kucoin_foo"] = {"exp": 2_000_000_000} if cached else data
    if cached:
        oauth.cache.kept["_state_kucoin_foo"] = json.dumps(data)
    assert host.come_back(app, "code=c&state=foo")["access_token"]
    with pytest.raises(MismatchingStateError):
        host.come_back(app, "code=c&state=foo")
    host.run(app.close)


def test_subclass_can_keep_logins_outside_the_session(recorder: Recorder) -> None:
    """A subclass of Authlib's integration can keep logins outside of the session."""
    kept: dict[str, Any] = {}

    class Elsewhere(flask_client.FlaskIntegration):
        def set_state_data(self, session: Any, state: str, data: Any) -> None:
            kept[state] = data

        def get_state_data(self, session: Any, state: str) -> Any:
            return kept.get(state)

        def clear_state_data(self, session: Any, state: str) -> None:
            del kept[state]

    host = FlaskHost()
    oauth = host.oauth()
    oauth.framework_integration_cls = Elsewhere
    app = register_kucoin(oauth, site=recorder.url, client_id="given")
    state = host.state(app, CALLBACK)
    assert host.session == {}
    assert host.come_back(app, f"code=c&state={state}")["access_token"]
    app.close()


@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_callback_by_another_method_than_get_or_post_is_refused(
    host: Host, method: str, recorder: Recorder
) -> None:
    """A callback by HEAD or PUT is refused; afterwards the login can be finished by GET."""
    app = register_kucoin(host.oauth(), site=recorder.url, client_id="given")
    answer = f"code=c&state={host.state(app, CALLBACK)}"
    with pytest.raises(AuthorizationDenied, match="has to be opened with GET or POST"):
        host.come_back(app, answer, method)
    assert recorder.requests == []
    assert host.come_back(app, answer)["access_token"]
    host.run(app.close)


def test_starlette_request_without_method_is_accepted(recorder: Recorder) -> None:
    """A Starlette request without a method, as in Authlib's tests, is accepted as a callback."""
    host = StarletteHost()
    app = register_kucoin(host.oauth(), site=recorder.url, client_id="given")
    state = host.state(app, CALLBACK)
    scope = {"type": "http", "query_string": f"code=c&state={state}", "session": host.session}
    assert host.run(lambda: app.authorize_access_token(Request(scope)))["access_token"]
    host.close()


@pytest.mark.parametrize("params", [{"method": "GET"}, {"headers": None, "claims_cls": None}])
def test_arguments_that_change_nothing_are_accepted(
    host: Host, params: dict[str, Any], recorder: Recorder
) -> None:
    """Arguments that are None, or ask for what is done anyway, are accepted."""
    app = register_kucoin(host.oauth(), site=recorder.url, client_id="given")
    answer = f"code=c&state={host.state(app, CALLBACK)}"
    assert host.come_back(app, answer, **params)["access_token"]
    host.run(app.close)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"timeout": 3}, "Give timeout when the client is made, or in the client_kwargs"),
        ({"method": "POST"}, "a GET"),
        ({"headers": {"a": "b"}}, "no parameter 'headers'"),
        ({"claims_options": {}}, "no parameter 'claims_options'"),
        ({"leeway": 60}, "no parameter 'leeway'"),
    ],
)
def test_exchange_argument_without_effect_is_refused(
    host: Host, params: dict[str, Any], says: str, recorder: Recorder
) -> None:
    """An argument without effect raises an error before anything is sent."""
    app = register_kucoin(host.oauth(), site=recorder.url, client_id="given")
    answer = f"code=c&state={host.state(app, CALLBACK)}"
    with pytest.raises(ConfigurationError, match=says):
        host.come_back(app, answer, **params)
    assert recorder.requests == []


def test_app_get_sends_bearer_in_lower_case(host: Host, recorder: Recorder) -> None:
    """``app.get`` sends the token with "bearer" in lower case, as the document prints it."""
    app = register_kucoin(host.oauth(), site=recorder.url, client_id="given")
    host.run(lambda: app.get(f"{recorder.url}/own", token=TOKEN))
    assert recorder.requests[0].header("authorization") == f"bearer {TOKEN['access_token']}"
    host.run(app.close)


def test_state_kept_in_a_cache_works_once(host: Host, recorder: Recorder) -> None:
    """With Authlib's ``OAuth(cache=…)``, the code of a callback opened twice is exchanged once."""
    oauth = new_oauth(host, cached=True)
    app = register_kucoin(oauth, site=recorder.url, client_id="given")
    answer = f"code=c&state={host.state(app, CALLBACK)}"
    assert len(oauth.cache.kept) == 1
    assert host.come_back(app, answer)["access_token"]
    with pytest.raises(MismatchingStateError):
        host.come_back(app, answer)
    assert (len(oauth.cache.kept), len(recorder.requests)) == (0, 1)
    host.run(app.close)


def test_closed_app_is_usable(host: Host, recorder: Recorder) -> None:
    """An app can be closed before its first call, and makes calls afterwards."""
    app = register_kucoin(host.oauth(), site=recorder.url, client_id="given")
    host.run(app.close)
    assert host.run(lambda: app.create_api_key(token=TOKEN)).api_key == "key-id"
    host.run(app.close)

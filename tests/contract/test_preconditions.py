"""The application's functions are checked, if possible before a refresh is sent.

A refresh cannot be undone, so a mistake in ``update_token`` should be noticed before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import AsyncMock

import pytest
from authlib.integrations import django_client
from authlib.integrations.flask_client import OAuth, token_update
from flask import Flask, current_app, has_app_context

from authlib_kucoin import ConfigurationError, register_kucoin
from tests.contract.hosts import HOSTS, FlaskHost, Host, StarletteHost
from tests.contract.recorder import REFRESHED, TOKEN, Recorder
from tests.contract.stacks import AsyncStack, NewStack

EXPIRED = {**TOKEN, "expires_at": 1}
#: Two calls that refresh a token.
ways = pytest.mark.parametrize("way", [("refresh", TOKEN), ("create_api_key", EXPIRED)])


def without_parameters() -> None:
    """An ``update_token`` that accepts no token."""


def with_one_parameter(token: Any) -> None:
    """An ``update_token`` that accepts no ``refresh_token``."""


def with_an_extra_parameter(token: Any, db: Any, **_: Any) -> None:
    """An ``update_token`` with a required parameter that is never passed."""


#: The token of each call of ``coroutine_function`` or ``Awaitable`` whose result was awaited.
AWAITED: list[Any] = []


async def coroutine_function(token: Any, **_: Any) -> None:
    """An ``update_token`` whose result must be awaited."""
    AWAITED.append(token)


class Awaitable:
    """An awaitable that is no coroutine, as some database drivers return."""

    def __init__(self, token: Any) -> None:
        """Take a token, as a coroutine function would."""
        self.token = token

    def __await__(self) -> Iterator[None]:
        """End at the next turn of the event loop."""
        yield
        AWAITED.append(self.token)


class AwaitedObject:
    """An object whose call must be awaited."""

    async def __call__(self, token: Any, **_: Any) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("store", "must be a function, not str"),
        (without_parameters, "too many positional"),
        (with_an_extra_parameter, "'db'"),
        (with_one_parameter, "unexpected keyword argument 'refresh_token'"),
        (partial(with_one_parameter, token=1), "too many positional"),
    ],
)
@ways
def test_uncallable_update_token_is_refused(
    broken: Any, reason: str, way: Any, recorder: Recorder, new_stack: NewStack
) -> None:
    """A call that would have to refresh raises instead, and nothing is sent."""
    stack = new_stack(site=recorder.url, update_token=broken)
    with pytest.raises(ConfigurationError, match=f"update_token .*({reason})"):
        stack.settle(stack.call(*way))
    assert recorder.requests == []


@pytest.mark.parametrize("function", [coroutine_function, AwaitedObject(), AsyncMock()])
@ways
def test_coroutine_function_is_refused_by_blocking_rows(
    function: Any, way: Any, recorder: Recorder, new_stack: NewStack
) -> None:
    """Blocking clients and apps refuse a coroutine function, and send nothing.

    Async clients and apps accept it.
    """
    stack = new_stack(site=recorder.url, update_token=function)
    if isinstance(stack, AsyncStack):
        assert stack.settle(stack.call(*way))
        return
    with pytest.raises(ConfigurationError, match=r"coroutine function.*plain function"):
        stack.call(*way)
    assert recorder.requests == []


@pytest.mark.parametrize("result", [coroutine_function, Awaitable])
def test_returned_awaitable_leaves_the_pair_owed(
    result: Any, recorder: Recorder, new_stack: NewStack
) -> None:
    """Blocking clients and apps refuse an awaitable that ``update_token`` returns.

    The next call stores the pair. Async clients and apps await the awaitable.
    """
    calls: list[Any] = []
    AWAITED.clear()

    def update_token(token: Any, **_: Any) -> Any:
        calls.append(token["access_token"])
        return result(token) if len(calls) == 1 else None

    stack = new_stack(site=recorder.url, update_token=update_token)
    if isinstance(stack, AsyncStack):
        stack.refresh(TOKEN)
        assert len(calls) == 1
        assert len(AWAITED) == 1
        return
    with pytest.raises(ConfigurationError, match="has returned an awaitable"):
        stack.refresh(TOKEN)
    stack.refresh(TOKEN)
    stack.refresh(TOKEN)
    assert calls == [REFRESHED["access_token"]] * 2
    assert len(recorder.requests) == 1


def test_functions_without_a_signature_are_called(recorder: Recorder, new_stack: NewStack) -> None:
    """``dict``, whose signature Python does not know, is accepted as ``update_token``."""
    stack = new_stack(site=recorder.url, update_token=dict)
    assert stack.refresh(TOKEN)["access_token"] == REFRESHED["access_token"]


class FlaskProject:
    """Flask applications with an ``update_token`` that needs an application context."""

    def __init__(self, recorder: Recorder) -> None:
        self.stored: list[tuple[str, str]] = []
        self.torn_down: list[str] = []
        self.oauth = OAuth()
        self.site = recorder.url

    def register(self, **options: Any) -> Any:
        """Register KuCoin, before or after an application exists."""
        options.setdefault("update_token", self.update_token)
        return register_kucoin(self.oauth, site=self.site, **options)

    def application(self, name: str) -> Flask:
        """Return a new application of the same ``OAuth`` object."""
        app = Flask(name)
        app.teardown_appcontext(lambda _: self.torn_down.append(name))
        self.oauth.init_app(app)
        return app

    def update_token(self, token: Any, refresh_token: str | None, **_: Any) -> None:
        """Record the new access token with the name of the current application."""
        assert refresh_token == TOKEN["refresh_token"]
        self.stored.append((current_app.name, token["access_token"]))


@pytest.fixture
def project(recorder: Recorder) -> FlaskProject:
    """A project that has no application yet."""
    return FlaskProject(recorder)


@pytest.fixture
def signals() -> Iterator[list[Any]]:
    """The application's name and the access token of each ``token_update`` signal sent."""
    received: list[Any] = []

    def receive(sender: Flask, **fields: Any) -> None:
        received.append((sender.name, fields["token"]["access_token"]))

    with token_update.connected_to(receive):
        yield received


def in_thread(call: Callable[[], Any]) -> Any:
    """Return the result of a call in a new thread, which has no context."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(30)


def calls(app: Any) -> list[Callable[[], Any]]:
    """Return two calls of an app, each of which sends a refresh."""
    return [
        lambda: app.refresh_access_token(TOKEN),
        lambda: app.create_api_key({**TOKEN, "expires_at": int(time.time()) - 1}),
    ]


@pytest.mark.parametrize("way", [0, 1])
@pytest.mark.parametrize("early", [True, False])
def test_flask_refreshes_in_a_thread_without_a_context(
    way: int, early: bool, project: FlaskProject, recorder: Recorder, signals: list[Any]
) -> None:
    """``update_token`` and the signal get the context of the only application."""
    if early:
        app = project.register()
        project.application("one")
    else:
        project.application("one")
        app = project.register()
    assert in_thread(calls(app)[way])
    assert project.stored == signals == [("one", REFRESHED["access_token"])]
    assert set(project.torn_down) == {"one"}
    assert not has_app_context()


def test_flask_uses_the_current_context(
    project: FlaskProject, recorder: Recorder, signals: list[Any]
) -> None:
    """``update_token`` and the signal run in the caller's context; no other context is pushed."""
    project.application("one")
    app = project.register()
    other = project.application("two")
    with other.app_context():
        app.refresh_access_token(TOKEN)
        assert project.torn_down == []
    assert project.stored == signals == [("two", REFRESHED["access_token"])]


@pytest.mark.parametrize("way", [0, 1])
@pytest.mark.parametrize("seen", ["at registration", "at first use", "in a context"])
def test_flask_without_context_refuses_several_applications(
    way: int, seen: str, project: FlaskProject, recorder: Recorder
) -> None:
    """If two applications are known, a call outside of a context raises and sends nothing.

    Inside of a context, the call succeeds.
    """
    first = project.application("one")
    if seen == "at registration":
        app = project.register()
        project.application("two")
    elif seen == "at first use":
        project.oauth = OAuth()
        app = project.register()
        first = project.application("one")
        project.application("two")
        with first.app_context():
            assert app.client
    else:
        app = project.register()
        second = Flask("two")  # not initialised with the OAuth object
        with second.app_context():
            assert app.client
    with pytest.raises(ConfigurationError, match=r"several .* app\.app_context"):
        in_thread(calls(app)[way])
    assert recorder.requests == project.stored == []
    with first.app_context():
        calls(app)[way]()
    assert [name for name, _ in project.stored] == ["one"]


def test_flask_refuses_a_refresh_without_any_application(recorder: Recorder) -> None:
    """Without a context, an app that was made without an ``OAuth`` object refuses to refresh."""
    from authlib.integrations.flask_client import FlaskIntegration

    from authlib_kucoin.flask_client import KuCoinFlaskApp

    app = KuCoinFlaskApp(FlaskIntegration("kucoin"), "kucoin", site=recorder.url)
    for call in calls(app):
        with pytest.raises(ConfigurationError, match="no Flask application"):
            call()
    assert recorder.requests == []


@pytest.mark.parametrize(
    ("receiver", "reason"),
    [(coroutine_function, "is a coroutine function"), (with_one_parameter, "cannot be called")],
)
def test_flask_refuses_an_uncallable_signal_receiver(
    receiver: Any, reason: str, project: FlaskProject, recorder: Recorder
) -> None:
    """A signal receiver that is a coroutine function, or has wrong parameters, is refused.

    Nothing is sent.
    """
    project.application("one")
    app = project.register()
    with (
        token_update.connected_to(receiver),
        pytest.raises(ConfigurationError, match=f"receiver of token_update {reason}"),
    ):
        app.refresh_access_token(TOKEN)
    assert recorder.requests == []


def test_uncallable_fetch_token_is_refused(host: Host) -> None:
    """``register_kucoin`` refuses a ``fetch_token`` that cannot be called.

    If such a function was given to ``OAuth``, the first call refuses it.
    """
    for broken in ("find", with_an_extra_parameter, lambda _one, _two: None):
        with pytest.raises(ConfigurationError, match=r"fetch_token (must be|cannot be called as)"):
            register_kucoin(host.oauth(), site="eu", fetch_token=broken)
    app = register_kucoin(host.oauth(fetch_token=lambda _one, _two, _three: None), site="eu")
    with pytest.raises(ConfigurationError, match="fetch_token cannot be called as"):
        host.run(app.create_api_key)


def test_async_fetch_token_is_awaited_or_refused(host: Host, recorder: Recorder) -> None:
    """Blocking apps refuse a coroutine function; async apps accept it and a plain function."""

    async def awaited(*_request: Any) -> Any:
        return TOKEN

    if not isinstance(host, StarletteHost):
        with pytest.raises(ConfigurationError, match="fetch_token is a coroutine function"):
            register_kucoin(host.oauth(), site="eu", fetch_token=awaited)
        return
    for fetch_token in (awaited, lambda _request: TOKEN):
        app = register_kucoin(host.oauth(), site=recorder.url, fetch_token=fetch_token)
        assert host.run(lambda app=app: app.create_api_key(request=object()))
        assert host.run(lambda app=app: app.get(recorder.url, request=object())).status_code == 200
        host.run(app.close)


def test_request_argument_without_effect_is_refused(host: Host, recorder: Recorder) -> None:
    """``request=`` is refused beside a token; Flask apps always refuse it."""
    app = register_kucoin(host.oauth(), site=recorder.url, fetch_token=lambda *_: TOKEN)
    with pytest.raises(ConfigurationError, match=r"token= or request=, not both"):
        host.run(lambda: app.create_api_key(TOKEN, request=object()))
    if isinstance(host, FlaskHost):
        with pytest.raises(ConfigurationError, match="Leave out request="):
            host.run(lambda: app.create_api_key(request=object()))
    assert recorder.requests == []


def test_django_refuses_an_uncallable_signal_receiver(recorder: Recorder) -> None:
    """A receiver with wrong parameters is refused; a coroutine function is accepted."""
    host = HOSTS["django"]()
    app = register_kucoin(host.oauth(), site=recorder.url)

    def receive(token: Any, **_: Any) -> None:
        """Accept what the signal sends."""

    async def receive_async(token: Any, **_: Any) -> None:
        """Accept what the signal sends, as a coroutine function."""

    def broken(wanted: Any, **_: Any) -> None:
        """Require an argument that the signal does not send."""

    with connected(django_client.token_update, receive, receive_async):
        assert app.refresh_access_token(TOKEN)
    with (
        connected(django_client.token_update, broken),
        pytest.raises(ConfigurationError, match=r"receiver of token_update .*'wanted'"),
    ):
        app.refresh_access_token({**TOKEN, "refresh_token": "another"})
    assert len(recorder.requests) == 1
    host.close()


@contextmanager
def connected(signal: Any, *receivers: Any) -> Iterator[None]:
    """Connect receivers to a signal of Django."""
    for receiver in receivers:
        signal.connect(receiver)
    try:
        yield
    finally:
        for receiver in receivers:
            signal.disconnect(receiver)

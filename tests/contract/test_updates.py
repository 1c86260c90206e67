"""When ``update_token`` is called and Authlib's signal is sent, and with which values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from authlib.integrations import django_client, flask_client

from authlib_kucoin import KuCoinError, register_kucoin
from authlib_kucoin.sandbox import Sandbox
from tests.contract.hosts import DjangoHost, FlaskHost, Host, StarletteHost
from tests.contract.recorder import ANSWERS, TOKEN, Recorder

NEW = ANSWERS["/_oauth/refresh-token"]["access_token"]
OLD = TOKEN["refresh_token"]


class RecordedUpdates:
    """An ``update_token`` that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(
        self, *args: Any, refresh_token: str | None = None, access_token: str | None = None
    ) -> None:
        *name, token = args
        self.calls.append((*name, token["access_token"], refresh_token, access_token))

    async def awaited(self, *args: Any, **old: Any) -> None:
        """Do the same as ``__call__``, as a coroutine function."""
        self(*args, **old)


def refresh(host: Host, app: Any, token: Any = TOKEN) -> None:
    """Refresh a token with an app, and close the app's connections."""
    host.run(lambda: app.refresh_access_token(token))
    host.run(app.close)


def test_update_token_of_a_registration_gets_the_pair(host: Host, recorder: Recorder) -> None:
    """``update_token`` gets the new token, the old refresh token and ``access_token=None``."""
    updates = RecordedUpdates()
    app = register_kucoin(host.oauth(), site=recorder.url, update_token=updates)
    refresh(host, app)
    assert updates.calls == [(NEW, OLD, None)]


def test_update_token_of_an_oauth_object_gets_the_name_first(
    host: Host, recorder: Recorder
) -> None:
    """All apps of the ``OAuth`` object share ``update_token``, so it gets the app's name first."""
    updates = RecordedUpdates()
    oauth = host.oauth(update_token=updates)
    refresh(host, register_kucoin(oauth, "kucoin_eu", site=recorder.url))
    assert updates.calls == [("kucoin_eu", NEW, OLD, None)]


def test_async_framework_awaits_update_token(recorder: Recorder) -> None:
    """The coroutine function is awaited, and called once for the pair that two apps receive."""
    updates, host = RecordedUpdates(), StarletteHost()
    refresh(host, register_kucoin(host.oauth(), site=recorder.url, update_token=updates.awaited))
    refresh(
        host, register_kucoin(host.oauth(update_token=updates.awaited), "other", site=recorder.url)
    )
    host.close()
    assert updates.calls == [(NEW, OLD, None)]  # once: the second refresh got the same pair


@pytest.fixture(params=[(FlaskHost, flask_client), (DjangoHost, django_client)])
def signals(request: pytest.FixtureRequest) -> Iterator[tuple[Host, list[dict[str, Any]]]]:
    """Two values: an application that sends ``token_update`` signals; each signal's fields."""
    host_class, module = request.param
    host, received = host_class(), []

    def receive(sender: object, **fields: Any) -> None:
        received.append(fields)

    module.token_update.connect(receive)
    yield host, received
    module.token_update.disconnect(receive)
    host.close()


def test_signal_is_sent_with_the_new_token(
    signals: tuple[Host, list[dict[str, Any]]], recorder: Recorder
) -> None:
    """One signal is sent, with the registration's name, the new token and the old refresh token."""
    host, received = signals
    refresh(host, register_kucoin(host.oauth(), "kucoin_eu", site=recorder.url))
    ((signal),) = received
    assert (signal["name"], signal["refresh_token"]) == ("kucoin_eu", OLD)
    assert signal["token"]["access_token"] == NEW
    assert NEW not in repr(signal["token"])


@pytest.mark.parametrize("fault", ["envelope:1:no", "oauth:invalid_grant", "html", "429", "lost"])
def test_no_signal_is_sent_if_the_refresh_fails(
    fault: str, signals: tuple[Host, list[dict[str, Any]]], kucoin_sandbox: Sandbox
) -> None:
    """If the refresh fails, no signal is sent, and ``update_token`` is not called."""
    host, received = signals
    kucoin_sandbox.fail_next("refresh", fault)
    updates = RecordedUpdates()
    app = register_kucoin(host.oauth(), site=kucoin_sandbox.url, update_token=updates)
    with pytest.raises(KuCoinError):
        refresh(host, app, kucoin_sandbox.token())
    host.run(app.close)
    assert (received, updates.calls) == ([], [])

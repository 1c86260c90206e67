"""``update_token`` and Authlib's signal, in each framework: when they are called, and with what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from authlib.integrations import django_client, flask_client

from authlib_kucoin import KuCoinError, register_kucoin
from authlib_kucoin.sandbox import Sandbox
from tests.contract.hosts import HOSTS, DjangoHost, FlaskHost, Host, StarletteHost
from tests.contract.recorder import ANSWERS, TOKEN, Recorder

NEW = ANSWERS["/_oauth/refresh-token"]["access_token"]
OLD = TOKEN["refresh_token"]


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Each framework in turn."""
    host = HOSTS[request.param]()
    yield host
    host.close()


class Told:
    """An ``update_token`` that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(
        self, *args: Any, refresh_token: str | None = None, access_token: str | None = None
    ) -> None:
        *name, token = args
        self.calls.append((*name, token["access_token"], refresh_token, access_token))

    async def awaited(self, *args: Any, **old: Any) -> None:
        """The same as a coroutine function."""
        self(*args, **old)


def refresh(host: Host, app: Any) -> None:
    """Refresh, and close the connections."""
    host.run(lambda: app.refresh_access_token(TOKEN))
    host.run(app.close)


def test_an_update_token_of_the_registration_is_told(host: Host, recorder: Recorder) -> None:
    """It gets the new token, and the old refresh token to find the database row by."""
    told = Told()
    app = register_kucoin(host.oauth(), site=recorder.url, update_token=told)
    refresh(host, app)
    assert told.calls == [(NEW, OLD, None)]


def test_an_update_token_of_the_oauth_object_is_told_the_name_too(
    host: Host, recorder: Recorder
) -> None:
    """All registrations of the object share it, so it also gets their name."""
    told = Told()
    oauth = host.oauth(update_token=told)
    refresh(host, register_kucoin(oauth, "kucoin_eu", site=recorder.url))
    assert told.calls == [("kucoin_eu", NEW, OLD, None)]


def test_an_async_framework_takes_a_coroutine_function(recorder: Recorder) -> None:
    """Plain functions are tested above."""
    told, host = Told(), StarletteHost()
    refresh(host, register_kucoin(host.oauth(), site=recorder.url, update_token=told.awaited))
    refresh(
        host, register_kucoin(host.oauth(update_token=told.awaited), "other", site=recorder.url)
    )
    host.close()
    assert told.calls == [(NEW, OLD, None)]  # once: the second call got the same pair


@pytest.fixture(params=[(FlaskHost, flask_client), (DjangoHost, django_client)])
def signals(request: pytest.FixtureRequest) -> Iterator[tuple[Host, list[dict[str, Any]]]]:
    """A framework that has Authlib's signal ``token_update``, and the signals received."""
    host_class, module = request.param
    host, received = host_class(), []

    def receive(sender: object, **fields: Any) -> None:
        received.append(fields)

    module.token_update.connect(receive)
    yield host, received
    module.token_update.disconnect(receive)
    host.close()


def test_the_signal_is_sent_with_a_checked_token(
    signals: tuple[Host, list[dict[str, Any]]], recorder: Recorder
) -> None:
    """Once, with the name under which KuCoin is registered."""
    host, received = signals
    refresh(host, register_kucoin(host.oauth(), "kucoin_eu", site=recorder.url))
    ((signal),) = received
    assert (signal["name"], signal["refresh_token"]) == ("kucoin_eu", OLD)
    assert signal["token"]["access_token"] == NEW
    assert NEW not in repr(signal["token"])


@pytest.mark.parametrize("fault", ["envelope:1:no", "oauth:invalid_grant", "html", "429", "lost"])
def test_no_signal_is_sent_with_what_is_no_token(
    fault: str, signals: tuple[Host, list[dict[str, Any]]], kucoin_sandbox: Sandbox
) -> None:
    """In stock Authlib, an error envelope would replace the stored pair."""
    host, received = signals
    kucoin_sandbox.fail_next("refresh", fault)
    told = Told()
    app = register_kucoin(host.oauth(), site=kucoin_sandbox.url, update_token=told)
    with pytest.raises(KuCoinError):
        refresh(host, app)
    host.run(app.close)
    assert (received, told.calls) == ([], [])

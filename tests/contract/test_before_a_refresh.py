"""``create_api_key`` checks settings and arguments before it refreshes an expired token.

A refresh cannot be undone: it ends the old access token at once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from authlib_kucoin import ConfigurationError, KuCoinOAuth2Session, register_kucoin
from tests.contract.hosts import CLIENTS, HOSTS, Host, ask
from tests.contract.recorder import TOKEN, Recorder

EXPIRED = {**TOKEN, "expires_at": 1}


def repeat_posts(client: Any) -> None:
    """Mount an adapter that can send a POST again."""
    client.mount("http://", HTTPAdapter(max_retries=Retry(3, allowed_methods=None)))


CHANGES = {
    "params": lambda client: setattr(client, "params", {"lang": "en"}),
    "protected_request": lambda client: client.register_compliance_hook("protected_request", print),
    "repeats POST": repeat_posts,
}


#: Each framework with each change, but not Starlette with "repeats POST": its clients use httpx2,
#: which has no such adapters.
ON_APPS = [
    (host, says)
    for host in HOSTS
    for says in CHANGES
    if (host, says) != ("starlette", "repeats POST")
]
#: Each client with each change that can prevent its calls. (requests opens a closed session again,
#: and httpx2 has no adapters that repeat a POST.)
ON_CLIENTS = [
    (client_class, says)
    for client_class in CLIENTS
    for says in [*CHANGES, "closed"]
    if says != ("closed" if client_class is KuCoinOAuth2Session else "repeats POST")
]


@pytest.mark.parametrize(("host", "says"), ON_APPS, indirect=["host"])
def test_app_checks_a_key_request_before_the_refresh(
    says: str, host: Host, recorder: Recorder
) -> None:
    """A client setting that is refused for a key request raises before the refresh is sent."""
    app = register_kucoin(host.oauth(), site=recorder.url)
    CHANGES[says](app.client)
    with pytest.raises(ConfigurationError, match=says):
        host.run(lambda: app.create_api_key(EXPIRED))
    assert recorder.requests == []
    host.run(app.close)


@pytest.mark.parametrize(("client_class", "says"), ON_CLIENTS)
def test_client_checks_a_key_request_before_the_refresh(
    says: str, client_class: Any, recorder: Recorder
) -> None:
    """A refused setting, or a closed client over httpx2, raises before the refresh is sent."""
    client = client_class("broker", site=recorder.url)
    if says == "closed":
        ask(client, lambda _client: None)
    else:
        CHANGES[says](client)
    with pytest.raises(ConfigurationError, match=says):
        asyncio.run(client.create_api_key(EXPIRED))  # a blocking client raises before `run`
    assert recorder.requests == []


@pytest.mark.parametrize("client_class", CLIENTS)
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"request": object()}, "token= or request=, not both"),
        ({"permissions": ["API_SPOT"]}, "permissions"),
    ],
)
def test_key_option_without_effect_raises_before_the_refresh(
    options: dict[str, Any], says: str, client_class: Any, recorder: Recorder
) -> None:
    """An argument without effect raises, and neither the refresh nor the key request is sent."""
    client = client_class("broker", site=recorder.url)
    with pytest.raises(ConfigurationError, match=says):
        ask(client, lambda client: client.create_api_key(EXPIRED, **options))
    assert recorder.requests == []

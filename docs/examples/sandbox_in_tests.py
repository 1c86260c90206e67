"""Test an application against the sandbox; ``kucoin_sandbox`` comes with the package."""

from collections.abc import Iterator
from typing import Any

import pytest
from authlib.integrations.flask_client import OAuth
from flask import Flask

from authlib_kucoin import ApiKeyOutcomeUnknown, register_kucoin
from authlib_kucoin.sandbox import Sandbox

REDIRECT_URI = "https://broker.example.com/callback"


@pytest.fixture
def app(kucoin_sandbox: Sandbox) -> Flask:
    """Return the application to test.

    Make your application and its ``OAuth`` anew for each test. Each sandbox has its own URL, and
    Authlib keeps the settings that it has read first.
    """
    app = Flask("tested")
    app.config["KUCOIN_CLIENT_ID"] = kucoin_sandbox.client_id
    app.config["KUCOIN_SITE"] = kucoin_sandbox.url
    return app


@pytest.fixture
def kucoin(app: Flask) -> Iterator[Any]:
    """Yield the registered client, in the application context that a request would have."""
    with app.app_context():
        yield register_kucoin(OAuth(app))


@pytest.fixture
def token(kucoin: Any, kucoin_sandbox: Sandbox) -> dict[str, Any]:
    """Return the token of a user who has approved."""
    login = kucoin.create_authorization_url(REDIRECT_URI)
    callback = kucoin_sandbox.approve(login["url"])  # or cancel()
    found: dict[str, Any] = kucoin.fetch_access_token(REDIRECT_URI, code=callback.fields["code"])
    return found


def test_a_key_is_created(kucoin: Any, token: dict[str, Any], kucoin_sandbox: Sandbox) -> None:
    """The key is the one that the sandbox has issued."""
    key = kucoin.create_api_key(token=token)
    assert key.secret == kucoin_sandbox.issued_keys[0].secret


def test_an_expired_token_is_refreshed(
    kucoin: Any, token: dict[str, Any], kucoin_sandbox: Sandbox
) -> None:
    """After an hour the token has expired: wind the sandbox's clock, and change `expires_at`."""
    kucoin_sandbox.advance(3601)
    kucoin.create_api_key(token=token | {"expires_at": token["expires_at"] - 3601})
    assert kucoin_sandbox.totals["refresh"] == 1


def test_an_answer_gets_lost(kucoin: Any, token: dict[str, Any], kucoin_sandbox: Sandbox) -> None:
    """The sandbox makes a key, but its answer is lost."""
    kucoin_sandbox.fail_next("create_api_key", "lost")
    with pytest.raises(ApiKeyOutcomeUnknown):
        kucoin.create_api_key(token=token)
    assert len(kucoin_sandbox.issued_keys) == 1

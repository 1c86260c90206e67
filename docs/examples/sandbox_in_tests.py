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
    """Return the application under test, a new one for each test: each sandbox has its own URL.

    Make its ``OAuth`` for each test, too, because Authlib keeps the settings of the first use.
    """
    app = Flask("tested")
    app.config["KUCOIN_CLIENT_ID"] = kucoin_sandbox.client_id
    app.config["KUCOIN_SITE"] = kucoin_sandbox.url
    return app


@pytest.fixture
def kucoin(app: Flask) -> Iterator[Any]:
    """Return the registered app, in an application context, as in a request."""
    with app.app_context():
        yield register_kucoin(OAuth(app))


@pytest.fixture
def token(kucoin: Any, kucoin_sandbox: Sandbox) -> dict[str, Any]:
    """Return the token of a user who has approved."""
    login = kucoin.create_authorization_url(REDIRECT_URI)
    callback = kucoin_sandbox.approve(login["url"])  # or cancel(), if the user refuses
    found: dict[str, Any] = kucoin.fetch_access_token(REDIRECT_URI, code=callback.fields["code"])
    return found


def test_a_key_is_created(kucoin: Any, token: dict[str, Any], kucoin_sandbox: Sandbox) -> None:
    """The key has the secret that the sandbox has issued."""
    key = kucoin.create_api_key(token=token)
    assert key.secret == kucoin_sandbox.issued_keys[0].secret


def test_an_expired_token_is_refreshed(
    kucoin: Any, token: dict[str, Any], kucoin_sandbox: Sandbox
) -> None:
    """One hour later, the package refreshes the token once before it asks for the key."""
    kucoin_sandbox.advance(3601)
    kucoin.create_api_key(token=token | {"expires_at": token["expires_at"] - 3601})
    assert kucoin_sandbox.totals["refresh"] == 1


def test_an_answer_gets_lost(kucoin: Any, token: dict[str, Any], kucoin_sandbox: Sandbox) -> None:
    """If the answer with the key is lost, the error is `ApiKeyOutcomeUnknown`."""
    kucoin_sandbox.fail_next("create_api_key", "lost")
    with pytest.raises(ApiKeyOutcomeUnknown):
        kucoin.create_api_key(token=token)
    assert len(kucoin_sandbox.issued_keys) == 1

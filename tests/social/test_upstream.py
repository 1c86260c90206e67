"""The backend in docs/upstream, written for social-core itself, works with the sandbox."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from social_core.exceptions import AuthCanceled, AuthProviderError

from authlib_kucoin.sandbox import Sandbox
from tests.social import memory
from tests.social.host import COMPLETE, UID, Host

pytestmark = pytest.mark.shows_secrets("the backend sends by requests, which logs whole URLs")

SOURCE = Path(__file__).parents[2] / "docs/upstream/social-core/kucoin.py"

kept: list[dict[str, str]] = []


def keep_api_key(api_key: dict[str, str], **_kwargs: Any) -> None:
    """Store the key. The setting API_KEY_STEP names this function."""
    kept.append(api_key)


@pytest.fixture
def upstream(kucoin_sandbox: Sandbox) -> Iterator[Host]:
    """A host application with the backend in docs/upstream."""
    spec = importlib.util.spec_from_file_location("upstream_kucoin", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)

    class Upstream(Host):
        @property
        def backend(self) -> Any:
            return module.KuCoinOAuth2(self.strategy, redirect_uri=COMPLETE)

    url = kucoin_sandbox.url
    step = f"{__name__}.keep_api_key"
    kept.clear()
    yield Upstream(kucoin_sandbox, WEB_URL=url, REST_URL=url, API_KEY_STEP=step)
    del sys.modules[spec.name]


def test_an_account_is_connected(upstream: Host) -> None:
    """The sandbox accepts each request, and the association has the account's uid."""
    upstream.come_back()
    assert [social.uid for social in memory.Social.rows] == [UID]
    assert [key["secret"] for key in kept] == [key.secret for key in upstream.sandbox.issued_keys]


def test_cancel(upstream: Host) -> None:
    """A cancelled login raises ``AuthCanceled``, and no token is requested."""
    with pytest.raises(AuthCanceled):
        upstream.complete(upstream.sandbox.cancel(upstream.start()).fields)
    assert "token" not in upstream.sandbox.totals


@pytest.mark.parametrize("operation", ["token", "create_api_key", "api_key_info"])
def test_error_with_http_200_associates_no_account(upstream: Host, operation: str) -> None:
    """A refusal with HTTP 200 raises social-core's error, and no account is associated."""
    upstream.sandbox.fail_next(operation, "envelope:1:no")
    with pytest.raises(AuthProviderError):
        upstream.come_back()
    assert not memory.Social.rows

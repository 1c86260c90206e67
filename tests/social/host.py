"""A host application for tests: it uses the backend, in memory, for one browser session."""

from typing import Any

from social_core.actions import do_auth, do_complete
from social_core.pipeline import DEFAULT_AUTH_PIPELINE

from authlib_kucoin.sandbox import Sandbox
from authlib_kucoin.social import KuCoinOAuth2
from tests.social.memory import HOST, Strategy, User

COMPLETE = "/complete/kucoin/"
REDIRECT_URI = HOST + COMPLETE
PIPELINE = (*DEFAULT_AUTH_PIPELINE, "tests.social.memory.approve_api_key")
REFRESHABLE = ["access_token", "refresh_token", "expires_in"]
UID = "165111215"


class Host:
    """A host application with one browser session, in which a user is signed in by default."""

    def __init__(self, sandbox: Sandbox, **settings: Any) -> None:
        """Create the host."""
        defaults = {
            "KEY": sandbox.client_id,
            "SITE": sandbox.url,
            "API_KEY_STEP": "tests.social.memory.keep_api_key",
            "PIPELINE": PIPELINE,
            "LOGIN_REDIRECT_URL": "/",
            "SANITIZE_REDIRECTS": False,
        }
        self.sandbox = sandbox
        self.strategy = Strategy(**defaults | settings)
        self.user: User | None = User("alice")

    @property
    def backend(self) -> KuCoinOAuth2[str]:
        """Return a new backend: each web request has its own."""
        return KuCoinOAuth2(self.strategy, redirect_uri=COMPLETE)

    def start(self) -> str:
        """Start a login, as the button "connect" does; return the URL of KuCoin's login page."""
        self.strategy.data = {}
        return do_auth(self.backend, user=self.user)

    def come_back(self, **changes: str) -> Any:
        """Start a login, approve it, open the callback; return the URL that the host redirects to.

        The given parameters replace those of the callback.
        """
        return self.complete(self.sandbox.approve(self.start()).fields | changes)

    def complete(self, fields: Any) -> Any:
        """Open the callback with these parameters; return the URL that the host redirects to."""
        self.strategy.data = fields
        return do_complete(self.backend, login=no_login, user=self.user)


def no_login(*_args: Any) -> None:
    """Fail: social-core would call this to sign a user in, but the user is signed in already."""
    raise AssertionError("the backend connects accounts; it must not log users in")

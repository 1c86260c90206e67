"""python-social-auth without a framework: a strategy and a storage that keep data in memory.

They replace social-core's test helpers, which its package does not include. The functions that
the host application's settings name are here too.
"""

import json
import warnings
from typing import Any, ClassVar

with warnings.catch_warnings():  # python3-openid imports a deprecated module of defusedxml
    warnings.simplefilter("ignore", DeprecationWarning)
    from social_core.strategy import BaseStrategy

from social_core.pipeline.partial import partial
from social_core.storage import BaseStorage, PartialMixin, UserMixin

from authlib_kucoin import ApiKey

HOST = "http://127.0.0.1:8000"


class User:
    """A user of the host application."""

    is_active = True
    is_authenticated = True
    everybody: ClassVar[dict[int, "User"]] = {}

    def __init__(self, username: str) -> None:
        self.id = len(self.everybody) + 1
        self.username = username
        self.everybody[self.id] = self


class Social(UserMixin):
    """An association of a user with an account."""

    rows: ClassVar[list["Social"]] = []

    def __init__(self, user: User, uid: str, provider: str) -> None:
        self.user = user
        self.uid = uid
        self.provider = provider
        self.extra_data = {}
        self.rows.append(self)

    def save(self) -> None:
        """Convert ``extra_data`` to JSON and back, which fails if JSON cannot hold it."""
        self.extra_data = json.loads(json.dumps(self.extra_data))

    def set_extra_data(self, extra_data: Any = None) -> bool:
        """Set and save, even if nothing has changed."""
        changed = super().set_extra_data(extra_data)
        self.save()
        return changed

    @classmethod
    def get_social_auth(cls, provider: str, uid: str, id_key: str | None = None) -> Any:
        """Return an association; None if there is none."""
        found = (row for row in cls.rows if (row.provider, row.uid) == (provider, uid))
        return next(found, None)

    @classmethod
    def get_social_auth_for_user(cls, user: User, *_args: Any, **_kwargs: Any) -> list["Social"]:
        """Return the associations of a user."""
        return [row for row in cls.rows if row.user is user]

    @classmethod
    def create_social_auth(cls, user: User, uid: str, provider: str, id_key: str = "") -> "Social":
        """Create an association."""
        return cls(user, uid, provider)

    @classmethod
    def get_username(cls, user: Any) -> str:
        """Return a user's name."""
        return str(user.username)

    @classmethod
    def user_model(cls) -> Any:
        """Return the user class."""
        return User

    @classmethod
    def get_user(cls, pk: int) -> Any:
        """Return a user."""
        return User.everybody.get(pk)


class Partial(PartialMixin):
    """A halted pipeline, stored as JSON, as in a database."""

    rows: ClassVar[dict[str, str]] = {}

    def save(self) -> None:
        """Store the halted pipeline."""
        fields = {"backend": self.backend, "next_step": self.next_step, "data": self.data}
        self.rows[self.token] = json.dumps(fields)

    @classmethod
    def load(cls, token: str) -> Any:
        """Load a halted pipeline."""
        loaded = cls()
        vars(loaded).update(json.loads(cls.rows[token]), token=token)
        return loaded

    @classmethod
    def destroy(cls, token: str) -> None:
        """Delete a halted pipeline."""
        del cls.rows[token]


class Storage(BaseStorage):
    """The kinds of data that social-core stores."""

    user = Social
    partial = Partial


class Strategy(BaseStrategy[str]):
    """A framework whose responses are URLs and whose session is a dict."""

    def __init__(self, **settings: Any) -> None:
        self.settings = {f"SOCIAL_AUTH_KUCOIN_{name}": value for name, value in settings.items()}
        self.settings["SOCIAL_AUTH_AUTHENTICATION_BACKENDS"] = [
            "authlib_kucoin.social.KuCoinOAuth2",
            "social_core.backends.mixcloud.MixcloudOAuth2",
        ]
        self.session: dict[str, Any] = {}
        self.data: Any = {}
        super().__init__(Storage)

    def redirect(self, url: str) -> str:
        """Return the URL."""
        return url

    def get_setting(self, name: str) -> Any:
        """Return a setting."""
        return self.settings[name]

    def get_request_data(self, merge: bool = True) -> Any:
        """Return the parameters of the request."""
        return self.data

    def session_get(self, name: str, default: Any = None) -> Any:
        """Return an item of the session."""
        return self.session.get(name, default)

    def session_set(self, name: str, value: Any) -> None:
        """Set an item of the session, converted to JSON and back, as in Django."""
        self.session[name] = json.loads(json.dumps(value))

    def session_pop(self, name: str) -> Any:
        """Remove an item from the session and return it; None if it is missing."""
        return self.session.pop(name, None)

    def build_absolute_uri(self, path: str | None = None) -> str:
        """Return a URL of the host application."""
        return f"{HOST}{path or ''}"


# --- the host's functions, and what they store ---------------------------------------------------

kept: list[tuple[User, ApiKey]] = []
approved: list[str] = []


def keep_api_key(user: User, api_key: ApiKey, **_kwargs: Any) -> None:
    """Store a new key."""
    kept.append((user, api_key))


def take_api_key(user: User, response: dict[str, Any], **_kwargs: Any) -> None:
    """Store the new key that the response holds: a step of the pipeline."""
    kept.append((user, response["credentials"]))


def approve_api_key(response: dict[str, Any], uid: str, **_kwargs: Any) -> None:
    """Mark a key as approved: social-core has associated its account with the user."""
    approved.append(f"{uid}:{response['api_key']}")


@partial
def ask_for_password(strategy: Strategy, **_kwargs: Any) -> Any:
    """Halt the pipeline until the session holds a password, as social-core's own tests do."""
    return None if strategy.session_get("password") else strategy.redirect("/password")


@partial
def ask_for_slug(strategy: Strategy, **_kwargs: Any) -> Any:
    """Halt the pipeline until the session holds a slug, as social-core's own tests do."""
    return None if strategy.session_get("slug") else strategy.redirect("/slug")


def forget() -> None:
    """Delete everything stored."""
    for memory in (User.everybody, Social.rows, Partial.rows, kept, approved):
        memory.clear()

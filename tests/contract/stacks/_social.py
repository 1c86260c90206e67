"""python-social-auth: its backend, called as a framework's views call it.

If social-core's error has an error of this package as its cause, this stack raises the cause. For a
refused login or a wrong state that social-core itself reports, it raises an error of the class that
a registered app would raise. The backend creates and describes a key in one step, cannot validate a
token, and calls no ``update_token``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from social_core.actions import do_auth
from social_core.exceptions import (
    AuthCanceled,
    AuthInputError,
    AuthSessionError,
    SocialAuthBaseException,
)
from werkzeug.datastructures import MultiDict

from authlib_kucoin import ApiKey, AuthorizationDenied, KuCoinOAuth2Session
from authlib_kucoin._protocol.callback import mismatching_state
from authlib_kucoin.social import KuCoinOAuth2

from ._base import Settings, SyncStack

with warnings.catch_warnings():  # python3-openid imports a deprecated module of defusedxml
    warnings.simplefilter("ignore", DeprecationWarning)
    from social_core.strategy import BaseStrategy


class _User:
    """A user who is signed in to the host application."""

    is_authenticated = True

    def __init__(self, name: str) -> None:
        self.id = name


class _Strategy(BaseStrategy[str]):
    """A framework whose session is a dict and whose redirects are URLs."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.session: dict[str, Any] = {}
        self.data: Any = {}
        self.keys: list[ApiKey] = []
        super().__init__()

    def get_setting(self, name: str) -> Any:
        return self.settings[name.removeprefix("SOCIAL_AUTH_KUCOIN_")]

    def request_data(self, merge: bool = True) -> Any:
        return self.data

    def session_get(self, name: str, default: Any = None) -> Any:
        return self.session.get(name, default)

    def session_set(self, name: str, value: Any) -> None:
        self.session[name] = value

    def session_pop(self, name: str) -> Any:
        return self.session.pop(name, None)

    def build_absolute_uri(self, path: str | None = None) -> str:
        return path or ""

    def redirect(self, url: str) -> str:
        return url


class _Backend(KuCoinOAuth2[str]):
    """The backend without a pipeline: a login ends with the token."""

    def do_auth(self, _access_token: str, *_args: Any, **kwargs: Any) -> Any:
        return kwargs["response"]


def keep_api_key(strategy: _Strategy, api_key: ApiKey, **_: Any) -> None:
    """The application's function that stores a new key."""
    strategy.keys.append(api_key)


class SocialStack(SyncStack):
    """A host application with python-social-auth."""

    verbs = frozenset({"refresh", "create_api_key"})
    calls_update_token = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._social = {
            "SITE": settings.site,
            "FAST_API": settings.fast_api,
            "PERMISSIONS": settings.permissions,
            "KEY": settings.client_id,
            "SECRET": settings.client_secret,
            "REQUESTS_TIMEOUT": settings.timeout,
            "TOTAL_TIMEOUT": settings.total_timeout,
            "API_KEY_STEP": f"{__name__}.keep_api_key",
        }
        self._browsers: dict[str, _Strategy] = {}

    def _strategy(self, user: str) -> _Strategy:
        return self._browsers.setdefault(user, _Strategy(self._social))

    def _backend(self, user: str, pairs: list[tuple[str, str]] | None = None) -> _Backend:
        strategy = self._strategy(user)
        strategy.data = MultiDict(pairs or ())
        return _Backend(strategy, redirect_uri=self.settings.redirect_uri)

    def login(self, user: str = "alice") -> str:
        return _ours(lambda: do_auth(self._backend(user), user=_User(user)))

    def session_size(self, user: str = "alice") -> int:
        return len(json.dumps(self._strategy(user).session))

    def finish(self, url: str, user: str = "alice") -> dict[str, Any]:
        return self._finish(parse_qsl(urlsplit(url).query, keep_blank_values=True), user)

    def finish_by_post(
        self, url: str, fields: Mapping[str, str], user: str = "alice"
    ) -> dict[str, Any]:
        query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        return self._finish([*query, *fields.items()], user)

    def _finish(self, pairs: list[tuple[str, str]], user: str) -> dict[str, Any]:
        return _ours(lambda: self._backend(user, pairs).complete(user=_User(user)))

    def call(self, verb: str, argument: Any) -> Any:
        backend = self._backend("alice")
        if verb == "refresh":
            return _ours(lambda: backend.refresh_token(argument["refresh_token"]))
        _ours(lambda: backend.user_data(argument["access_token"], user=_User("alice")))
        return self._strategy("alice").keys[-1]

    def is_alive(self, token: Mapping[str, Any]) -> bool:
        with KuCoinOAuth2Session(site=self.settings.site) as session:
            return session.validate_access_token(token)

    def close(self) -> None:
        """Do nothing: the backends of a process share their connections."""


def _ours(call: Callable[[], Any]) -> Any:
    """Call social-core; if it raises, raise this package's error for the same failure, if any."""
    try:
        return call()
    except SocialAuthBaseException as error:
        ours = error.__cause__ or _named(error)
    raise ours


def _named(error: SocialAuthBaseException) -> BaseException:
    """Return this package's error for one that social-core raised by itself.

    An error that is neither about a refused login nor about the state is returned as it is.
    """
    if isinstance(error, AuthCanceled):
        return AuthorizationDenied(str(error), operation="callback", code=error.provider_code)
    if isinstance(error, AuthSessionError | AuthInputError):  # about the state
        return mismatching_state()
    return error

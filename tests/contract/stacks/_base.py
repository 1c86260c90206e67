"""The interface between the contract and a framework or client, blocking or async."""

from __future__ import annotations

import asyncio
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from inspect import isawaitable
from threading import Barrier
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import urlencode, urlsplit

from authlib_kucoin import ApiKey, ApiKeyInfo, KuCoinError, Site
from authlib_kucoin.sandbox import Callback, Sandbox

#: Holds every punctuation mark that the library accepts in a redirect URI.
REDIRECT_URI = "https://broker.example.com/k-._~:@!$()*,=/callback?back=/?:@!$()*,=-._~"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a stack; each has the same meaning in every row that can use it."""

    site: Site | str
    client_id: str = "sandbox-client"
    client_secret: str | None = None
    redirect_uri: str = REDIRECT_URI
    timeout: float = 10.0
    total_timeout: float = 20.0
    fast_api: int | None = None
    permissions: tuple[str, ...] | None = None
    update_token: Callable[..., Any] | None = None

    @property
    def of_calls(self) -> dict[str, Any]:
        """The options of a client that limit how long calls may take."""
        return {"timeout": self.timeout, "total_timeout": self.total_timeout}

    @property
    def key_options(self) -> dict[str, Any]:
        """The options of a request for a key."""
        return {} if self.permissions is None else {"permissions": self.permissions}

    @property
    def origin(self) -> str:
        """Scheme and host of the redirect URI, where the broker's own pages are."""
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}"


class Update(NamedTuple):
    """The new token and the old refresh token, as given to one call of ``update_token``."""

    token: Mapping[str, Any]
    refresh_token: str | None


class Stack(ABC):
    """A framework or client in use, with the steps of a login as methods.

    Attributes:
        verbs: The calls that the stack offers besides the login.
        keeps_token: Whether the stack holds the token itself, as the clients do.
        calls_update_token: Whether the stack calls ``update_token`` after a refresh.
        updates: The calls of the stack's own ``update_token``, in order. None are recorded if the
            settings give another function.
    """

    verbs: ClassVar = frozenset({"refresh", "validate", "create_api_key", "api_key_info"})
    keeps_token: ClassVar = False
    calls_update_token: ClassVar = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.updates: list[Update] = []
        self.update_token = settings.update_token or self._record_update

    @property
    def held(self) -> Mapping[str, Any] | None:
        """The token that the stack holds, if it holds one."""
        return None

    @abstractmethod
    def login(self, user: str = "alice") -> str:
        """Start a user's login; return the URL of KuCoin's login page."""

    @abstractmethod
    def finish(self, url: str, user: str = "alice") -> dict[str, Any]:
        """Open the callback URL in the user's browser; return the token."""

    @abstractmethod
    def finish_by_post(
        self, url: str, fields: Mapping[str, str], user: str = "alice"
    ) -> dict[str, Any]:
        """Post a form to the callback URL from the user's browser; return the token."""

    def session_size(self, user: str = "alice") -> int:
        """Return the size of the user's session in bytes, in a row of ``WITH_SESSIONS``."""
        raise NotImplementedError

    @abstractmethod
    def call(self, verb: str, argument: Any) -> Any:
        """Make a call; return its result, or an awaitable of it."""

    @abstractmethod
    def settle(self, result: Any) -> Any:
        """Return a result, awaited if necessary."""

    @abstractmethod
    def together(self, count: int, verb: str, argument: Any) -> list[Any]:
        """Make a call many times concurrently; return the results and errors."""

    @abstractmethod
    def close(self) -> None:
        """Close what the stack has opened."""

    def connect(self, sandbox: Sandbox, user: str = "alice") -> dict[str, Any]:
        """Log a user in, approving at the sandbox; return the token."""
        return self.come_back(sandbox.approve(self.login(user)), user)

    def come_back(self, back: Callback, user: str = "alice") -> dict[str, Any]:
        """Open the sandbox's callback, by its method, in the user's browser; return the token."""
        if back.method == "POST":
            return self.finish_by_post(back, back.fields, user)
        return self.finish(back, user)

    def finish_with(self, code: str) -> dict[str, Any]:
        """Start a login and finish it with a given code; return the token."""
        answer = {"code": code, "state": self.login().rpartition("&state=")[2]}
        return self.finish(f"{self.settings.redirect_uri}&{urlencode(answer)}")

    def refresh(self, token: Mapping[str, Any]) -> dict[str, Any]:
        """Refresh a token."""
        return self.settle(self.call("refresh", token))

    def validate(self, token: Mapping[str, Any]) -> bool:
        """Validate a token."""
        return self.settle(self.call("validate", token))

    def is_alive(self, token: Mapping[str, Any]) -> bool:
        """Ask KuCoin whether a token is valid, even if the stack has no call for that."""
        return self.validate(token)

    def create_api_key(self, token: Mapping[str, Any]) -> ApiKey:
        """Create a key."""
        return self.settle(self.call("create_api_key", token))

    def api_key_info(self, key: ApiKey) -> ApiKeyInfo:
        """Get the key info."""
        return self.settle(self.call("api_key_info", key))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _record_update(
        self,
        token: Mapping[str, Any],
        refresh_token: str | None = None,
        access_token: str | None = None,
    ) -> None:
        """Record the call: this is the application's ``update_token``."""
        self.updates.append(Update(token, refresh_token))


class SyncStack(Stack):
    """A stack whose calls block."""

    def settle(self, result: Any) -> Any:
        return result

    def worker(self) -> Stack:
        """Return the stack for one thread: this one, unless each thread needs its own."""
        return self

    def together(self, count: int, verb: str, argument: Any) -> list[Any]:
        ready = Barrier(count)

        def one() -> Any:
            worker = self.worker()
            ready.wait(10)
            return outcome_of(lambda: worker.call(verb, argument))

        with ThreadPoolExecutor(count) as pool:
            return [each.result(60) for each in [pool.submit(one) for _ in range(count)]]


class AsyncStack(Stack):
    """A stack whose calls are awaited, on one event loop that lasts until the stack is closed."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._runner = asyncio.Runner()

    def settle(self, result: Any) -> Any:
        async def settled() -> Any:
            return await result if isawaitable(result) else result

        return self._runner.run(settled())

    def together(self, count: int, verb: str, argument: Any) -> list[Any]:
        async def all_of_them() -> list[Any]:
            calls = (self.call(verb, argument) for _ in range(count))
            return await asyncio.gather(*calls, return_exceptions=True)

        return self._runner.run(all_of_them())

    def close(self) -> None:
        self._runner.close()


class Outcome:
    """The outcome of a view, for the test.

    The view itself catches the library's errors, as applications do. Otherwise the framework would
    not save the browser's session.
    """

    def __init__(self) -> None:
        self._outcomes: list[Any] = []

    def of(self, call: Callable[[], Any]) -> str:
        """Store the outcome of a call; return a page for the browser."""
        self._outcomes.append(outcome_of(call))
        return "seen"

    async def of_awaited(self, awaitable: Awaitable[Any]) -> str:
        """Store the outcome of an awaitable; return a page for the browser."""
        try:
            result = await awaitable
        except KuCoinError as error:
            result = error
        return self.of(lambda: result)

    def take(self) -> Any:
        """Return the stored result, or raise the stored error."""
        outcome = self._outcomes.pop()
        assert not self._outcomes
        if isinstance(outcome, KuCoinError):
            raise outcome
        return outcome


#: The calls of the contract, as methods of a registered app.
APP_METHODS = {
    "refresh": "refresh_access_token",
    "validate": "validate_access_token",
    "create_api_key": "create_api_key",
    "api_key_info": "get_api_key_info",
}


def call_app(app: Any, verb: str, argument: Any, settings: Settings) -> Any:
    """Make a registered app's call for a verb; return its result, or an awaitable of it."""
    options = settings.key_options if verb == "create_api_key" else {}
    return getattr(app, APP_METHODS[verb])(argument, **options)


def outcome_of(call: Callable[[], Any]) -> Any:
    """Return the result of a call, or the ``KuCoinError`` that it raises."""
    try:
        return call()
    except KuCoinError as error:
        return error


#: A function that takes the fields of `Settings` as keyword arguments and makes a stack of the row.
NewStack = Callable[..., Stack]

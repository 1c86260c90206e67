"""Reads the settings and the facts that the checks need from a Starlette or FastAPI application."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, TypeGuard, TypeVar
from urllib.parse import urlsplit

from .registered import registered_settings
from .subject import App, Cookie, HostRefused

#: Only these middleware classes are run. They change the scheme of a request, redirect it, or
#: refuse its host.
_ADDRESS_MIDDLEWARE: Final = {
    "HTTPSRedirectMiddleware",
    "ProxyHeadersMiddleware",
    "TrustedHostMiddleware",
}
_TRUST: Final = (
    "start uvicorn with --forwarded-allow-ips and the proxy's address (uvicorn trusts only "
    "127.0.0.1 by default)"
)

#: Names in functions of these packages are not followed: they lead to no object of the application.
_LIBRARIES: Final = {"authlib", "authlib_kucoin", "fastapi", "pydantic", "starlette"}
#: Classes of these packages are not followed: they lead through all of Python. (Functions of
#: Python's own modules are followed: an application's module can have the same name, like profile.)
_CLASSES: Final = _LIBRARIES | sys.stdlib_module_names

T = TypeVar("T")
_Application = Callable[[Any, Any, Any], Awaitable[None]]


def starlette_settings(app: Any, name: str) -> dict[str, Any]:
    """Return the settings of a Starlette or FastAPI application.

    Args:
        app: The application.
        name: The name that KuCoin is registered under.

    Raises:
        ConfigurationError: If no KuCoin is found that is registered under this name.
    """
    client = _registered(app, name)
    settings = getattr(getattr(client, "_oauth", None), "config", None)

    def config(setting: str) -> Any:
        return settings.get(setting, default=None) if settings else None

    return {**registered_settings(client, name, config), "library": "httpx2"}


def _registered(app: Any, name: str) -> Any:
    """Return the registered ``KuCoinStarletteApp`` of this name; None if it is not found.

    A Starlette application has no attribute for Authlib's ``OAuth``; usually only its functions
    refer to that object. So this function follows references from the application, and returns the
    ``KuCoinStarletteApp`` of this name that is the fewest references away.
    """
    from authlib_kucoin.starlette_client import KuCoinStarletteApp  # noqa: PLC0415 - as installed

    seen, queue = {id(app)}, deque([app])
    while queue:
        found = queue.popleft()
        if _is_a(found, KuCoinStarletteApp) and found.name == name:
            return found
        new = [each for each in _referents(found) if id(each) not in seen]
        seen.update(map(id, new))
        queue.extend(new)
    return None


def _referents(found: object) -> Iterable[object]:
    """Return the objects that an object refers to, as far as the search should follow them.

    The search looks into a module only for the names that a function uses, because the rest of the
    module can belong to another application.
    """
    if _is_a(found, ModuleType) or (_is_a(found, type) and _package(found) in _CLASSES):
        return ()
    if not _is_a(found, FunctionType):
        return gc.get_referents(found)
    names = () if _package(found) in _LIBRARIES else _names(found.__code__)
    named = [found.__globals__[each] for each in names if each in found.__globals__]
    named += [
        sys.modules[each] for each in names if each in sys.modules
    ]  # imported in the function
    for each in named:  # it grows: a module can lead to another one, as in shop.auth.oauth
        if _is_a(each, ModuleType):
            members = [vars(each)[name] for name in names if name in vars(each)]
            named += [new for new in members if not any(new is old for old in named)]
    return [*named, found.__closure__, found.__defaults__, vars(found)]


def _is_a(found: object, kind: type[T]) -> TypeGuard[T]:
    """Tell whether an object is of a class. ``isinstance`` would run the code of a lazy proxy."""
    return issubclass(type(found), kind)


def _package(found: FunctionType | type) -> str:
    return str(found.__module__).partition(".")[0]


def _names(code: CodeType) -> set[str]:
    """Return the names of globals, attributes and imports in a function and its inner functions."""
    inner = (_names(each) for each in code.co_consts if isinstance(each, CodeType))
    return {*code.co_names}.union(*inner)


def starlette_app(app: Any) -> App:
    """Return the facts that the checks need about a Starlette or FastAPI application."""
    session = _session_options(app)
    return App(
        framework="FastAPI" if type(app).__module__.startswith("fastapi.") else "Starlette",
        cookie=_cookie(session) if session else None,
        secret_key=session and str(session["secret_key"]),
        secret_setting="secret_key of SessionMiddleware",
        has_other_sessions=session is None
        and any("Session" in getattr(each, "__name__", "") for each, *_ in app.user_middleware),
        debug=bool(app.debug),
        callback_url=lambda uri, host: _callback_url(app, uri, host),
        trust_scheme=_TRUST,
        trust_host=f"pass the redirect URI to authorize_redirect as text. For its scheme, {_TRUST}",
        allow_host="allowed_hosts of TrustedHostMiddleware",
        database=None,
        open_database=lambda: None,
    )


def _cookie(session: Mapping[str, Any]) -> Cookie:
    return Cookie(
        secure=session["https_only"],
        http_only=True,
        same_site=session["same_site"],
        set_secure="https_only=True in SessionMiddleware",
        set_same_site='same_site="lax" in SessionMiddleware',
    )


def _session_options(app: Any) -> Mapping[str, Any] | None:
    """Return the arguments of ``SessionMiddleware``; None without such a middleware."""
    from starlette.middleware.sessions import SessionMiddleware  # noqa: PLC0415 - as installed

    for added, arguments, options in app.user_middleware:
        if inspect.isclass(added) and issubclass(added, SessionMiddleware):
            given = inspect.signature(added).bind(app, *arguments, **options)
            given.apply_defaults()
            return given.arguments
    return None


def _callback_url(app: Any, uri: str, host: str) -> str | None:
    """Return the callback's URL as the application builds it behind a proxy that ends TLS.

    The server (uvicorn) takes the scheme from a proxy that it trusts. Which proxies it trusts is
    not known here, so the request arrives with the scheme of the redirect URI. The request passes
    only the middleware in ``_ADDRESS_MIDDLEWARE``, so no endpoint of the application runs. The
    result is None if no route serves a GET of the URI.

    Raises:
        HostRefused: If a middleware answers instead of passing the request on.
    """
    from starlette.datastructures import URL  # noqa: PLC0415 - as installed

    parts = urlsplit(uri)
    path = parts.path or "/"
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": parts.scheme,
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", host.encode()), (b"x-forwarded-proto", parts.scheme.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    arrived = asyncio.run(_arrived(app, scope))
    if arrived is None:
        raise HostRefused
    # If a route serves the path only with a final slash added or removed, Starlette by default
    # redirects to it.
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    for served in (path, other) if app.router.redirect_slashes else (path,):
        if _is_served(app, {**arrived, "path": served}):
            return str(URL(scope={**arrived, "path": served}))
    return None


async def _arrived(app: Any, scope: dict[str, Any]) -> dict[str, Any] | None:
    """Return the scope as it reaches the router; None if a middleware answers instead."""
    seen: list[dict[str, Any]] = []

    async def router(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    async def send(_message: Any) -> None:
        """Ignore what a middleware answers."""

    stack: _Application = router
    for added, arguments, options in reversed(app.user_middleware):
        if getattr(added, "__name__", "") in _ADDRESS_MIDDLEWARE:
            stack = added(stack, *arguments, **options)
    await stack(scope, None, send)
    return seen[0] if seen else None


def _is_served(router: Any, scope: dict[str, Any]) -> bool:
    from starlette.routing import Match  # noqa: PLC0415 - as installed

    for route in router.routes:
        match, below = route.matches(scope)
        if match is Match.FULL and (
            not getattr(route, "routes", None) or _is_served(route, {**scope, **below})
        ):
            return True
    return False

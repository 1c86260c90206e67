"""Checks of the application: debug mode, session cookie, secret key, callback route, database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from .findings import Finding, note, right, skipped, wrong
from .subject import App, HostRefused, Subject

#: A secret key of fewer characters than this counts as one that can be guessed.
_SHORTEST_SECRET: Final = 16
#: A Host header such as the app gets from a proxy that does not forward the browser's Host.
_INNER_HOST: Final = "127.0.0.1:8000"
_NO_APP: Final = "no --app was given"
_NO_COOKIE: Final = "the application has no session cookie that this command knows"


def check_app(subject: Subject) -> Iterator[Finding]:
    """Check that the application can be loaded and is not in debug mode."""
    if subject.app_failure:
        yield wrong("The application cannot be loaded.", subject.app_failure)
    elif subject.app is None:
        yield skipped(f"{_NO_APP}: cookies, callback and database are not checked")
    elif subject.app.debug:
        yield wrong(
            "Debug mode is on: an error page shows settings and variables.",
            "Start without it: no FLASK_DEBUG=1, --debug or debug=True; in Django, DEBUG = False.",
        )
    else:
        yield right(f"{subject.app.framework}, debug mode is off")


def check_cookies(subject: Subject) -> Iterator[Finding]:
    """Check the flags of the session cookie."""
    if subject.app is None:
        yield skipped(_NO_APP)
        return
    cookie = subject.app.cookie
    if cookie is None:
        yield skipped(_NO_COOKIE)
        return
    is_https = urlsplit(str(subject.settings.redirect_uri or "https:")).scheme == "https"
    troubles = []
    if is_https and not cookie.secure:
        troubles.append(
            wrong("The session cookie is sent over http as well.", f"Set {cookie.set_secure}.")
        )
    if not cookie.http_only:
        troubles.append(
            wrong("Scripts can read the session cookie.", f"Set {cookie.set_http_only}.")
        )
    same_site = str(cookie.same_site).lower()
    if same_site == "strict":
        troubles.append(
            wrong(
                "The session cookie is SameSite=Strict: browsers leave it out of the callback, "
                "so every login fails with a mismatching state.",
                f"Set {cookie.set_same_site}.",
            )
        )
    elif same_site != "lax":
        troubles.append(
            note(
                "The session cookie does not say SameSite=Lax.",
                f"Set {cookie.set_same_site}.",
            )
        )
    yield from troubles or [right("Secure, HttpOnly, SameSite=Lax" if is_https else "in order")]


def check_secret_key(subject: Subject) -> Iterator[Finding]:
    """Check that the secret key is set, hard to guess, and not from Django's startproject."""
    if subject.app is None:
        yield skipped(_NO_APP)
        return
    if subject.app.has_other_sessions:
        yield skipped(_NO_COOKIE)
        return
    key = subject.app.secret_key
    text = key.decode("latin-1") if isinstance(key, bytes) else str(key or "")
    name = subject.app.secret_setting
    advice = f'Set {name}. Make one: python -c "import secrets; print(secrets.token_hex())"'
    if not text:
        yield wrong(f"There is no {name}, so there are no sessions.", advice)
    elif text.startswith("django-insecure-"):
        yield wrong(f"{name} is the one that startproject made for development.", advice)
    elif len(text) < _SHORTEST_SECRET or len(set(text)) < _SHORTEST_SECRET // 2:
        yield wrong(f"{name} can be guessed: it is too short or too regular.", advice)
    else:
        yield right(f"{len(text)} characters")


def check_callback(subject: Subject) -> Iterator[Finding]:
    """Check that the redirect URI has a route, and that the app builds this URI behind a proxy."""
    uri = str(subject.settings.redirect_uri or "")
    if subject.app is None:
        yield skipped(_NO_APP)
        return
    if not urlsplit(uri).hostname:
        yield skipped("the redirect URI is not known")
        return
    yield _callback_finding(subject.app, uri)


def _callback_finding(app: App, uri: str) -> Finding:
    ours = urlsplit(uri)
    try:
        built = app.callback_url(uri, ours.netloc)
    except HostRefused:
        return wrong(
            f"The application refuses requests for {ours.hostname}.",
            f"Add {ours.hostname!r} to {app.allow_host}.",
        )
    if built is None:
        return wrong(
            f"No route of the application serves {ours.path or '/'}.",
            "Add the route of your callback, or set KUCOIN_REDIRECT_URI to a URL with a route.",
        )
    theirs = urlsplit(built)
    if ours.scheme != theirs.scheme:
        return wrong(
            f"Behind a proxy that ends TLS, the application builds {built}.",
            f"Make it trust the proxy's X-Forwarded-Proto: {app.trust_scheme}.",
        )
    if built != uri:
        return wrong(
            f"Behind a proxy, the application builds {built}.",
            f"Register that one with KuCoin, or pass {uri} to authorize_redirect.",
        )
    if not _builds_behind(app, uri):
        return note(
            f"The application builds {uri} only if the proxy forwards the browser's Host header.",
            f"Make the proxy do so (nginx: proxy_set_header Host $host), or: {app.trust_host}.",
        )
    return right(f"behind a proxy that ends TLS, the application builds {built}")


def _builds_behind(app: App, uri: str) -> bool:
    try:
        return app.callback_url(uri, _INNER_HOST) == uri
    except HostRefused:
        return False


def check_database(subject: Subject) -> Iterator[Finding]:
    """Check that the database is not SQLite in memory and, unless offline, that it answers."""
    app = subject.app
    if app is None or not app.database:
        yield skipped(
            _NO_APP if app is None else "the application has no database that this command knows"
        )
        return
    scheme = urlsplit(app.database).scheme
    if scheme.startswith("sqlite") and _is_in_memory(app.database):
        yield wrong(
            "The database is SQLite in memory: a restart loses every key.",
            "Set DATABASE_URL to a PostgreSQL database, or to a file such as "
            "sqlite:////var/lib/app/kucoin.sqlite.",
        )
        return
    if subject.offline:
        yield skipped("not with --offline")
    elif failure := _failure(app):
        yield wrong(
            f"The database does not answer ({failure}).",
            "Check DATABASE_URL, its password and its firewall.",
        )
    elif scheme.startswith("sqlite"):
        yield note(
            "SQLite answers. It works for one machine only.",
            "If you have workers on several machines, set DATABASE_URL to a PostgreSQL database.",
        )
    else:
        yield right(f"{scheme.partition('+')[0]} answers")


def _is_in_memory(url: str) -> bool:
    path = url.partition("://")[2].partition("?")[0].strip("/")
    return path in ("", ":memory:") or "mode=memory" in url


def _failure(app: App) -> str:
    try:
        app.open_database()
    except Exception as error:  # noqa: BLE001 - each driver has errors of its own; their texts can hold the URL
        return type(error).__name__
    return ""

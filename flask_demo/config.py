"""The settings: from the environment, or from what ``create_app`` is given.

================================  ================================================================
``KUCOIN_CLIENT_ID``              From KuCoin (document section 2). Without it: the sandbox.
``KUCOIN_CLIENT_SECRET``          Only if KuCoin gave you one.
``KUCOIN_SITE``                   ``eu``, ``global``, ``australia``, or a base URL.
``KUCOIN_REDIRECT_URI``           As registered with KuCoin. Names the public address as well: the
                                  host that is answered, and whether cookies need https. Without
                                  it only loopback names are answered.
``KUCOIN_VAULT_KEYS``             Fernet keys, comma separated. The first one encrypts.
``KUCOIN_KEEP_TOKENS``            ``1`` to keep tokens, so that a new key needs no user for 3 days.
``KUCOIN_EXPECTED_PERMISSIONS``   What a key should be able to do, in the key info's words.
``SECRET_KEY``                    Signs sessions and ``state``.
``DATABASE_URL``                  SQLite in the instance folder unless given.
``TRUSTED_PROXIES``               How many proxies stand in front and set ``X-Forwarded-*``.
``DEMO_INSTANCE``                 The instance folder, if it is not Flask's own.
``DEMO_PORT``, ``SANDBOX_PORT``   Where ``python -m flask_demo`` listens: 5000 and 9400.
================================  ================================================================
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

MAKE_VAULT_KEY: Final = (
    "Make one: python -c "
    '"from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
#: What to put into each setting that a real site needs.
_REQUIRED: Final = {
    "KUCOIN_SITE": "The site your client id is for: eu, global, australia, or its base URL",
    "SECRET_KEY": 'Make one: python -c "import secrets; print(secrets.token_hex())"',
    "KUCOIN_VAULT_KEYS": MAKE_VAULT_KEY,
}
_OPTIONAL: Final = (
    "KUCOIN_CLIENT_ID",
    "KUCOIN_CLIENT_SECRET",
    "KUCOIN_REDIRECT_URI",
    "KUCOIN_KEEP_TOKENS",
    "KUCOIN_EXPECTED_PERMISSIONS",
    "DATABASE_URL",
    "TRUSTED_PROXIES",
    "DEMO_INSTANCE",
    "DEMO_PORT",
    "SANDBOX_PORT",
)
#: What is looked for in the environment.
SETTINGS: Final = (*_REQUIRED, *_OPTIONAL)
#: What only a real site needs.
_REAL: Final = ("KUCOIN_SITE", "KUCOIN_CLIENT_SECRET", "KUCOIN_REDIRECT_URI")
#: Where the demo takes the browser back, maybe below the server's own prefix (SCRIPT_NAME).
_CALLBACK: Final = "/kucoin/callback"
_LOOPBACK: Final = ["localhost", "127.0.0.1"]
_EXPECTED: Final = "General,Spot"
_YES: Final = {"1", "true", "yes", "on"}


class SettingsError(ValueError):
    """The settings do not allow a start; the text says which and what to do."""


def given_settings(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the environment's settings, overruled by ``config``; an empty one is none."""
    found = {name: os.environ.get(name) for name in SETTINGS} | dict(config or {})
    return {name: value for name, value in found.items() if value not in (None, "")}


def flask_config(given: Mapping[str, Any], instance: Path) -> dict[str, Any]:
    """Turn settings into Flask's configuration.

    Args:
        given: What :func:`given_settings` returns.
        instance: The folder for what is kept on disk.

    Raises:
        SettingsError: If one is missing for a real site, or makes no sense.
    """
    settings = dict(given)
    sandbox = "KUCOIN_CLIENT_ID" not in settings
    settings["DEMO_PORT"] = _number(settings, "DEMO_PORT", 5000)
    settings["SANDBOX_PORT"] = _number(settings, "SANDBOX_PORT", 9400)
    if sandbox:
        if settings["SANDBOX_PORT"] == 0:
            raise SettingsError("SANDBOX_PORT cannot be 0: the demo has to know the address.")
        if real := [name for name in _REAL if name in given]:
            raise SettingsError(
                f"{', '.join(real)} is for a real site, and without KUCOIN_CLIENT_ID this is the "
                "sandbox. Set KUCOIN_CLIENT_ID as well, or leave it out."
            )
        settings |= {
            "KUCOIN_CLIENT_ID": "sandbox-client",
            "KUCOIN_CLIENT_SECRET": None,
            "KUCOIN_SITE": f"http://127.0.0.1:{settings['SANDBOX_PORT']}",
        }
        # Made up only here: who loses the keys of real credentials loses the credentials.
        for name, make in (("SECRET_KEY", secrets.token_hex), ("KUCOIN_VAULT_KEYS", new_vault_key)):
            settings[name] = settings.get(name) or _kept(instance / name.lower(), make)
    elif missing := [name for name in _REQUIRED if name not in settings]:
        lines = "".join(f"\n  {name}: {_REQUIRED[name]}" for name in missing)
        raise SettingsError(f"KUCOIN_CLIENT_ID is set, so these have to be, too:{lines}")
    public = _address("KUCOIN_REDIRECT_URI", settings.get("KUCOIN_REDIRECT_URI"))
    own = _address("SERVER_NAME", f"//{settings.get('SERVER_NAME') or ''}")  # Flask's own setting
    if public.path and not public.path.endswith(_CALLBACK):
        raise SettingsError(
            f"KUCOIN_REDIRECT_URI does not end in {_CALLBACK}: nobody would be there."
        )
    https = public.scheme == "https"
    database = _database(settings, instance, sandbox)
    patience = {"timeout": 30} if database.startswith("sqlite") else {"connect_timeout": 5}
    defaults = {
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "connect_args": patience,
            "hide_parameters": True,  # in errors and in the log
            "pool_pre_ping": True,  # a restarted database costs no attempt
        },
        # Session cookies that travel by https alone, and that no other subdomain can have set.
        "SESSION_COOKIE_SECURE": https,
        "SESSION_COOKIE_NAME": "__Host-session" if https else "session",
        # Not used, but Flask-Login reads it and may fail on it: no other subdomain can have set it.
        "REMEMBER_COOKIE_NAME": "__Host-remember",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        # Flask-WTF would want a Referer over https, which our pages tell browsers not to send.
        "WTF_CSRF_SSL_STRICT": False,
        # A forged Host must not become part of a redirect URI, so no other host is answered.
        "TRUSTED_HOSTS": [*filter(None, [public.hostname, own.hostname]), *_LOOPBACK],
        "MAX_CONTENT_LENGTH": 64 * 1024,
    }
    return {
        **defaults,
        **settings,
        "SQLALCHEMY_DATABASE_URI": database,
        "SANDBOX": sandbox,
        "KUCOIN_EXPECTED_PERMISSIONS": _words(settings, "KUCOIN_EXPECTED_PERMISSIONS", _EXPECTED),
        "KUCOIN_VAULT_KEYS": _joined(settings["KUCOIN_VAULT_KEYS"]),
        "KUCOIN_KEEP_TOKENS": str(settings.get("KUCOIN_KEEP_TOKENS")).lower() in _YES,
        "TRUSTED_PROXIES": _number(settings, "TRUSTED_PROXIES", 0),
    }


def new_vault_key() -> str:
    """Return a fresh key for ``KUCOIN_VAULT_KEYS``."""
    return Fernet.generate_key().decode()


def _number(settings: Mapping[str, Any], name: str, default: int) -> int:
    try:
        number = int(settings.get(name, default))
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise SettingsError(f"{name} is not a number.")
    return number


def _words(settings: Mapping[str, Any], name: str, default: str) -> list[str]:
    """Return the words of a list, or of a text with commas or spaces between them."""
    value = settings.get(name, default)
    words = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise SettingsError(f"{name} is not a comma-separated list.")
    return list(words)


def _joined(keys: object) -> str:
    """Return vault keys as one text, also those given as a list or as bytes."""
    each = keys if isinstance(keys, list | tuple) else [keys]
    texts = (str(key, errors="replace") if isinstance(key, bytes) else str(key) for key in each)
    return ",".join(texts)


def _address(name: str, value: str | None) -> SplitResult:
    try:
        return urlsplit(value or "")
    except ValueError:
        raise SettingsError(f"{name} is not an address.") from None


def _database(settings: Mapping[str, Any], instance: Path, sandbox: bool) -> str:  # noqa: FBT001 - a fact
    url = settings.get("SQLALCHEMY_DATABASE_URI") or settings.get("DATABASE_URL")
    if not url:
        instance.mkdir(mode=0o700, parents=True, exist_ok=True)
        return f"sqlite:///{instance / ('sandbox' if sandbox else 'kucoin')}.sqlite"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # its text repeats the URL, which may hold a password
        raise SettingsError("DATABASE_URL is not a database's address.") from None
    if parsed.drivername in ("postgres", "postgresql"):  # as hosting providers write it
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("postgresql+psycopg", "sqlite"):
        raise SettingsError("DATABASE_URL begins with neither postgresql:// nor sqlite://.")
    if in_memory(parsed) and not settings.get("TESTING"):
        raise SettingsError("DATABASE_URL names no file: every worker would have its own database.")
    return parsed.render_as_string(hide_password=False)


def in_memory(url: URL) -> bool:
    """Tell whether a database is SQLite's in memory: good for tests, and gone with the process."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _kept(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in a file that only we can read; made once, however many workers start."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # mode 0600
            file.write(make())
            file.flush()
            with suppress(FileExistsError):  # another worker was faster
                path.hardlink_to(file.name)  # whole or not at all
    return path.read_text()

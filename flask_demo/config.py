"""The settings: environment variables, or the argument of ``create_app``.

================================  ================================================================
``KUCOIN_CLIENT_ID``              From KuCoin (document section 2). Without it, the demo uses the
                                  sandbox.
``KUCOIN_CLIENT_SECRET``          Only if KuCoin gave you one.
``KUCOIN_SITE``                   ``eu``, ``global``, ``australia``, or a base URL.
``KUCOIN_REDIRECT_URI``           As registered with KuCoin. The demo answers requests for this
                                  URI's host, for ``localhost`` and for ``127.0.0.1``. If the URI
                                  is https, the demo's cookies are ``Secure``.
``KUCOIN_VAULT_KEYS``             Fernet keys, comma-separated. The first one encrypts.
``KUCOIN_KEEP_TOKENS``            ``1`` keeps tokens, so that for 3 days after an approval or a
                                  refresh a key can be replaced without a further approval.
``KUCOIN_FAST_API``               ``1`` or ``2``, if KuCoin gave you another version than the site's
                                  default.
``KUCOIN_PERMISSIONS``            The permissions to ask for with Fast API 2. Default:
                                  ``API_COMMON,API_SPOT``.
``KUCOIN_EXPECTED_PERMISSIONS``   The permissions that a key should have, as key info names them.
                                  Default: those of ``KUCOIN_PERMISSIONS``; ``General,Spot`` if
                                  that is not set either.
``SECRET_KEY``                    Signs sessions and ``state``.
``DATABASE_URL``                  PostgreSQL or SQLite. Default: SQLite in the instance folder.
``TRUSTED_PROXIES``               How many proxies stand in front and set ``X-Forwarded-*``.
``LOG_JSON``                      ``1`` writes the demo's own log lines as JSON.
``DEMO_INSTANCE``                 The instance folder. Default: Flask's.
``DEMO_PORT``, ``SANDBOX_PORT``   The ports of ``python -m flask_demo``. Default: 5000 and 9400.
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

from .database import database_url, engine_options, make_folder
from .errors import SettingsError
from .permissions import NAMES, PERMISSIONS

MAKE_VAULT_KEY: Final = (
    "Make one: python -c "
    '"from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
#: The settings that a real site needs besides KUCOIN_CLIENT_ID. The texts say what to set.
_REQUIRED: Final = {
    "KUCOIN_SITE": "The site your client id is for: eu, global, australia, or its base URL",
    "SECRET_KEY": 'Make one: python -c "import secrets; print(secrets.token_hex())"',
    "KUCOIN_VAULT_KEYS": MAKE_VAULT_KEY,
}
#: Settings for a real site only. Without KUCOIN_CLIENT_ID they are refused.
_REAL: Final = ("KUCOIN_SITE", "KUCOIN_CLIENT_SECRET", "KUCOIN_REDIRECT_URI")
_SWITCHES: Final = ("KUCOIN_KEEP_TOKENS", "LOG_JSON")
_NUMBERS: Final = {"DEMO_PORT": 5000, "SANDBOX_PORT": 9400, "TRUSTED_PROXIES": 0}
_OTHERS: Final = (
    *("KUCOIN_CLIENT_ID", "KUCOIN_FAST_API", "KUCOIN_PERMISSIONS", "KUCOIN_EXPECTED_PERMISSIONS"),
    *("DATABASE_URL", "DEMO_INSTANCE"),
)
#: The names of the environment variables that :func:`given_settings` reads.
SETTINGS: Final = {*_REQUIRED, *_REAL, *_SWITCHES, *_NUMBERS, *_OTHERS}
#: The end of the callback's path. A server can put a prefix in front (SCRIPT_NAME).
_CALLBACK: Final = "/kucoin/callback"
_LOOPBACK: Final = ["localhost", "127.0.0.1"]
_YES: Final = ("1", "true", "yes", "on")


def given_settings(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings that are not empty. ``config`` wins over the environment."""
    found = {name: os.environ.get(name) for name in SETTINGS} | dict(config or {})
    return {name: value for name, value in found.items() if value not in (None, "")}


def flask_config(given: Mapping[str, Any], instance: Path) -> dict[str, Any]:
    """Turn settings into Flask's configuration.

    Args:
        given: The result of :func:`given_settings`.
        instance: The folder for files: the default SQLite database, and the demo's secrets for use
            with the sandbox.

    Raises:
        SettingsError: If a required setting is missing, a setting is wrong, or a secret's file or
            a folder cannot be used.
    """
    is_sandbox = "KUCOIN_CLIENT_ID" not in given
    settings = {
        **given,
        "SANDBOX": is_sandbox,
        **{name: str(given.get(name)).lower() in _YES for name in _SWITCHES},
        **{name: _number(name, given.get(name, default)) for name, default in _NUMBERS.items()},
    }
    asked = settings["KUCOIN_PERMISSIONS"] = _permissions(
        settings, "KUCOIN_PERMISSIONS", NAMES, ["API_COMMON", "API_SPOT"]
    )
    settings["KUCOIN_EXPECTED_PERMISSIONS"] = _permissions(
        settings, "KUCOIN_EXPECTED_PERMISSIONS", PERMISSIONS, [NAMES[name] for name in asked]
    )
    if is_sandbox:
        settings |= _sandbox_settings(settings, instance)
    elif missing := [name for name in _REQUIRED if name not in settings]:
        lines = "".join(f"\n  {name}: {_REQUIRED[name]}" for name in missing)
        raise SettingsError(f"KUCOIN_CLIENT_ID is set, so these settings are needed, too:{lines}")
    secret_key = settings["SECRET_KEY"]
    if len(secret_key) < 16 or len(set(secret_key)) < 6:
        raise SettingsError(f"SECRET_KEY is too easy to guess. {_REQUIRED['SECRET_KEY']}")
    settings["KUCOIN_VAULT_KEYS"] = _joined(settings["KUCOIN_VAULT_KEYS"])
    name = "sandbox.sqlite" if is_sandbox else "kucoin.sqlite"
    url = database_url(settings, instance / name)
    defaults = {**_web_settings(settings), "SQLALCHEMY_ENGINE_OPTIONS": engine_options(url)}
    return {**defaults, **settings, "SQLALCHEMY_DATABASE_URI": url}


def _sandbox_settings(settings: Mapping[str, Any], instance: Path) -> dict[str, Any]:
    """Return the settings that the demo needs to use the sandbox.

    Secrets that were not given are made once and kept in files. Secrets for a real site are not
    made here: whoever runs the site has to back up the vault key, because without it all stored
    credentials are lost.
    """
    if settings["SANDBOX_PORT"] == 0:
        raise SettingsError("SANDBOX_PORT cannot be 0: the demo has to know the sandbox's address.")
    if real := ", ".join(name for name in _REAL if name in settings):
        raise SettingsError(
            f"{real} is for a real site, but without KUCOIN_CLIENT_ID the demo uses the sandbox. "
            f"Set KUCOIN_CLIENT_ID as well, or remove {real}."
        )
    makers = {"SECRET_KEY": secrets.token_hex, "KUCOIN_VAULT_KEYS": new_vault_key}
    kept = {
        name: settings.get(name) or _kept_secret(instance / name.lower(), make)
        for name, make in makers.items()
    }
    site = f"http://127.0.0.1:{settings['SANDBOX_PORT']}"
    return {"KUCOIN_CLIENT_ID": "sandbox-client", "KUCOIN_SITE": site, **kept}


def _kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in a file. If the file does not exist, make a secret and write the file.

    The file is written under a temporary name and then linked, so that no worker reads half a
    secret. If several workers start at the same moment, all use the secret of the first one.

    Raises:
        SettingsError: If the file cannot be made or read, is empty or is a symbolic link, or if
            another user of the machine owns it or has any right to it.
    """
    make_folder(path.parent)
    try:
        if not os.path.lexists(path):
            with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # mode 0600
                file.write(make())
                file.flush()
                with suppress(FileExistsError):  # another worker has just made the file
                    path.hardlink_to(file.name)
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW)) as kept:
            owner, secret = os.fstat(kept.fileno()), kept.read().strip()
    except (OSError, UnicodeError) as error:  # also for a symbolic link, by O_NOFOLLOW
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(
            f"{path} cannot be made or read: {reason}. Delete it, or set DEMO_INSTANCE to a folder "
            "that you can write to."
        ) from None
    if owner.st_uid != os.geteuid() or owner.st_mode & 0o077:
        raise SettingsError(f"Others can read {path} or have made it. Delete it.")
    if not secret:
        raise SettingsError(f"{path} is empty. Delete it.")
    return secret


def _web_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings for cookies, forms and hosts. Some follow from the public address."""
    public = _address("KUCOIN_REDIRECT_URI", settings.get("KUCOIN_REDIRECT_URI"))
    own = _address("SERVER_NAME", f"//{settings.get('SERVER_NAME') or ''}")  # Flask's own setting
    if public.path and not public.path.endswith(_CALLBACK):
        raise SettingsError(f"KUCOIN_REDIRECT_URI has to end in {_CALLBACK}, our only callback.")
    # Assume https for a SERVER_NAME that is not in _LOOPBACK, because a redirect URI on a
    # public host has to be https.
    is_https = public.scheme == "https" or own.hostname not in (None, *_LOOPBACK)
    return {
        # A cookie with a __Host- name has to be Secure, and no other host can set it for this host.
        "SESSION_COOKIE_NAME": "__Host-session" if is_https else "session",
        "SESSION_COOKIE_SECURE": is_https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        # Flask-Login reads a remember cookie, which the demo never sets, and can fail if the cookie
        # is not ASCII. No browser can send a cookie with this name.
        "REMEMBER_COOKIE_NAME": ";",
        # Over https Flask-WTF requires a Referer, but our pages tell browsers not to send one.
        "WTF_CSRF_SSL_STRICT": False,
        # Requests with another Host are refused: without KUCOIN_REDIRECT_URI, Flask builds the
        # redirect URI from Host.
        "TRUSTED_HOSTS": [*filter(None, [public.hostname, own.hostname]), *_LOOPBACK],
        "MAX_CONTENT_LENGTH": 64 * 1024,
    }


def new_vault_key() -> str:
    """Return a new key for ``KUCOIN_VAULT_KEYS``."""
    return Fernet.generate_key().decode()


def _number(name: str, value: Any) -> int:
    if not str(value).isdecimal():
        raise SettingsError(f"{name} is not a number. Give a whole number, 0 or more.")
    return int(value)


def _permissions(
    settings: Mapping[str, Any], name: str, known: Mapping[str, str], default: list[str]
) -> list[str]:
    """Return the permissions in a setting, which is a list, a tuple, or a text like ``a,b``."""
    value = settings.get(name, default)
    words = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        raise SettingsError(f"{name} is not a list. Write it as {','.join(default)}.")
    if unknown := [word for word in words if word not in known]:
        raise SettingsError(
            f"{name} has an unknown permission, {unknown[0]!r}. Choose from {', '.join(known)}."
        )
    if not words:
        raise SettingsError(f"{name} is empty. Write it as {','.join(default)}.")
    return list(words)


def _joined(keys: object) -> str:
    """Return vault keys, given as text, bytes, or a list or tuple of these, as one text."""
    each = keys if isinstance(keys, list | tuple) else [keys]
    return ",".join(k.decode(errors="replace") if isinstance(k, bytes) else str(k) for k in each)


def _address(name: str, value: str | None) -> SplitResult:
    try:
        return urlsplit(value or "")
    except ValueError:
        raise SettingsError(f"{name} is not an address. Check its spelling.") from None

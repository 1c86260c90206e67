"""The unfinished logins, each of which Authlib stores as an entry in the browser's session.

Authlib's integrations for Flask and Django keep any number of logins, and its integration for
Starlette keeps only the last one. Each app of this package keeps its last five in a session.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

#: The most logins of one app in a session. A session can be a cookie, and browsers refuse a cookie
#: above 4 kB. Without this limit, a user who presses "Connect" and goes back a few dozen times
#: could no longer log in at KuCoin.
LOGINS_AT_ONCE: Final = 5

#: The field of an entry that holds its app's name. The entry's key cannot tell the app, because
#: Authlib joins name and state: "kucoin" with state "eu_1" has the same key as "kucoin_eu" with
#: state "1".
_OWNER: Final = "registered_as"


def all_logins(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return the logins of every app in a session."""
    return {key: entry for key, entry in session.items() if key.startswith("_state_")}


def keep_login(
    session: MutableMapping[str, Any], name: str, state: str, before: Mapping[str, Any]
) -> None:
    """Write the app's name into a login that Authlib has just stored; keep the app's last five.

    Args:
        session: The browser's session.
        name: The name that the app is registered under.
        state: The state of the login.
        before: All logins in the session before Authlib stored this one. Logins that Authlib has
            removed are put back. Then all but the last five logins of this app are removed.
    """
    for key in before.keys() - session.keys():
        session[key] = before[key]
    if entry := session.get(_key(name, state)):  # a custom integration can store it elsewhere
        session[_key(name, state)] = {**entry, _OWNER: name}
    waiting = [
        key
        for key, entry in all_logins(session).items()
        if key.startswith(_key(name, "")) and entry.get(_OWNER) == name
    ]
    waiting.sort(key=lambda key: session[key]["exp"])
    for key in waiting[:-LOGINS_AT_ONCE]:
        session.pop(key)


def is_of_another(session: Mapping[str, Any], name: str, state: str) -> bool:
    """Tell whether a login belongs to another app. A login without an app's name does not."""
    entry = session.get(_key(name, state)) or {}
    return bool(entry.get(_OWNER, name) != name)


def _key(name: str, state: str) -> str:
    return f"_state_{name}_{state}"

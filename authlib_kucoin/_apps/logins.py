"""The logins in progress. Authlib stores each as an entry in the browser's session.

Authlib's integrations for Flask and Django keep every login that was begun, and that for Starlette
keeps the last one only. Here five are kept for each registered app, in every framework.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

#: A session may be a cookie, and browsers drop one above 4 kB. Without a bound, a user who presses
#: "Connect" and goes back a few dozen times would be signed out.
LOGINS_AT_ONCE: Final = 5

#: The name of the app that an entry belongs to. The key alone cannot tell, because Authlib joins
#: name and state: "kucoin" with state "eu_1" has the same key as "kucoin_eu" with state "1".
_OWNER: Final = "registered_as"


def all_logins(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return the logins of every app in a session."""
    return {key: entry for key, entry in session.items() if key.startswith("_state_")}


def keep_login(
    session: MutableMapping[str, Any], name: str, state: str, before: Mapping[str, Any]
) -> None:
    """Finish what Authlib did when it saved a login.

    Args:
        session: The browser's session.
        name: The name that the app is registered under.
        state: The state of the login.
        before: The logins before it was saved. Those that Authlib dropped are put back, and the
            oldest ones of this app are dropped.
    """
    for key in before.keys() - session.keys():
        session[key] = before[key]
    if entry := session.get(_key(name, state)):  # an app may have Authlib keep logins elsewhere
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
    """Tell whether a login belongs to another app. One without an owner belongs to any app."""
    entry = session.get(_key(name, state)) or {}
    return bool(entry.get(_OWNER, name) != name)


def _key(name: str, state: str) -> str:
    return f"_state_{name}_{state}"

"""Checks that need only settings: site, client id, secret, redirect URI, time-outs, vault keys."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from authlib_kucoin._clients.limits import DEFAULT_TOTAL_TIMEOUT
from authlib_kucoin._errors import ConfigurationError, UnsafeRedirectURI
from authlib_kucoin._protocol.calls import checked_setting
from authlib_kucoin._protocol.redirect_uri import check_redirect_uri, is_loopback
from authlib_kucoin._protocol.sites import SITES, resolve_site

from .findings import Finding, note, right, skipped, wrong
from .subject import Subject, host_of

#: The number of calls that one callback is assumed to take: exchange, key, key info.
_CALLS: Final = 3
#: A client id or secret that contains one of these is taken for a placeholder.
_PLACEHOLDERS: Final = ("your", "example", "change", "placeholder", "todo", "xxx", "...", "<")
_SET_SITE: Final = (
    f"Set KUCOIN_SITE to one of {', '.join(SITES)}, or to a base URL such as "
    "https://www.kucoin.com."
)
_SET_VERSION: Final = "Set KUCOIN_FAST_API to 1 or 2, or leave it out."
_SANDBOX_ID: Final = "sandbox-client"
_LONGEST_FERNET_KEY: Final = 32


def check_site(subject: Subject) -> Iterator[Finding]:
    """Check the site, and the version of the Fast API."""
    settings = subject.settings
    try:
        site = resolve_site(settings.site, settings.fast_api)
    except ConfigurationError as error:
        is_version = "fast_api" in str(error)
        yield wrong(str(error), _SET_VERSION if is_version else _SET_SITE)
        return
    yield right(f"{site.name}: {site.web}, REST {site.rest}, Fast API {site.fast_api}")
    if subject.is_sandbox:
        yield note(
            "The site is on this machine, so it is a sandbox and not KuCoin.",
            f"Before going live, set KUCOIN_SITE to one of {', '.join(SITES)}.",
        )
    elif not {host_of(site.web), host_of(site.rest)} <= {
        host_of(url) for known in SITES.values() for url in (known.web, known.rest)
    }:
        yield note(
            "This package does not know this host as one of KuCoin's.",
            "Compare it with the host that KuCoin gave you with your client id.",
        )
    elif site.name == "eu":
        yield note(
            "No public source shows the address of the EU site's login page.",
            "Ask KuCoin to confirm www.kucoin.eu. If it is another, set KUCOIN_SITE to that URL.",
        )
    if site.fast_api == 2 and not subject.is_sandbox:
        yield note(
            "Fast API 2 is known only from the published client of one broker.",
            "Ask KuCoin whether your client id is for Fast API 2. If not, set KUCOIN_FAST_API=1.",
        )


def check_client_id(subject: Subject) -> Iterator[Finding]:
    """Check that there is a client id, without mistakes of copying or of configuration files."""
    given = subject.settings.client_id
    if given in (None, ""):
        yield wrong(
            "There is no client id.",
            "Set KUCOIN_CLIENT_ID to the value that KuCoin sent you after your form (section 2).",
        )
        return
    if isinstance(given, (bool, float)):
        yield wrong(
            f"The client id is a {type(given).__name__}: JSON or YAML has read it as one.",
            "Write it in quotes in the configuration file, so that it stays text.",
        )
        return
    yield _text_finding("KUCOIN_CLIENT_ID", "client id", given)
    if given == _SANDBOX_ID and subject.site and not subject.is_sandbox:
        yield wrong(
            "This is the sandbox's client id.", "Set KUCOIN_CLIENT_ID to the one KuCoin sent you."
        )


def check_client_secret(subject: Subject) -> Iterator[Finding]:
    """Check the client secret, if there is one."""
    given = subject.settings.client_secret
    if given in (None, ""):
        yield right("not set; the document's parameter table has none")
        return
    if given == subject.settings.client_id:
        yield wrong(
            "The client secret has the same value as the client id.",
            "Set KUCOIN_CLIENT_SECRET to the secret that KuCoin gave you, or leave it out.",
        )
        return
    yield _text_finding("KUCOIN_CLIENT_SECRET", "client secret", given)


def _text_finding(name: str, what: str, given: object) -> Finding:
    try:
        text = checked_setting(what, given) or ""
    except ConfigurationError as error:
        return wrong(str(error), f"Set {name} to the value itself, without blanks or line breaks.")
    if text[:1] in "\"'" or text[-1:] in "\"'":
        return wrong(
            f"The {what} begins or ends with a quotation mark.",
            f"Remove the quotation marks from {name}: Docker's env files take them as text.",
        )
    if " " in text:
        return wrong(f"The {what} contains a blank.", f"Copy {name} again, without the blank.")
    if any(word in text.lower() for word in _PLACEHOLDERS):
        return wrong(
            f"The {what} looks like a placeholder.", f"Set {name} to the value from KuCoin."
        )
    return right(f"{len(text)} characters, no stray blanks")


def check_redirect(subject: Subject) -> Iterator[Finding]:
    """Check that the redirect URI can be sent.

    Also check that its host does not look like one on this machine or network only, because a
    user's browser elsewhere cannot reach such a host. This is not checked with a sandbox, or
    without a valid site.
    """
    try:
        uri = check_redirect_uri(subject.settings.redirect_uri)
    except UnsafeRedirectURI as error:
        yield wrong(
            str(error), "Set KUCOIN_REDIRECT_URI to https://HOST/PATH, as registered with KuCoin."
        )
        return
    parts = urlsplit(uri)
    host = parts.hostname or ""
    if _is_here_only(host) and subject.site and not subject.is_sandbox:
        yield wrong(
            f"The redirect URI {uri} leads to a host that the user's browser cannot reach.",
            "Set KUCOIN_REDIRECT_URI to the public https address of your callback.",
        )
        return
    yield right(f"{uri} can be sent unencoded, as KuCoin requires")
    if host != parts.netloc.rpartition("@")[2].partition(":")[0]:
        yield note(
            "The redirect URI's host has capital letters, and KuCoin may compare it byte by byte.",
            "Write the host in lower case, in KUCOIN_REDIRECT_URI and in KuCoin's form.",
        )
    if parts.query:
        yield note(
            "The redirect URI has a query.",
            "Ask KuCoin how it adds parameters to a query, or register a redirect URI without one.",
        )


def _is_here_only(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        names = (".local", ".internal", ".localhost", ".lan")
        return is_loopback(host) or "." not in host or host.endswith(names)


def check_timeouts(subject: Subject) -> Iterator[Finding]:
    """Check the client's time-outs and the server's time-out.

    If the server has a time-out, it has to be longer than a callback can take.
    """
    settings = subject.settings
    phases = _seconds(settings.timeout)
    total = DEFAULT_TOTAL_TIMEOUT if settings.total_timeout is None else settings.total_timeout
    if not phases or None in phases:
        yield wrong(
            "timeout is None, so a step of a call has no time-out of its own.",
            "Leave timeout out, or set timeout=10.0 in client_kwargs.",
        )
    elif not isinstance(total, (int, float)) or not 0 < total < math.inf:
        yield wrong(
            "total_timeout is not a positive number of seconds.",
            "Leave total_timeout out, or set total_timeout=20.0 in client_kwargs.",
        )
    elif (server := settings.server_timeout) is None:
        yield note(
            f"For one callback, the app sends up to {_CALLS} calls of at most {total:g} s each.",
            f"Pass --server-timeout, and make sure that it is longer than {_CALLS * total:g} s.",
        )
    elif server and server <= _CALLS * total:
        yield wrong(
            f"A callback can take {_CALLS * total:g} s ({_CALLS} calls of {total:g} s), but the "
            f"server ends a request after {server:g} s, perhaps while KuCoin makes a key.",
            f"Start the server with a longer time-out (gunicorn --timeout "
            f"{math.ceil(_CALLS * total) + 10}), and so for a proxy in front of it; or set "
            f"total_timeout={_shorter(server):g} in client_kwargs.",
        )
    else:
        ends = f"the server waits {server:g} s" if server else "the server has no time-out"
        yield right(f"a callback takes at most {_CALLS * total:g} s, and {ends}")


def _seconds(timeout: Any) -> tuple[float | None, ...]:
    """Return the items of a time-out; any value but a tuple or list counts as the only item."""
    return tuple(timeout) if isinstance(timeout, (tuple, list)) else (timeout,)


def _shorter(server: float) -> float:
    return max(1.0, math.floor((server - 2) / _CALLS))


def check_vault_keys(subject: Subject) -> Iterator[Finding]:
    """Check that the vault keys are Fernet keys, differ, and look random."""
    given = subject.settings.vault_keys
    if not given:
        yield skipped("KUCOIN_VAULT_KEYS is not set; only the demo uses it")
        return
    keys = [key.strip() for key in str(given).split(",")]
    if not all(map(_is_fernet_key, keys)):
        yield wrong(
            f"{_count(keys, 'vault key')}: one is not a Fernet key (32 bytes in URL-safe base64).",
            "Make one: python -c 'from cryptography.fernet import Fernet; "
            "print(Fernet.generate_key().decode())', and set KUCOIN_VAULT_KEYS to it.",
        )
    elif len(set(keys)) < len(keys):
        yield wrong(
            "KUCOIN_VAULT_KEYS has the same key twice.",
            "Remove one of them from KUCOIN_VAULT_KEYS.",
        )
    elif any(len(set(key.rstrip("="))) < 8 for key in keys):
        yield wrong(
            "A vault key is not random.", "Make KUCOIN_VAULT_KEYS with Fernet.generate_key()."
        )
    else:
        yield right(f"{_count(keys, 'Fernet key')}; the first one encrypts")


def _is_fernet_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, b"-_", validate=True)) == _LONGEST_FERNET_KEY
    except (binascii.Error, ValueError):
        return False


def _count(items: list[str], noun: str) -> str:
    return f"{len(items)} {noun}{'s' if len(items) > 1 else ''}"

"""Checks a redirect URI: an absolute https URL (http for loopback) that can be sent unencoded.

The document says in sections 7.1 and 7.2 "Please don't encode the redirect URL", so the URI is
sent in the query unchanged. A character that would end the parameter, or that an HTTP library,
framework or browser on the way would escape, is therefore refused.
"""

# ``sandbox/_checks.py`` states the same rules independently, so that it can notice a mistake here.

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from authlib_kucoin._errors import UnsafeRedirectURI

#: Matches the characters of RFC 3986 without & # % + ; [ ] and '. In a query, the ones left out can
#: be escaped on the way, cut the URL off, or be read as something else.
_RAW: Final = re.compile(r"[A-Za-z0-9\-._~:/?@!$()*,=]*")


def check_redirect_uri(uri: object) -> str:
    """Return a redirect URI as a string if it is fit to be sent, or raise.

    Args:
        uri: A string, or the URL object of a framework or of pydantic.

    Raises:
        UnsafeRedirectURI: If the URI is missing, relative, has no host or an invalid port, is not
            https (http is for loopback only), or holds a character that cannot be sent unencoded.
            The text names the character.
    """
    uri = "" if uri is None else str(uri)
    if not uri:
        raise UnsafeRedirectURI(
            "There is no redirect URI: pass the one that you registered with KuCoin."
        )
    fits = _RAW.match(uri)
    if fits is None or fits.end() < len(uri):
        found = uri[fits.end() if fits else 0]
        raise UnsafeRedirectURI(
            f"The redirect URI holds {_name(found)}, which cannot be sent unencoded as KuCoin "
            "demands (document section 7.1): register a redirect URI without it."
        )
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise UnsafeRedirectURI(
            f"The redirect URI {uri!r} is not an absolute URL with a host, such as "
            "'https://broker.example.com/kucoin/callback'."
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise UnsafeRedirectURI(
            f"The redirect URI {uri!r} is not https, so the authorization code would come back "
            "in clear text (http is for loopback only). Behind a proxy, make the application "
            "see the outer scheme, for example with Werkzeug's ProxyFix."
        )
    return uri


def is_loopback(host: str) -> bool:
    """Tell whether a host is a loopback address, localhost or ``*.localhost`` (RFC 8252, 6761)."""
    host = host.lower().removesuffix(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _name(character: str) -> str:
    if character == " ":
        return "a space"
    if character.isascii() and character.isprintable():
        return f"the character {character!r}"
    return f"the character U+{ord(character):04X}"

"""Finds the proxies and certificate authorities that the HTTP libraries use on this machine."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

#: The variables that each library reads for certificate authorities; it uses the first that is set.
AUTHORITIES: Final = {
    "requests": ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    "httpx2": ("SSL_CERT_FILE", "SSL_CERT_DIR"),
}


def authorities_variable(library: str) -> str:
    """Return the variable that a library uses: the first that is set, or else its first one."""
    names = AUTHORITIES[library]
    return next((name for name in names if os.environ.get(name)), names[0])


def tls_context(library: str, verify: Any = None) -> ssl.SSLContext:
    """Return a TLS context that trusts the same authorities as a library in this environment.

    Args:
        library: The HTTP library.
        verify: The client's option ``verify``; used if it is the path of a file or a folder.
    """
    own = verify if isinstance(verify, str) else None
    if library == "httpx2":
        import httpx2  # noqa: PLC0415 - may not be installed

        return ssl.create_default_context(**_place(own)) if own else httpx2.create_ssl_context()
    named = own or os.environ.get(authorities_variable(library)) or _bundled()
    if named is None:
        return ssl.create_default_context()
    # Use urllib3's context, which requests uses: Python's own default can differ.
    context: ssl.SSLContext = import_module("urllib3.util.ssl_").create_urllib3_context()
    context.load_verify_locations(**_place(named))
    return context


def _place(path: str) -> dict[str, Any]:
    """Return the argument of ``ssl`` for trusted authorities in a file or a folder."""
    return {"capath" if Path(path).is_dir() else "cafile": path}


def _bundled() -> str | None:
    """Return the path of certifi's CA bundle, which requests uses; None without certifi."""
    where: str | None = import_module("certifi").where() if find_spec("certifi") else None
    return where


def proxy_url(url: str, own: Mapping[str, Any]) -> str | None:
    """Return the URL of the proxy for a URL, as it was given; None if there is no proxy.

    Args:
        url: The URL.
        own: The options of the client. ``proxy``, or ``proxies`` for the URL's scheme, takes
            precedence over the environment.
    """
    parts = urlsplit(url)
    if chosen := own.get("proxy") or (own.get("proxies") or {}).get(parts.scheme):
        return str(chosen)
    proxies = getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    if not named or proxy_bypass(parts.netloc):
        return None
    return named


def proxy_for(url: str, own: Mapping[str, Any]) -> SplitResult | None:
    """Return the result of :func:`proxy_url`, split; http is its scheme if it has none."""
    named = proxy_url(url, own)
    if named is None:
        return None
    return urlsplit(named if "://" in named else f"http://{named}")

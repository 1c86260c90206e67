"""Checks of outgoing calls: proxies, certificate authorities, addresses to register."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from authlib_kucoin._protocol.sites import SITES

from .environment import AUTHORITIES, authorities_variable, proxy_for, proxy_url
from .findings import Finding, note, right, skipped, wrong
from .subject import Subject, host_of

#: The module that each HTTP library needs for a SOCKS proxy, and the package that has it.
_SOCKS: Final = {"requests": ("socks", "PySocks"), "httpx2": ("socksio", "socksio")}
#: Options of a client that can change its proxies or its TLS, whatever the environment says.
_OVERRULING: Final = ("proxies", "proxy", "mounts", "transport", "trust_env", "verify", "cert")


def check_proxy(subject: Subject) -> Iterator[Finding]:
    """Check which proxies the calls use, and that either all calls use a proxy or none does."""
    if own := sorted(set(_OVERRULING).intersection(subject.settings.client_kwargs)):
        yield note(
            f"client_kwargs sets {', '.join(own)}, which can take precedence over the environment.",
            "Make sure that the calls come from the addresses that you register with KuCoin.",
        )
    if subject.site is None:
        yield skipped("the site is not known")
        return
    urls = list(dict.fromkeys((subject.site.web, subject.site.rest)))
    chosen = {host_of(url): proxy_url(url, subject.settings.client_kwargs) for url in urls}
    named = getproxies()
    schemes = {urlsplit(url).scheme for url in urls}
    if not set(chosen.values()) - {None}:
        yield from _direct(named, schemes)
        return
    if None in chosen.values():
        hosts = ", ".join(host for host, proxy in chosen.items() if proxy is None)
        yield wrong(
            f"NO_PROXY excludes {hosts}, so only some of the calls use the proxy.",
            f"Remove {hosts} from NO_PROXY, so that all calls come from the registered address.",
        )
        return
    for url in urls:
        yield _proxy_finding(subject, url)


def _direct(named: dict[str, str], schemes: set[str]) -> Iterator[Finding]:
    if "https" in schemes and named.get("http") and not named.get("https"):
        yield wrong(
            "HTTP_PROXY is set and HTTPS_PROXY is not, so the calls do not use the proxy.",
            "Set HTTPS_PROXY to the same value, or remove HTTP_PROXY.",
        )
    elif schemes & named.keys() or named.get("all"):
        yield note(
            "NO_PROXY excludes the site, so the calls come from this machine's own address.",
            "If KuCoin has registered the proxy's address, remove the site from NO_PROXY.",
        )
    else:
        yield right("no proxy; the calls come from this machine's own address")


def _proxy_finding(subject: Subject, url: str) -> Finding:
    setting = f"{urlsplit(url).scheme.upper()}_PROXY"
    try:
        proxy = proxy_for(url, subject.settings.client_kwargs)
        host, port = (proxy.hostname, proxy.port) if proxy else (None, None)
    except ValueError:
        proxy = host = port = None
    if proxy is None or not host or not port:
        return wrong(
            "The address of the proxy cannot be used: it needs a host and a port.",
            f"Set {setting} to http://HOST:PORT, such as http://proxy.example.com:3128.",
        )
    shown = f"{proxy.scheme}://{host}:{port}"
    library = subject.library
    module, package = _SOCKS[library]
    if proxy.scheme.startswith("socks") and not find_spec(module):
        return wrong(
            f"{library} cannot use the proxy {shown}: {package} is not installed.",
            f"Run pip install {package}, or set {setting} to an HTTP proxy.",
        )
    return right(f"{host_of(url)} by {shown}; register the address that this proxy calls from")


def check_authorities(subject: Subject) -> Iterator[Finding]:
    """Check the variables that name files or folders of certificate authorities.

    Each path has to exist, and a file has to hold certificates. If only variables of another HTTP
    library are set, a note says so.
    """
    library = subject.library
    for reader, names in AUTHORITIES.items():
        for name in names:
            if (value := os.environ.get(name)) and (trouble := _trouble(value)):
                yield wrong(
                    f"{name} ({reader} reads it) is {value!r}: {trouble}.",
                    f"Set {name} to a PEM file that exists, or remove it.",
                )
                return
    name = authorities_variable(library)
    own = os.environ.get(name)
    others = [
        name
        for reader, names in AUTHORITIES.items()
        for name in names
        if reader != library and os.environ.get(name)
    ]
    if others and not own:
        yield note(
            f"{', '.join(others)} is set, but this application's client is {library}.",
            f"{library} reads {name}. If it needs these authorities, set {name} to the same file.",
        )
    elif own:
        yield right(f"{library} reads {name}={own}")
    else:
        yield right(f"{library} trusts its default authorities; {name} is not set")


def _trouble(value: str) -> str:
    path = Path(value)
    if not path.exists():
        return "there is no such file"
    if path.is_dir():
        return ""
    try:
        ssl.create_default_context(cafile=value)
    except (ssl.SSLError, OSError) as error:
        return f"it holds no certificates ({type(error).__name__})"
    return ""


def check_addresses(subject: Subject) -> Iterator[Finding]:
    """Check that addresses for the Fast API are given, and that all given addresses are public."""
    settings = subject.settings
    if not settings.fast_api_ips:
        rest = subject.site.rest if subject.site else SITES["global"].rest
        yield note(
            "KuCoin's form asks for the addresses that your calls come from.",
            f"Pass --fast-api-ip for each. On each machine, curl {rest}/api/v1/my-ip shows it.",
        )
    for option, addresses in (
        ("--fast-api-ip", settings.fast_api_ips),
        ("--trading-ip", settings.trading_ips),
    ):
        if addresses:
            yield from _address_findings(option, addresses)


def _address_findings(option: str, addresses: tuple[str, ...]) -> Iterator[Finding]:
    for text in addresses:
        try:
            address = ip_address(text)
        except ValueError:
            yield wrong(
                f"{option} {text!r} is not an address.",
                f"Pass a single address to each {option}: it is not known whether KuCoin takes "
                "ranges or names.",
            )
            return
        if not address.is_global or address.is_multicast:
            yield wrong(
                f"{option} {text} is not a public address, so KuCoin never sees it.",
                f"Pass the public address of your NAT gateway or proxy to {option}.",
            )
            return
        if address.version == 6:
            yield note(
                f"{option} {text} is IPv6.",
                "It is not known whether KuCoin takes IPv6: ask KuCoin, or call it by IPv4.",
            )
    yield right(f"{option}: {', '.join(addresses)}")

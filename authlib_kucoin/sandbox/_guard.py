"""Keeps other machines, and web pages of other sites, from controlling the sandbox.

Another machine can control the sandbox only if the option `allowed_ips` lists it. A web page can
make its visitor's browser send requests to a loopback address. The page can even read the answers,
if its own host name resolves to that address (DNS rebinding). So the Host header of a control call
must name a host that no other site can own. A call other than GET can change something, so it must
not come from another site's page.
"""

from __future__ import annotations

import re
from typing import Final

from ._checks import is_listed, is_loopback
from ._http import Request
from ._options import SandboxOptions

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:/?#@\[\]]+)(?::(\d{1,5}))?")
_ADDRESS: Final = re.compile(r"\[[^\[\]]*\]|\d{1,3}(\.\d{1,3}){3}")
_URL: Final = re.compile(r"https?://([^/?#]*)(/.*)", re.DOTALL)


def problem_of(request: Request, options: SandboxOptions) -> str | None:
    """Return why a control call, or a request for one of the sandbox's own pages, is refused.

    None if the guard lets the request pass.
    """
    client_ip = request.client_ip
    if not (is_loopback(client_ip) or is_listed(client_ip, options.allowed_ips or ())):
        return (
            f"the address {client_ip} may not control this sandbox; add it to the option "
            "allowed_ips"
        )
    host = request.headers.get("host", "")
    if not is_known(host, options):
        return (
            f"the host {host[:100]!r} is not this sandbox's; call the sandbox by an IP address or "
            "a loopback name, or add this host to the option allowed_hosts"
        )
    if request.method == "GET":
        return None
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        return "this request comes from another site's page"
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return "this request comes from another site's page"
    return None


def is_known(netloc: str, options: SandboxOptions) -> bool:
    """Return whether a host, with or without a port, is one that no other site can own.

    That is an IP address (DNS rebinding needs a name), a loopback name, or a host that the option
    `host` or `allowed_hosts` names.
    """
    match = _HOST.fullmatch(netloc)
    if not match:
        return False
    name = match[1].lower().removesuffix(".")
    own = (options.host, *options.allowed_hosts)
    return (
        bool(_ADDRESS.fullmatch(name))
        or is_loopback(name)
        or name in {each.lower().removesuffix(".") for each in own}
    )


def target_of(url: str, options: SandboxOptions, port: str) -> str:
    """Return path and query of a URL of this sandbox.

    Raises:
        ValueError: The URL is malformed, `is_known` rejects its host, or its port is not `port`.
    """
    match = _URL.fullmatch(url)
    if match and is_known(match[1], options) and port_of(match[1]) == port:
        return match[2]
    raise ValueError("the authorization URL does not lead to this sandbox")


def port_of(netloc: str) -> str:
    """Return the port behind a host; an empty string if there is none, or `netloc` is malformed."""
    match = _HOST.fullmatch(netloc)
    return match[2] or "" if match else ""

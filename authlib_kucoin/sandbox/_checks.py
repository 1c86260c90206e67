"""Checks of requests. Most of them raise a `Refusal`, which says what was wrong."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote_plus, urlsplit

from ._http import Request
from ._options import SandboxOptions
from ._refusal import Refusal

FORM_TYPE: Final = "application/x-www-form-urlencoded"
JSON_TYPE: Final = "application/json"
_CHARSET: Final = re.compile(r"; *charset=\"?utf-8\"?", re.IGNORECASE)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_]{1,32}")
#: Matches a character that a redirect URL cannot have if the URL is in a query unencoded: the
#: character could end the value, or be changed on the way.
_NOT_RAW: Final = re.compile(r"[^A-Za-z0-9\-._~:/?@!$()*,=]")


def raw_query(
    request: Request,
    options: SandboxOptions,
    names: tuple[str, ...],
    section: str,
    optional: tuple[str, ...] = (),
) -> dict[str, str]:
    """Return a query's raw values by name: `names` are required, `optional` ones allowed.

    Raises:
        Refusal: A parameter is unknown, doubled, missing or empty. Or the order differs from the
            document's, and the option `parameter_order` is "document".
    """
    if not request.query:
        raise Refusal("missing_parameter", f"the query needs {', '.join(names)}", section)
    values = _pairs(request.query, names, section, optional)
    in_order = [name for name in (*names, *optional) if name in values]
    if options.parameter_order == "document" and list(values) != in_order:
        raise Refusal(
            "parameter_order",
            f"the parameters must be in the order of the document's example, which is "
            f"{', '.join(in_order)}",
            section,
        )
    return values


def form(
    request: Request,
    options: SandboxOptions,
    names: tuple[str, ...],
    section: str,
    optional: tuple[str, ...] = (),
) -> dict[str, str]:
    """Return a form's decoded values by name: `names` are required, `optional` ones allowed.

    Raises:
        Refusal: The content type is wrong, the request has a query, or a field is unknown, doubled,
            missing, empty or badly encoded.
    """
    content_type(request, options, FORM_TYPE, section)
    no_query(request, section)
    if not request.body:
        raise Refusal("missing_parameter", f"the form needs {', '.join(names)}", section)
    values = _pairs(request.body, names, section, optional)
    return {name: decoded(value, name, section) for name, value in values.items()}


def json_object(request: Request, options: SandboxOptions, section: str) -> dict[str, Any]:
    """Return the JSON object in a body.

    Raises:
        Refusal: The content type is wrong, the request has a query, the body is not a JSON object,
            or an object in it repeats a member.
    """
    content_type(request, options, JSON_TYPE, section)
    no_query(request, section)
    try:
        content = json.loads(request.body.encode("latin-1"), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return content
    raise Refusal("bad_json", "the body must be a JSON object without a repeated member", section)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a member occurs twice")
    return dict(pairs)


def content_type(request: Request, options: SandboxOptions, wanted: str, section: str) -> None:
    """Refuse a request whose content type is not `wanted`.

    The option `charset` says whether ``charset=utf-8`` may follow the content type.
    """
    given = request.headers.get("content-type", "")
    if options.charset == "allowed":
        given = _CHARSET.sub("", given)
    if given != wanted:
        raise Refusal("content_type", f"Content-Type must be {wanted}", section)


def no_query(request: Request, section: str) -> None:
    """Refuse a request that has a query, even an empty one."""
    if request.query is not None:
        raise Refusal("unexpected_query", "this call takes no query string", section)


def no_body(request: Request, section: str) -> None:
    """Refuse a request that has a body."""
    if request.body:
        raise Refusal("unexpected_body", "this call takes no body", section)


def no_authorization(request: Request, section: str) -> None:
    """Refuse a request that has an ``Authorization`` header."""
    if "authorization" in request.headers:
        raise Refusal(
            "unexpected_authorization",
            "this call takes no Authorization header; only the call of section 4 does",
            section,
        )


def equal(values: dict[str, str], name: str, wanted: str, section: str) -> None:
    """Refuse the parameter `name` if its value is not `wanted`."""
    if values[name] != wanted:
        raise Refusal(f"wrong_{name}", f"{name} must be {wanted}", section)


def decoded(value: str, name: str, section: str) -> str:
    """Return a parameter's value percent-decoded; a plus sign becomes a space.

    Raises:
        Refusal: The value is not valid percent-encoded UTF-8.
    """
    try:
        if not value.isascii() or _BAD_ESCAPE.search(value):
            raise ValueError
        return unquote_plus(value, errors="strict")
    except ValueError:
        problem = Refusal("bad_encoding", f"{name} is not properly percent-encoded", section)
    raise problem


# ``_protocol/redirect_uri.py`` states the same rules independently, so that this sandbox can notice
# a mistake there.
def redirect_uri(value: str, section: str) -> None:
    """Refuse a redirect URL that is encoded, incomplete or insecure.

    Raises:
        Refusal: The URL has a percent sign, has another character that cannot be in a query
            unencoded, is not a full URL, or is neither https nor http on a loopback host.
    """
    if "%" in value:
        raise Refusal(
            "redirect_uri_encoded",
            "the redirect URL must not be encoded",
            section,
        )
    if _NOT_RAW.search(value):
        raise Refusal(
            "redirect_uri_characters",
            "the redirect URL has a character that cannot be in a query unencoded",
            section,
        )
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host:
        raise Refusal("redirect_uri_relative", "the redirect URL must be a full URL", section)
    if not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise Refusal(
            "redirect_uri_insecure",
            "the redirect URL must be https (http only for a loopback host)",
            section,
        )


def registered_redirect(value: str, options: SandboxOptions) -> None:
    """Refuse a redirect URL that is not registered (document section 2).

    If the option `redirect_uris` is empty, every URL passes.
    """
    if options.redirect_uris and value not in options.redirect_uris:
        raise Refusal("redirect_uri_unregistered", "the redirect URL is not registered", "2")


def known_client(client_id: str, options: SandboxOptions) -> None:
    """Refuse any client id but the broker's (document section 2)."""
    if client_id != options.client_id:
        raise Refusal("unknown_client", "client_id is unknown", "2")


def registered_ip(client_ip: str, options: SandboxOptions) -> None:
    """Refuse an address that is not registered for the Fast API (document section 2).

    If the option `allowed_ips` is not set, the loopback addresses are registered.
    """
    allowed = options.allowed_ips
    if not (is_loopback(client_ip) if allowed is None else is_listed(client_ip, allowed)):
        raise Refusal(
            "ip_not_registered", f"the address {client_ip} is not registered for the API", "2"
        )


def is_listed(client_ip: str, networks: Sequence[str]) -> bool:
    """Return whether an address is in a list of addresses and CIDR networks."""
    address = ipaddress.ip_address(client_ip)
    return any(address in ipaddress.ip_network(each, strict=False) for each in networks)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is loopback."""
    host = host.lower().removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _pairs(
    raw: str, names: tuple[str, ...], section: str, optional: tuple[str, ...]
) -> dict[str, str]:
    values: dict[str, str] = {}
    for piece in raw.split("&"):
        name, equals, value = piece.partition("=")
        if not equals or name not in names + optional:
            shown = f" {name!r}" if equals and _PLAIN_NAME.fullmatch(name) else ""
            raise Refusal(
                "unknown_parameter", f"the parameter{shown} is not in the document", section
            )
        if name in values:
            raise Refusal("doubled_parameter", f"the parameter '{name}' came twice", section)
        values[name] = value
    for name in names:
        if name not in values:
            raise Refusal("missing_parameter", f"the parameter '{name}' is missing", section)
    for name, value in values.items():
        if not value:
            raise Refusal("empty_parameter", f"the parameter '{name}' must not be empty", section)
    return values

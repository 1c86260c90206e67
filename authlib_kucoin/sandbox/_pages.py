"""How pages are made, and those of KuCoin: consent, the form back to the broker, and problems.

They load nothing from other hosts, work without JavaScript, and say that this is not KuCoin. Their
content security policy has no ``form-action``: Chromium would apply it to the redirect after the
POST, too, and block the way back to the broker.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from . import _templates
from ._http import Response
from ._model import Login, Ticket
from ._options import SandboxOptions
from ._permissions import PERMISSIONS
from ._refusal import Refusal

#: The style sheet of all pages; the path is in ``files/head.html``.
STYLE_PATH: Final = "/sandbox/style.css"

_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)


def consent(options: SandboxOptions, login: Login, ticket: Ticket) -> Response:
    """Ask the user for consent: who asks, for what, for which account, where the answer goes."""
    accounts = [
        {"name": each.name, "uid": each.uid, "first": each == options.accounts[0]}
        for each in options.accounts
    ]
    page = page_from(
        "consent.html",
        {
            "title": f"Connect {options.broker_name}",
            "broker": options.broker_name,
            "account": accounts[0]["name"] if len(accounts) == 1 else None,
            "choices": len(accounts) > 1,
            "accounts": accounts,
            "permissions": [
                {"name": name, "text": PERMISSIONS[name][1]} for name in options.permissions
            ],
            "host": urlsplit(login.redirect_uri).netloc,
            "ticket": ticket,
        },
    )
    return replace(page, result=ticket)


def form_post(target: str, fields: dict[str, str]) -> Response:
    """Send the answer to the broker by a form, which submits itself if scripts may run."""
    return page_from(
        "form_post.html",
        {
            "title": f"Returning to {urlsplit(target).netloc}",
            "target": target,
            "fields": [{"name": name, "value": value} for name, value in fields.items()],
        },
    )


def refused(title: str, refusal: Refusal) -> Response:
    """Say why a request was refused."""
    page = problem(400, title, f"Reason: {refusal.text}.", refusal.code)
    return replace(page, result=refusal)


def problem(status: int, title: str, text: str, code: str) -> Response:
    """Say what went wrong."""
    page = page_from("problem.html", {"title": title, "text": text, "code": code}, status)
    return replace(page, result=f"{title}. {text}")


def own(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Return a page of the sandbox itself, whose forms post to the sandbox.

    Its referrer policy is looser: under no-referrer, browsers send ``Origin: null`` with a form.
    """
    page = page_from(template, {**values, "wide": True}, status)
    headers = dict(page.headers) | {"Referrer-Policy": "same-origin"}
    return replace(page, headers=tuple(headers.items()))


def style() -> Response:
    """Return the style sheet."""
    return Response(200, _templates.read("style.css").encode(), "text/css; charset=utf-8")


def page_from(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Return a page made from a template, with the headers that guard it.

    The template may use ``{{nonce}}`` for a script of its own. Every template needs ``{{title}}``.
    """
    nonce = secrets.token_urlsafe(16)
    html = _templates.render(template, {"wide": False, **values, "nonce": nonce})
    policy = (
        f"default-src 'none'; style-src 'self'; script-src 'nonce-{nonce}'; img-src data:; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers = (("Content-Security-Policy", policy), *_HEADERS)
    return Response(status, html.encode(), "text/html; charset=utf-8", headers)

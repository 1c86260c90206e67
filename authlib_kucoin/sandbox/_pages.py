"""Makes the pages: KuCoin's (consent, return to the broker, problems) and the sandbox's own.

All pages load nothing from other hosts, work without JavaScript, and say that this is not KuCoin.
Their content security policy has no ``form-action``. Chromium would apply that directive to the
redirect after a POST as well, and so would not let the user return to the broker.
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

#: The path of the style sheet of all pages; ``files/head.html`` contains it, too.
STYLE_PATH: Final = "/sandbox/style.css"

_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)


def consent(options: SandboxOptions, login: Login, ticket: Ticket) -> Response:
    """Return the consent page. Its form names the login request by `ticket`."""
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
    """Return a page with a form that posts the answer to the broker; a script submits the form."""
    return page_from(
        "form_post.html",
        {
            "title": f"Returning to {urlsplit(target).netloc}",
            "target": target,
            "fields": [{"name": name, "value": value} for name, value in fields.items()],
        },
    )


def refused(title: str, refusal: Refusal) -> Response:
    """Return a page that says why a request was refused, and how to mend it."""
    text = f"Reason: {refusal.text}. To mend it: {refusal.advice}"
    page = problem(400, title, text, refusal.code)
    return replace(page, result=refusal)


def problem(status: int, title: str, text: str, code: str) -> Response:
    """Return a page that says what went wrong."""
    page = page_from("problem.html", {"title": title, "text": text, "code": code}, status)
    return replace(page, result=f"{title}. {text}")


def own(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Return one of the sandbox's own pages, whose forms post to the sandbox.

    Its referrer policy is same-origin. Under no-referrer, browsers would send ``Origin: null``
    with these forms, and the sandbox would refuse them as those of another site's page.
    """
    page = page_from(template, {**values, "wide": True}, status)
    headers = dict(page.headers) | {"Referrer-Policy": "same-origin"}
    return replace(page, headers=tuple(headers.items()))


def style() -> Response:
    """Return the style sheet."""
    return Response(200, _templates.read("style.css").encode(), "text/css; charset=utf-8")


def page_from(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Return a page made from a template, with security headers.

    `values` needs a title. A script in the template runs only with the attribute
    ``nonce="{{nonce}}"``.
    """
    nonce = secrets.token_urlsafe(16)
    html = _templates.render(template, {"wide": False, **values, "nonce": nonce})
    policy = (
        f"default-src 'none'; style-src 'self'; script-src 'nonce-{nonce}'; img-src data:; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers = (("Content-Security-Policy", policy), *_HEADERS)
    return Response(status, html.encode(), "text/html; charset=utf-8", headers)

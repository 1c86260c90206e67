"""The pages for people: consent, the form back to the broker, and problems.

They load nothing from other hosts, work without JavaScript, and say that this is not KuCoin. Their
content security policy has no ``form-action``: Chromium would apply it to the redirect after the
POST, too, and block the way back to the broker.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from html import escape
from typing import Final
from urllib.parse import urlsplit

from ._http import Response
from ._options import PERMISSIONS, SandboxOptions
from ._refusal import Refusal
from ._state import Login

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #f3f5f4; --card: #fff; --ink: #17201c; --soft: #5a6660;
  --line: #dde3e0; --main: #00734f; --on-main: #fff; --note: #fff4d6; --on-note: #5b4300; }
@media (prefers-color-scheme: dark) { :root { --ground: #101513; --card: #19201d; --ink: #e9efec;
  --soft: #9fada6; --line: #2c3632; --main: #35c695; --on-main: #06251a; --note: #3a2f10;
  --on-note: #ffe3a0; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.25rem;
  background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 30rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 14px; overflow: hidden; box-shadow: 0 8px 30px rgb(0 0 0 / 8%); }
.note { margin: 0; padding: .7rem 1.5rem; background: var(--note); color: var(--on-note);
  font-size: .875rem; }
.body { padding: 1.5rem; }
h1 { margin: 0 0 .5rem; font-size: 1.35rem; line-height: 1.3; overflow-wrap: anywhere; }
h2 { margin: 1.5rem 0 .25rem; font-size: .95rem; }
p { margin: 0 0 .75rem; overflow-wrap: anywhere; }
.soft, code { color: var(--soft); }
code { font-size: .8rem; }
ul { list-style: none; margin: 0; padding: 0; }
li { padding: .55rem 0; border-bottom: 1px solid var(--line); }
li code { display: block; }
.after { margin: 1rem 0 0; }
.never { margin: 1rem 0 0; font-weight: 600; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0 0; }
button { flex: 1 1 9rem; min-height: 2.9rem; padding: .5rem 1rem; font: inherit; font-weight: 600;
  border-radius: 10px; border: 1px solid var(--line); background: transparent; color: inherit;
  cursor: pointer; }
button.main { background: var(--main); border-color: var(--main); color: var(--on-main); }
button:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
"""


def consent(options: SandboxOptions, login: Login, ticket: str) -> Response:
    """Ask the user for consent: who asks, for what, for which account, where the answer goes."""
    broker, host = escape(options.broker_name), escape(urlsplit(login.redirect_uri).netloc)
    asked = "".join(
        f"<li>{escape(PERMISSIONS[name][1])}<code>{escape(name)}</code></li>"
        for name in options.permissions
    )
    return _page(
        200,
        f"Connect {options.broker_name}",
        f"""<h1>Connect {broker} to your account?</h1>
<p class="soft">Signed in as <strong>{escape(options.account)}</strong></p>
<p>{broker} will receive an API key for this account.</p>
<h2>{broker} will be able to</h2>
<ul>{asked}</ul>
<p class="never">Withdrawals are never granted.</p>
<form method="post" action="/oauth/decision">
<input type="hidden" name="ticket" value="{escape(ticket)}">
<div class="actions">
<button class="main" type="submit" name="decision" value="approve">Approve</button>
<button type="submit" name="decision" value="cancel">Cancel</button>
</div>
</form>
<p class="soft after">You will return to <strong>{host}</strong>.</p>""",
    )


def form_post(target: str, fields: dict[str, str]) -> Response:
    """Send the answer to the broker by a form, which submits itself if scripts may run."""
    inputs = "\n".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in fields.items()
    )
    return _page(
        200,
        "Returning to the broker",
        f"""<h1>Returning to {escape(urlsplit(target).netloc)}</h1>
<form method="post" action="{escape(target)}">
{inputs}
<div class="actions"><button class="main" type="submit">Continue</button></div>
</form>""",
        script="document.forms[0].submit();",
    )


def refused(title: str, refusal: Refusal) -> Response:
    """Say why a request was refused."""
    return problem(400, title, f"Reason: {refusal.text}.", refusal.code)


def problem(status: int, title: str, text: str, code: str) -> Response:
    """Say what went wrong."""
    page = _page(
        status,
        title,
        f"<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>\n<p><code>{escape(code)}</code></p>",
    )
    return replace(page, result=f"{title}. {text}")


def _page(status: int, title: str, body: str, script: str = "") -> Response:
    nonce = secrets.token_urlsafe(16)
    end = f'<script nonce="{nonce}">{script}</script>\n' if script else ""
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · Sandbox</title>
<link rel="icon" href="data:,">
<style nonce="{nonce}">{_STYLE}</style>
</head>
<body>
<main>
<p class="note"><strong>This is a sandbox, not KuCoin.</strong> No real account is touched.</p>
<div class="body">
{body}
</div>
</main>
{end}</body>
</html>
"""
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "img-src data:; base-uri 'none'; frame-ancestors 'none'"
    )
    return Response(
        status,
        html.encode(),
        "text/html; charset=utf-8",
        (
            ("Content-Security-Policy", policy),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ),
    )

"""The login page (document section 7.1): checks of the raw query, the page, and the callback."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.sandbox.broker import FORM, REDIRECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.broker import Answer, Broker

GOOD = (
    ("response_type", "code"),
    ("client_id", "sandbox-client"),
    ("redirect_uri", REDIRECT),
    ("scope", "OAUTH_CREATE_API"),
    ("state", "123"),
)


def with_value(name: str, value: str) -> str:
    """Return the good query with one value changed."""
    return "&".join(f"{key}={value if key == name else good}" for key, good in GOOD)


def login(broker: Broker, query: str) -> Answer:
    """Open the login page with a raw query."""
    return broker.wire.ask("GET", f"/oauth?{query}")


def ticket_of(page: Answer) -> str:
    """Return the ticket in a consent page."""
    found = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("query", "code", "section"),
    [
        ("", "missing_parameter", "7.1"),
        (with_value("state", ""), "empty_parameter", "7.1"),
        (with_value("state", "1").rpartition("&")[0], "missing_parameter", "7.1"),
        (with_value("state", "1") + "&state=1", "doubled_parameter", "7.1"),
        (with_value("state", "1") + "&prompt=login", "unknown_parameter", "7.1"),
        (with_value("state", "1") + "&loose", "unknown_parameter", "7.1"),
        (with_value("response_type", "token"), "wrong_response_type", "7.1"),
        (with_value("scope", "OAUTH"), "wrong_scope", "7.1"),
        (with_value("client_id", "someone"), "unknown_client", "2"),
        (with_value("state", "100%"), "bad_encoding", "7.1"),
        (with_value("state", "%ff"), "bad_encoding", "7.1"),
        (with_value("state", "é"), "bad_encoding", "7.1"),
        (
            with_value("redirect_uri", "https%3A%2F%2Fshop.example"),
            "redirect_uri_encoded",
            "7.1",
        ),
        (
            with_value("redirect_uri", "https://shop.example/[1]"),
            "redirect_uri_characters",
            "7.1",
        ),
        (
            with_value("redirect_uri", "https://shop.example/cb?t=it's"),
            "redirect_uri_characters",
            "7.1",
        ),
        (with_value("redirect_uri", "/callback"), "redirect_uri_relative", "7.1"),
        (with_value("redirect_uri", "https://h:99999/cb"), "redirect_uri_relative", "7.1"),
        (with_value("redirect_uri", "http://shop.example/cb"), "redirect_uri_insecure", "7.1"),
        (with_value("redirect_uri", "ftp://127.0.0.1/cb"), "redirect_uri_insecure", "7.1"),
    ],
)
def test_login_request_that_is_not_as_documented(
    broker: Broker, query: str, code: str, section: str
) -> None:
    """Each deviation gets a page that names the mistake and the document section; no redirect."""
    page = login(broker, query)

    assert page.status == 400
    assert "location" not in page.headers
    assert f"<code>sandbox.{code}</code>" in page.text
    assert f"(document section {section})" in page.text


def test_order_of_parameters_is_an_option(new_broker: Callable[..., Broker]) -> None:
    """By default any order is accepted; `parameter_order` can demand the document's order."""
    moved = "&".join(
        f"{key}={value}" for key, value in sorted(GOOD, key=lambda pair: pair[0] == "redirect_uri")
    )

    assert login(new_broker(), moved).status == 200
    page = login(new_broker(parameter_order="document"), moved)
    assert "<code>sandbox.parameter_order</code>" in page.text
    assert "(document section 7.1)" in page.text


def test_login_request_with_a_body_is_refused(broker: Broker) -> None:
    """A login request with a body is refused."""
    page = broker.wire.ask("GET", broker.login_target(), "x")

    assert page.status == 400
    assert "this call takes no body (document section 7.1)" in page.text


def test_encoded_redirect_is_refused_in_the_documents_words(broker: Broker) -> None:
    """An encoded redirect URL is refused; the text states the document's rule and section."""
    page = login(broker, with_value("redirect_uri", "https://shop.example/a%20b"))

    assert "the redirect URL must not be encoded (document section 7.1)" in page.text


def test_refusal_shows_no_name_that_could_be_a_secret(broker: Broker) -> None:
    """A refusal shows no unusual parameter name, which may be part of a value with a bare &."""
    page = login(broker, with_value("state", "a&s3cr3t-part=x"))

    assert "s3cr3t" not in page.text
    assert "the parameter is not in the document" in page.text


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://shop.example/cb?a=b/c:d@e,f",
        "http://127.0.0.1:5000/cb",
        "http://localhost/cb?x",
        "https://user@shop.example",
    ],
)
def test_redirect_comes_back_byte_for_byte(broker: Broker, redirect_uri: str) -> None:
    """A redirect URL with ? = / : @ , comes back raw; the state comes back percent-encoded."""
    state = "a b&c=d/ü+%"
    callback = broker.sandbox.approve(broker.login_url(redirect_uri, state))

    joint = "&" if "?" in redirect_uri else "?"
    assert callback.startswith(f"{redirect_uri}{joint}code=")
    assert callback.endswith("&state=a%20b%26c%3Dd%2F%C3%BC%2B%25")
    assert callback.method == "GET"
    assert callback.fields.keys() == {"code", "state"}
    assert callback.fields["state"] == state


def test_registered_redirects_are_the_only_ones(new_broker: Callable[..., Broker]) -> None:
    """With registered URLs (document section 2), an extra slash makes a different URL."""
    broker = new_broker(redirect_uris=[REDIRECT])

    assert broker.sandbox.approve(broker.login_url()).startswith(REDIRECT)
    with pytest.raises(ValueError, match=r"not registered \(document section 2\)"):
        broker.sandbox.approve(broker.login_url(f"{REDIRECT}/"))


def test_consent_page_says_who_what_and_where_to(new_broker: Callable[..., Broker]) -> None:
    """The page names broker, account, permissions and return host, and says it is a sandbox.

    Names are escaped, and the page has no script.
    """
    broker = new_broker(
        broker_name="<b>Me & You</b>",
        account='"x"@example.com',
        permissions=("API_COMMON", "API_FUTURES"),
    )
    page = broker.wire.ask("GET", broker.login_target())

    assert page.status == 200
    for shown in (
        "Connect &lt;b&gt;Me &amp; You&lt;/b&gt; to your account?",
        "&quot;x&quot;@example.com",
        "<code>API_COMMON</code>",
        "<code>API_FUTURES</code>",
        "Place and cancel futures orders",
        "Withdrawals are never granted.",
        "<strong>shop.example</strong>",
        "This is a sandbox, not KuCoin.",
        'name="decision" value="approve">Approve</button>',
        'name="decision" value="cancel">Cancel</button>',
    ):
        assert shown in page.text
    assert "<b>Me" not in page.text
    assert "API_SPOT" not in page.text
    assert "http://" not in page.text
    assert "<script" not in page.text


def test_pages_are_guarded(broker: Broker) -> None:
    """Headers forbid to cache a page, to frame it, and to load what the policy does not list."""
    for page in (broker.wire.ask("GET", broker.login_target()), login(broker, "")):
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action" not in policy  # Chromium would block the way back to the broker
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"


def test_style_sheet_is_served(broker: Broker) -> None:
    """The pages' style sheet comes from the sandbox itself, and is not in the journal."""
    answer = broker.wire.ask("GET", "/sandbox/style.css")

    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "color-scheme" in answer.text
    assert broker.sandbox.requests == []
    assert 'href="/sandbox/style.css"' in broker.wire.ask("GET", broker.login_target()).text


@pytest.mark.parametrize("decision", ["approve", "cancel"])
def test_envelope_mode_gives_the_documents_answer(
    new_broker: Callable[..., Broker], decision: str
) -> None:
    """With callback="envelope" the whole answer of document section 7.1 is in the query."""
    broker = new_broker(callback="envelope")
    callback = getattr(broker.sandbox, decision)(broker.login_url())

    assert list(callback.fields) == ["success", "code", "msg", "retry", "data", "state"]
    assert callback.fields["success"] == ("true" if decision == "approve" else "false")
    assert callback.fields["retry"] == "false"
    assert callback.fields["data"] == "null"
    assert callback.fields["state"] == "123"


def test_cancel_gives_an_error_code_where_the_code_stands(broker: Broker) -> None:
    """After Cancel, `success` is false, and `code` is an error code that gets no token."""
    callback = broker.sandbox.cancel(broker.login_url())

    assert callback.fields["success"] == "false"
    assert callback.fields["code"] == "sandbox.user_cancelled"
    code = callback.fields["code"]
    answer = broker.wire.ask("GET", broker.token_target(code))
    assert answer.json["code"] == "sandbox.code_unknown"


@pytest.mark.parametrize("decision", ["approve", "cancel"])
def test_form_post_mode(new_broker: Callable[..., Broker], decision: str) -> None:
    """With callback="form_post" the callback is a POST of document section 7.1's answer."""
    broker = new_broker(callback="form_post")
    callback = getattr(broker.sandbox, decision)(broker.login_url(state='"><x'))

    assert callback == REDIRECT
    assert callback.method == "POST"
    assert list(callback.fields) == ["success", "code", "msg", "retry", "data", "state"]
    assert callback.fields["state"] == '"><x'


def test_form_post_page_works_without_scripts(new_broker: Callable[..., Broker]) -> None:
    """The page submits itself by a script, and has a button for browsers without scripts."""
    broker = new_broker(callback="form_post")
    ticket = ticket_of(broker.wire.ask("GET", broker.login_target()))
    page = broker.form("/oauth/decision", {"ticket": ticket, "decision": "approve"})

    nonce = re.search(r"script-src 'nonce-([^']+)'", page.headers["content-security-policy"])
    assert nonce
    assert f'<script nonce="{nonce[1]}">document.forms[0].submit();</script>' in page.text
    assert '<button class="main" type="submit">Continue</button>' in page.text


def test_decision_is_taken_once(broker: Broker) -> None:
    """A ticket works once; a second press gets a page that explains it, and no code."""
    ticket = ticket_of(broker.wire.ask("GET", broker.login_target()))
    fields = {"ticket": ticket, "decision": "approve"}

    first = broker.form("/oauth/decision", fields)
    again = broker.form("/oauth/decision", fields)

    assert (first.status, again.status) == (303, 409)
    assert first.headers["cache-control"] == "no-store"
    assert "location" not in again.headers
    assert "This request was already answered" in again.text


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"ticket": "made-up", "decision": "approve"}, "unknown_ticket"),
        ({"ticket": "made-up", "decision": "perhaps"}, "wrong_decision"),
        ({"decision": "approve"}, "missing_parameter"),
    ],
)
def test_decision_without_a_checked_request(
    broker: Broker, fields: dict[str, str], code: str
) -> None:
    """A decision needs the ticket of a login request, and must be approve or cancel."""
    page = broker.form("/oauth/decision", fields)

    assert page.status == 400
    assert f"sandbox.{code}" in page.text


def test_oldest_open_pages_are_forgotten(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """If too many login pages are open, the oldest one is forgotten."""
    monkeypatch.setattr("authlib_kucoin.sandbox._state._MAX_TICKETS", 1)
    first = ticket_of(broker.wire.ask("GET", broker.login_target()))
    broker.wire.ask("GET", broker.login_target())

    page = broker.form("/oauth/decision", {"ticket": first, "decision": "approve"})
    assert "sandbox.unknown_ticket" in page.text


def test_decision_is_a_plain_form(broker: Broker) -> None:
    """A decision is refused if its content type has an unknown parameter."""
    page = broker.wire.ask(
        "POST", "/oauth/decision", urlencode({"ticket": "x"}), {"Content-Type": f"{FORM};a=b"}
    )
    assert "sandbox.content_type" in page.text


def test_decision_by_nodes_fetch(broker: Broker) -> None:
    """A charset may follow the content type of the decision, as Node's fetch sends it."""
    ticket = ticket_of(broker.wire.ask("GET", broker.login_target()))
    body = urlencode({"ticket": ticket, "decision": "approve"})
    headers = {"Content-Type": f"{FORM};charset=UTF-8"}

    assert broker.wire.ask("POST", "/oauth/decision", body, headers).status == 303


def test_playing_the_user_needs_this_sandbox(broker: Broker) -> None:
    """`approve` raises an error for the URL of another host."""
    with pytest.raises(ValueError, match="does not lead to http://127"):
        broker.sandbox.approve("https://www.kucoin.com/oauth?x")


def test_playing_the_user_shows_the_refusal(broker: Broker) -> None:
    """If the login request is refused, `approve` raises an error with the refusal's text."""
    with pytest.raises(ValueError, match=r"answered 400: .*must not be encoded"):
        broker.sandbox.approve(broker.login_url("https%3A//shop.example"))


def test_playing_the_user_takes_no_connection(broker: Broker) -> None:
    """`approve` opens no connection; the journal still has both of its requests."""
    broker.wire.ask("GET", "/nowhere")
    broker.sandbox.approve(broker.login_url())

    assert broker.sandbox.connections == 1
    assert broker.sandbox.totals == {"unknown": 1, "authorize": 1, "decision": 1}


@pytest.mark.parametrize("fault", ["truncated", "empty", "html"])
def test_playing_the_user_needs_a_whole_page(broker: Broker, fault: str) -> None:
    """`approve` raises an error if a fault has replaced or truncated the login page."""
    broker.sandbox.fail_next("authorize", fault)
    with pytest.raises(ValueError, match="answered 200: no page"):
        broker.sandbox.approve(broker.login_url())


@pytest.mark.parametrize("fault", ["lost", "reset_before", "cut"])
def test_playing_the_user_over_a_broken_connection(broker: Broker, fault: str) -> None:
    """`approve` raises ConnectionError if a fault ends the login page's connection."""
    broker.sandbox.fail_next("authorize", fault)
    with pytest.raises(ConnectionError):
        broker.sandbox.approve(broker.login_url())


def test_playing_the_user_waits_for_a_delay(broker: Broker) -> None:
    """`approve` waits for a delayed login page."""
    broker.sandbox.fail_next("authorize", "delay:0.05")
    start = time.monotonic()

    assert broker.sandbox.approve(broker.login_url())
    assert time.monotonic() - start >= 0.05

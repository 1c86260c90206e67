"""Tokens (document sections 6 and 7.2 to 7.4): exchange, refresh, check and expiry."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.sandbox.broker import FORM, REDIRECT, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.broker import Broker

GOOD = (
    ("grant_type", "authorization_code"),
    ("code", "CODE"),
    ("redirect_uri", REDIRECT),
    ("client_id", "sandbox-client"),
)
REFRESH = "/_oauth/refresh-token"
REFRESH_FIELDS = {
    "grant_type": "authorization_code",
    "refresh_token": "x",
    "scope": "OAUTH_CREATE_API",
}


def with_value(name: str, value: str) -> str:
    """Return the good token query with one value changed."""
    return "&".join(f"{key}={value if key == name else good}" for key, good in GOOD)


def test_exchange_gives_the_documents_answer(broker: Broker) -> None:
    """The answer of document section 7.2 is a top-level object; its scope is a list."""
    answer = broker.wire.ask("GET", broker.token_target(broker.new_code()))

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    tokens = answer.json
    assert list(tokens) == ["access_token", "token_type", "expires_in", "refresh_token", "scope"]
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 3600)
    assert tokens["scope"] == ["OAUTH_CREATE_API"]
    assert broker.is_valid(tokens["access_token"])


@pytest.mark.parametrize(
    ("query", "code", "section"),
    [
        ("", "missing_parameter", "7.2"),
        (with_value("code", "x") + "&code=x", "doubled_parameter", "7.2"),
        (with_value("code", "x") + "&secret=x", "unknown_parameter", "7.2"),
        (with_value("code", ""), "empty_parameter", "7.2"),
        (with_value("grant_type", "code"), "wrong_grant_type", "7.2"),
        (with_value("client_id", "someone"), "unknown_client", "2"),
        (with_value("redirect_uri", quote(REDIRECT, safe="")), "redirect_uri_encoded", "7.2"),
        (with_value("code", "made-up"), "code_unknown", "7.2"),
        (with_value("code", "%zz"), "bad_encoding", "7.2"),
    ],
)
def test_exchange_that_is_not_as_documented(
    broker: Broker, query: str, code: str, section: str
) -> None:
    """Each wrong query gets HTTP 200 and an error envelope that cites a document section."""
    assert refused(broker.wire.ask("GET", f"/_oauth/access-token?{query}"), code, section)


def test_exchange_has_neither_body_nor_authorization(broker: Broker) -> None:
    """An exchange with a body or an Authorization header is refused, and the code stays usable."""
    target = broker.token_target(broker.new_code())

    body = broker.wire.ask("GET", target, "client_secret=x")
    header = broker.wire.ask("GET", target, None, {"Authorization": "Basic eDp4"})

    assert refused(body, "unexpected_body", "7.2")
    assert refused(header, "unexpected_authorization", "7.2")
    assert broker.wire.ask("GET", target).json["access_token"]


def test_client_secret_is_wanted_only_where_configured(new_broker: Callable[..., Broker]) -> None:
    """By default, a configured secret (document section 5) must be in the query, and be right."""
    broker = new_broker(client_secret="s3cr&t")
    assert broker.sandbox.client_secret == "s3cr&t"
    target = broker.token_target(broker.new_code())

    assert refused(broker.wire.ask("GET", target), "missing_parameter", "7.2")
    wrong = broker.wire.ask("GET", f"{target}&client_secret=other")
    assert refused(wrong, "wrong_client_secret", "5")
    assert broker.wire.ask("GET", f"{target}&client_secret=s3cr%26t").json["access_token"]


def test_client_secret_without_one_configured(new_broker: Callable[..., Broker]) -> None:
    """Without a configured secret any is accepted, unless `client_secret_use` is "refused"."""
    lax, strict = new_broker(), new_broker(client_secret_use="refused")

    for broker in (lax, strict):
        target = f"{broker.token_target(broker.new_code())}&client_secret=any"
        answer = broker.wire.ask("GET", target)
        if broker is lax:
            assert answer.json["access_token"]
        else:
            assert refused(answer, "unknown_parameter", "7.2")


def test_client_secret_can_be_optional(new_broker: Callable[..., Broker]) -> None:
    """An optional secret can be left out, but must not be wrong."""
    broker = new_broker(client_secret="right", client_secret_use="optional")

    assert broker.new_tokens()["access_token"]
    target = f"{broker.token_target(broker.new_code())}&client_secret="
    assert refused(broker.wire.ask("GET", f"{target}wrong"), "wrong_client_secret", "5")
    assert broker.wire.ask("GET", f"{target}right").json["access_token"]


def test_order_of_token_parameters_is_an_option(new_broker: Callable[..., Broker]) -> None:
    """With `parameter_order="document"`, another order is refused; client_secret comes last."""
    broker = new_broker(parameter_order="document")
    good = broker.token_target(broker.new_code())
    path, _, query = good.partition("?")
    first, rest = query.split("&", 1)

    for moved in (f"{rest}&{first}", f"client_secret=x&{query}"):
        answer = broker.wire.ask("GET", f"{path}?{moved}")
        assert refused(answer, "parameter_order", "7.2")
    assert broker.wire.ask("GET", f"{good}&client_secret=x").json["access_token"]


@pytest.mark.parametrize("charset", ["; charset=utf-8", ";charset=UTF-8", '; charset="UTF-8"'])
def test_charset_is_an_option(new_broker: Callable[..., Broker], charset: str) -> None:
    """Node's fetch adds a charset to the content type; the option `charset` can refuse it."""
    headers = {"Content-Type": f"{FORM}{charset}"}
    body = "grant_type=authorization_code&refresh_token=x&scope=OAUTH_CREATE_API"

    allowed = new_broker().wire.ask("POST", REFRESH, body, headers)
    strict = new_broker(charset="refused").wire.ask("POST", REFRESH, body, headers)

    assert refused(allowed, "refresh_token_unknown", "7.3")
    assert refused(strict, "content_type", "7.3")


def test_refresh_token_can_be_reusable(new_broker: Callable[..., Broker]) -> None:
    """A reusable refresh token works twice, but a refresh still ends the old access token."""
    broker = new_broker(refresh_tokens="reusable")
    old = broker.new_tokens()

    first, second = (broker.refresh(old["refresh_token"]).json for _ in range(2))
    assert broker.is_valid(first["access_token"])
    assert broker.is_valid(second["access_token"])
    assert not broker.is_valid(old["access_token"])


def test_code_works_once(broker: Broker) -> None:
    """A second use of a code is refused, and the access token of its first use stays valid."""
    target = broker.token_target(broker.new_code())
    tokens = broker.wire.ask("GET", target).json

    again = broker.wire.ask("GET", target)

    assert refused(again, "code_used", "7.2")
    assert "authorization code was already used" in again.json["msg"]
    assert broker.is_valid(tokens["access_token"])


def test_code_lives_ten_minutes(broker: Broker) -> None:
    """A code expires after ten minutes on the sandbox's clock."""
    target = broker.token_target(broker.new_code())
    broker.sandbox.advance(600)

    assert refused(broker.wire.ask("GET", target), "code_expired", "7.2")


def test_code_is_bound_to_its_redirect_url(broker: Broker) -> None:
    """The exchange must name the login's redirect URL byte for byte."""
    code = broker.new_code("https://shop.example/cb")

    other = broker.wire.ask("GET", broker.token_target(code, "https://shop.example/cb/"))
    assert refused(other, "redirect_uri_differs", "7.2")
    same = broker.wire.ask("GET", broker.token_target(code, "https://shop.example/cb"))
    assert same.json["access_token"]


def test_refresh_rotates_the_pair(broker: Broker) -> None:
    """A refresh gives new tokens, and ends the old access token and refresh token at once."""
    old = broker.new_tokens()
    new = broker.refresh(old["refresh_token"]).json

    assert new["scope"] == ["OAUTH_CREATE_API"]
    assert new["access_token"] != old["access_token"]
    assert broker.is_valid(new["access_token"])
    assert not broker.is_valid(old["access_token"])
    assert refused(broker.ask_key(old["access_token"]), "access_token_replaced", "6.3")
    again = broker.refresh(old["refresh_token"])
    assert refused(again, "refresh_token_used", "6.3")
    assert "refresh token was already used" in again.json["msg"]
    assert broker.is_valid(new["access_token"])


def test_tokens_live_one_hour_and_three_days(broker: Broker) -> None:
    """The lifetimes of document section 6.3 hold on the sandbox's clock."""
    tokens = broker.new_tokens()
    broker.sandbox.advance(3590)
    assert broker.is_valid(tokens["access_token"])
    broker.sandbox.advance(10)
    assert not broker.is_valid(tokens["access_token"])
    assert refused(broker.ask_key(tokens["access_token"]), "access_token_expired", "6.3")

    broker.sandbox.advance(3 * 86400 - 3610)
    tokens = broker.refresh(tokens["refresh_token"]).json
    assert broker.is_valid(tokens["access_token"])
    broker.sandbox.advance(3 * 86400)
    late = broker.refresh(tokens["refresh_token"])
    assert refused(late, "refresh_token_expired", "6.3")
    assert "refresh token has expired" in late.json["msg"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"grant_type": "refresh_token"}, "wrong_grant_type"),
        ({"scope": "ALL"}, "wrong_scope"),
        ({"scope": ""}, "empty_parameter"),
        ({"client_id": "sandbox-client"}, "unknown_parameter"),
        ({}, "refresh_token_unknown"),
    ],
)
def test_refresh_that_is_not_as_documented(
    broker: Broker, changed: dict[str, str], code: str
) -> None:
    """The form of document section 7.3 has three fields; grant_type is authorization_code."""
    assert refused(broker.form(REFRESH, REFRESH_FIELDS | changed), code, "7.3")


@pytest.mark.parametrize(
    ("target", "body", "headers", "code"),
    [
        (REFRESH, "", {"Content-Type": FORM}, "missing_parameter"),
        (REFRESH, "scope=x&scope=x", {"Content-Type": FORM}, "doubled_parameter"),
        (REFRESH, "scope=x", {"Content-Type": FORM}, "missing_parameter"),
        (f"{REFRESH}?", "scope=x", {"Content-Type": FORM}, "unexpected_query"),
        (REFRESH, "scope=x", {}, "content_type"),
        (REFRESH, "scope=x", {"Content-Type": f"{FORM}; charset=latin-1"}, "content_type"),
        (REFRESH, "scope=x", {"Content-Type": f"{FORM}; boundary=x"}, "content_type"),
        (REFRESH, "{}", {"Content-Type": "application/json"}, "content_type"),
        (
            REFRESH,
            "scope=x",
            {"Content-Type": FORM, "Authorization": "bearer x"},
            "unexpected_authorization",
        ),
    ],
)
def test_refresh_on_the_wire(
    broker: Broker, target: str, body: str, headers: dict[str, str], code: str
) -> None:
    """A wrong content type, a query or an Authorization header is refused, as wrong fields are."""
    assert refused(broker.wire.ask("POST", target, body, headers), code, "7.3")


def test_validation_knows_dead_from_alive(broker: Broker) -> None:
    """The check (document section 7.4) returns the token and a boolean, for unknown tokens too."""
    tokens = broker.new_tokens()

    assert broker.is_valid(tokens["access_token"]) is True
    assert broker.is_valid("made-up") is False
    assert broker.is_valid(tokens["refresh_token"]) is False


def test_validation_takes_one_field(broker: Broker) -> None:
    """A check is refused with a field other than access_token, or an Authorization header."""
    path = "/_oauth/validate-access-token"

    assert refused(broker.form(path, {"token": "x"}), "unknown_parameter", "7.4")
    header = broker.form(path, {"access_token": "x"}, Authorization="bearer x")
    assert refused(header, "unexpected_authorization", "7.4")


def test_unlisted_address_is_refused(new_broker: Callable[..., Broker]) -> None:
    """An exchange from an unregistered address (document section 2) is refused."""
    broker = new_broker(allowed_ips=["203.0.113.7"])
    code = broker.new_code()  # the login page accepts every address

    answer = broker.wire.ask("GET", broker.token_target(code))

    assert refused(answer, "ip_not_registered", "2")
    assert "127.0.0.1" in answer.json["msg"]


def test_listed_address_passes(new_broker: Callable[..., Broker]) -> None:
    """An exchange from a registered address, or network, passes."""
    for allowed in ("127.0.0.1", "127.0.0.0/8"):
        assert new_broker(allowed_ips=[allowed]).new_tokens()["access_token"]


@pytest.mark.parametrize("seconds", [-100, float("nan"), float("inf"), 1e11])
def test_clock_only_goes_forward(broker: Broker, seconds: float) -> None:
    """A step that is negative, too large or no number is refused, and does not move the clock."""
    before = broker.sandbox.now
    with pytest.raises(ValueError, match=r"only goes forward: .* from 0 to 10000000000"):
        broker.sandbox.advance(seconds)
    assert abs(broker.sandbox.now - before) < 60


def test_reset_forgets_everything(broker: Broker) -> None:
    """A reset removes all codes, tokens, keys, requests and faults, and sets the clock back."""
    real = broker.sandbox.now
    code = broker.new_code()
    tokens = broker.new_tokens()
    broker.ask_key(tokens["access_token"])
    broker.sandbox.advance(1000)
    broker.sandbox.fail_next("token", "500")

    broker.sandbox.reset()

    assert broker.sandbox.requests == []
    assert broker.sandbox.totals == {}
    assert broker.sandbox.issued_keys == broker.sandbox.keys == ()
    assert broker.sandbox.now - real < 100
    assert not broker.is_valid(tokens["access_token"])
    assert refused(broker.refresh(tokens["refresh_token"]), "refresh_token_unknown", "7.3")
    assert refused(broker.wire.ask("GET", broker.token_target(code)), "code_unknown", "7.2")

"""The start page and "try it" over the wire: what they show, do and refuse."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from authlib_kucoin.sandbox import SandboxOptions, run_sandbox
from authlib_kucoin.sandbox._overview import _FAULTS
from authlib_kucoin.sandbox._scenarios import SCENARIOS, options_of
from tests.sandbox.broker import FORM, REDIRECT, Answer, Broker, Wire
from tests.sandbox.test_keys import info, signed

if TYPE_CHECKING:
    from collections.abc import Mapping


def page(broker: Broker, path: str = "/") -> str:
    """Return the HTML of a page, unescaped."""
    answer = broker.wire.ask("GET", path)
    assert answer.status == 200
    return unescape(answer.text)


def press(broker: Broker, do: str, path: str = "/", **fields: str) -> Answer:
    """Post the form of the start page whose field `do` has this value."""
    return broker.form(path, {"do": do, **fields})


def walk(broker: Broker, version: str = "2") -> str:
    """Begin a walk of "try it", and return its path."""
    answer = broker.form("/sandbox/try", {"fast_api": version})
    assert answer.status == 303
    return answer.headers["location"].partition("#")[0]


def come_back(broker: Broker, path: str) -> None:
    """Approve the login of a walk, and open the callback."""
    login = re.search(r'href="(/oauth\?[^"]+)"', broker.wire.ask("GET", path).text)
    assert login is not None
    callback = broker.sandbox.approve(broker.sandbox.url + unescape(login[1]))
    assert broker.wire.ask("GET", callback.removeprefix(broker.sandbox.url)).status == 303


def test_refused_request_is_explained(broker: Broker) -> None:
    """The page lists a refused request with its operation, its broken rule, and a remedy."""
    broker.wire.ask("GET", broker.login_target("https%3A%2F%2Fshop.example"))
    text = page(broker)

    assert "<strong>authorize</strong> <span>400</span>" in text
    assert "the redirect URL must not be encoded. <code>sandbox.redirect_uri_encoded" in text
    assert "KuCoin's document, section 7.1. " in text
    assert "build the request's URL by hand" in text


def test_refusal_of_kucoins_own_is_explained(broker: Broker) -> None:
    """The page explains KuCoin's own refusals, of a signed request and of a request for a key."""
    key = broker.new_key()
    info(broker, signed(key, passphrase="wrong"))
    broker.ask_key_2(broker.new_tokens()["access_token"], "API_FUTURES")
    text = page(broker)

    for expected in ("Invalid KC-API-PASSPHRASE", "400004", "HMAC-SHA256(secret, passphrase)"):
        assert expected in text
    for expected in ("risk validation", "40503", "permissions that the user has granted"):
        assert expected in text


def test_secrets_are_masked(broker: Broker) -> None:
    """The page has the key's id, but none of its secrets, no code and no token."""
    code = broker.new_code()
    tokens = broker.wire.ask("GET", broker.token_target(code)).json
    key = broker.ask_key(tokens["access_token"]).json["data"]
    broker.refresh(tokens["refresh_token"])
    text = page(broker)

    assert key["apiKey"] in text
    secrets = (key["secret"], key["passphrase"], tokens["access_token"], tokens["refresh_token"])
    for secret in (code, *secrets):
        assert secret not in text
        assert quote(secret, safe="") not in text


def test_what_was_sent_cannot_become_markup(broker: Broker) -> None:
    """The page shows markup in a request as text; its policy allows no script without a nonce."""
    broker.wire.ask("GET", "/<script>alert(1)</script>?x=\"'>")
    answer = broker.wire.ask("GET", "/")

    assert "<script" not in answer.text
    assert "/&lt;script&gt;alert(1)&lt;/script&gt;?x=&quot;&#x27;&gt;" in answer.text
    assert "script-src 'nonce-" in answer.headers["content-security-policy"]


def test_page_itself_is_not_recorded(broker: Broker) -> None:
    """Looking at the start page or the first page of "try it" adds nothing to the journal."""
    page(broker)
    page(broker, "/sandbox/try")
    assert broker.sandbox.requests == []


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "as-started"])
def test_scenario_changes_what_kucoin_does(new_broker: Callable[..., Broker], name: str) -> None:
    """Each scenario but "as-started" makes some answer differ, until a reset."""

    def answers() -> tuple[object, ...]:
        consent = "bob@example.com" in broker.wire.ask("GET", broker.login_target()).text
        token = broker.new_tokens()["access_token"]
        asked = broker.ask_key_2(token, "API_COMMON", "API_FUTURES").json
        if not asked["success"]:
            return consent, asked["code"], asked["msg"]
        seen = info(broker, signed(asked["data"])).json
        data = seen.get("data", {})
        same = ("remark", "apiKey", "createdAt", "expiredAt")
        return (
            consent,
            asked["data"]["ipWhiteList"],
            seen["code"],
            "expiredAt" in data,
            {member: value for member, value in data.items() if member not in same},
        )

    broker = new_broker(permissions=["API_COMMON", "API_FUTURES"], ip_whitelist=["127.0.0.1"])
    as_started = answers()
    assert press(broker, "scenario", scenario=name).headers["location"] == "/#scenarios"
    assert answers() != as_started
    press(broker, "reset")
    assert answers() == as_started


def test_scenarios_name_options() -> None:
    """A scenario keeps the options that it does not change; an unknown scenario is an error."""
    options = SandboxOptions(client_id="mine", fast_api=2, key_info={"region": "AU"})
    changed = options_of("no-address", options)
    assert (changed.client_id, changed.fast_api, dict(changed.key_info)) == (
        "mine",
        2,
        {"region": "AU"},
    )
    with pytest.raises(ValueError, match="unknown scenario 'x'; known are as-started, no-address"):
        options_of("x", options)


def test_every_fault_button_works(broker: Broker) -> None:
    """The button of each common fault queues that fault; another button forgets them all."""
    for button in re.findall(r'<button name="fault" value="([^"]+)"', page(broker)):
        assert press(broker, "fail-so", fault=button).status == 303
    waiting = [(each.operation, str(each.fault)) for each in broker.sandbox.waiting_faults]
    assert sorted(waiting) == sorted((operation, fault) for operation, fault, _ in _FAULTS)
    press(broker, "drop-faults")
    assert broker.sandbox.waiting_faults == ()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "the field do is missing"),
        ({"do": "x"}, "do must be one of advance"),
        ({"do": "advance", "seconds": "-1"}, "the clock only goes forward"),
        ({"do": "advance", "seconds": "nan"}, "the clock only goes forward"),
        ({"do": "advance", "seconds": "x"}, "the field seconds must be a number"),
        ({"do": "fail", "operation": "x", "fault": "503", "times": "1"}, "unknown operation 'x'"),
        ({"do": "fail", "operation": "token", "fault": "503", "times": "x"}, "a whole number"),
        ({"do": "delete-key", "api_key": "x"}, "no key with this api_key exists"),
        ({f"x{number}": "" for number in range(50)}, "Max number of fields exceeded"),
    ],
)
def test_mistake_changes_nothing(broker: Broker, fields: Mapping[str, str], problem: str) -> None:
    """A wrong form is answered with 400 and a page that says what was wrong; no fault is queued."""
    answer = broker.form("/", fields)

    assert answer.status == 400
    assert problem in unescape(answer.text)
    assert broker.sandbox.waiting_faults == ()


FROM_ELSEWHERE = (
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)


@pytest.mark.parametrize("headers", FROM_ELSEWHERE)
@pytest.mark.parametrize("path", ["/", "/sandbox/try", "WALK"])
def test_form_of_another_site_is_refused(
    broker: Broker, path: str, headers: Mapping[str, str]
) -> None:
    """A form from another origin's page does nothing on the start page, "try it" or a walk."""
    own = walk(broker)
    come_back(broker, own)
    key = broker.sandbox.connect()
    before = broker.sandbox.totals
    fields = {"do": "reset", "fast_api": "2", "step": "token"}
    answer = broker.form(own if path == "WALK" else path, fields, **headers)

    assert answer.status == 403
    assert "another site" in answer.text
    assert broker.sandbox.keys == (key,)
    assert broker.sandbox.totals == before


@pytest.mark.parametrize("path", ["/", "/sandbox/try", "/sandbox/try/x", "/sandbox/try/callback"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_foreign_host_is_refused(broker: Broker, path: str, method: str) -> None:
    """The start page and "try it" refuse a host name that another site can own (DNS rebinding)."""
    answer = broker.wire.ask(method, path, "", {"Host": "evil.example", "Content-Type": FORM})

    assert answer.status == 403
    assert "'evil.example' is not this sandbox's" in unescape(answer.text)
    assert broker.sandbox.client_id not in answer.text


def test_other_methods(broker: Broker) -> None:
    """HEAD has the status and type of GET; a method that a page does not have is a 405."""
    for path in ("/", "/sandbox/try"):
        answer = broker.wire.ask("HEAD", path)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        answer = broker.wire.ask("DELETE", path)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_unknown_walk(broker: Broker) -> None:
    """An unknown walk is answered with 404 and an offer to start a new one."""
    for path in ("/sandbox/try/x", "/sandbox/try/callback?code=1&state=x", "/sandbox/tryx"):
        answer = broker.wire.ask("GET", path)
        assert answer.status == 404
        assert "start a new one" in answer.text


def test_step_is_taken_once(broker: Broker) -> None:
    """Pressing a button again after its step has worked sends nothing; no step can be skipped."""
    path = walk(broker)
    broker.form(path, {"step": "token"})
    assert "token" not in broker.sandbox.totals
    come_back(broker, path)
    for step in ("key", "token", "token", "key", "key", "info", "info"):
        assert broker.form(path, {"step": step}).headers["location"] == f"{path}#now"

    once = ("authorize", "decision", "token", "create_api_key", "api_key_info")
    assert broker.sandbox.totals == dict.fromkeys(once, 1)
    assert len(broker.sandbox.keys) == 1


def test_walk_of_another_state_is_not_touched(broker: Broker) -> None:
    """A callback changes only the walk that its state names, if that walk has no code yet."""
    one, other = walk(broker), walk(broker)
    come_back(broker, one)
    state = one.rpartition("/")[2]
    broker.wire.ask("GET", f"/sandbox/try/callback?code=planted&state={state}")

    assert "planted" not in page(broker, one)
    assert "Open the login page" in page(broker, other)


@pytest.mark.parametrize(("offered", "refused"), [(1, "2"), (2, "1")])
def test_only_offered_versions(
    new_broker: Callable[..., Broker], offered: int, refused: str
) -> None:
    """A walk can use only a version of the Fast API that the sandbox offers."""
    broker = new_broker(fast_api=offered)
    assert f"Fast API {refused}.0</button>" not in page(broker, "/sandbox/try")
    assert broker.form("/sandbox/try", {"fast_api": refused}).status == 400
    path = walk(broker, str(offered))
    come_back(broker, path)
    broker.form(path, {"step": "token"})
    broker.form(path, {"step": "key"})
    assert len(broker.sandbox.keys) == 1


def test_refused_login_is_shown_in_the_walk(new_broker: Callable[..., Broker]) -> None:
    """Where the sandbox's options refuse the walk's own redirect URL, the walk says so."""
    broker = new_broker(redirect_uris=[REDIRECT])
    path = walk(broker)
    with pytest.raises(ValueError, match="not registered"):
        come_back(broker, path)

    assert "add this one to the sandbox's option redirect_uris" in page(broker, path)


@pytest.mark.parametrize(
    ("fault", "shown"), [("599", "HTTP/1.1 599 Unnamed"), ("lost", "(the connection ended here)")]
)
def test_spoilt_login_is_shown_in_the_walk(broker: Broker, fault: str, shown: str) -> None:
    """The walk shows a fault of the login page, and stays at its first step."""
    path = walk(broker)
    broker.sandbox.fail_next("authorize", fault)
    with pytest.raises((ValueError, ConnectionError)):
        come_back(broker, path)

    assert shown in page(broker, path)
    come_back(broker, path)
    assert "Send this request" in page(broker, path)


@pytest.mark.parametrize("fault", ["deep_json", "wrong_shape", "html", "empty", "cut", "truncated"])
def test_spoilt_answer_is_shown_in_the_walk(broker: Broker, fault: str) -> None:
    """After an unusable answer the walk stays at its step; the page shortens a very long answer."""
    path = walk(broker)
    come_back(broker, path)
    broker.sandbox.fail_next("token", fault)
    broker.form(path, {"step": "token"})
    text = page(broker, path)

    assert "This step has not worked" in text
    assert len(text) < 20_000


def test_walk_without_an_ipv4_address() -> None:
    """On IPv6 the walk's redirect URL has no brackets, which would be refused."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with run_sandbox(host="::1") as sandbox, Wire(sandbox, "::1") as wire:
        broker = Broker(sandbox, wire)
        path = walk(broker)
        assert f"redirect_uri=http://localhost:{sandbox.port}/sandbox/try/callback" in page(
            broker, path
        )
        assert f'value="http://[::1]:{sandbox.port}"' in page(broker)


def test_many_walks_are_bounded(broker: Broker) -> None:
    """After 100 more walks, the oldest walk is forgotten."""
    first = walk(broker)
    for _ in range(100):
        last = walk(broker)
    assert broker.wire.ask("GET", first).status == 404
    assert broker.wire.ask("GET", last).status == 200


@pytest.mark.parametrize("version", ["1", "2"])
def test_walk_to_its_end(new_broker: Callable[..., Broker], version: str) -> None:
    """Each step sends one request, the key is issued, and the new token is valid."""
    broker = new_broker(client_secret="a-made-up-secret", client_secret_use="required")
    path = walk(broker, version)
    come_back(broker, path)
    for step in ("token", "key", "info", "refresh", "validate"):
        broker.form(path, {"step": step})
    text = page(broker, path)
    assert unescape(text).count('"is_valid": true') == 1
    assert len(broker.sandbox.keys) == 1
    assert set(broker.sandbox.totals.values()) == {1}


def test_cancelled_walk(broker: Broker) -> None:
    """After a cancelled login the walk says that there is no code."""
    path = walk(broker)
    state = path.rpartition("/")[2]
    broker.wire.ask("GET", f"/sandbox/try/callback?success=false&code=1&state={state}")
    assert "has cancelled, so there is no code" in unescape(page(broker, path))


def test_walk_comes_back_by_form(new_broker: Callable[..., Broker]) -> None:
    """With ``callback="form_post"``, a walk takes the code from a POST."""
    broker = new_broker(callback="form_post")
    path = walk(broker)
    login = re.search(r'href="(/oauth\?[^"]+)"', broker.wire.ask("GET", path).text)
    assert login is not None
    callback = broker.sandbox.approve(broker.sandbox.url + unescape(login[1]))
    answer = broker.form(callback.removeprefix(broker.sandbox.url), dict(callback.fields))
    assert answer.status == 303
    text = page(broker, path)
    assert "a page that posts a form to the redirect URL" in text
    assert "Send this request" in text


def test_clock_ahead_is_told_in_words(broker: Broker) -> None:
    """The page tells how far the clock is ahead, in days, hours and minutes without zeros."""
    broker.sandbox.advance(2 * 86400 + 3660)
    assert ", 2 days 1 hour 1 minute ahead of the real time" in page(broker)
    broker.sandbox.advance(86400 - 3660)
    assert ", 3 days ahead of the real time" in page(broker)


def test_lost_answer_is_shown_as_lost(broker: Broker) -> None:
    """If a fault loses an answer, the walk says that the connection ended."""
    path = walk(broker)
    come_back(broker, path)
    broker.sandbox.fail_next("token", "lost")
    broker.form(path, {"step": "token"})
    assert "(the connection ended here)" in page(broker, path)

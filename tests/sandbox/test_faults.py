"""Faults: each spoils the answers to calls of one operation, as often as a test asks."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from authlib_kucoin.sandbox import FAULT_FORMS, OPERATIONS, PLAIN_FAULTS, Fault
from tests.sandbox.broker import Wire
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.broker import Broker


def test_fault_strikes_once_and_in_order(broker: Broker) -> None:
    """The faults of one operation strike in order, one call each; the next answer is normal."""
    broker.sandbox.fail_next("token", "503")
    broker.sandbox.fail_next("token", "429")
    target = broker.token_target(broker.new_code())

    statuses = [broker.wire.ask("GET", target).status for _ in range(3)]

    assert statuses == [503, 429, 200]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_can_fail(broker: Broker, operation: str) -> None:
    """A fault of one operation strikes one call of that operation, and no call of another."""
    broker.sandbox.fail_next(operation, "418")
    calls: dict[str, Callable[[], int]] = {
        "authorize": lambda: broker.wire.ask("GET", broker.login_target()).status,
        "token": lambda: broker.wire.ask("GET", broker.token_target("x")).status,
        "refresh": lambda: broker.refresh("x").status,
        "validate": lambda: broker.form("/_oauth/validate-access-token", {}).status,
        "create_api_key": lambda: broker.ask_key("x").status,
        "api_key_info": lambda: broker.wire.ask("GET", "/api/v1/user/api-key").status,
        "rest": lambda: broker.wire.ask("GET", "/api/v1/timestamp").status,
    }

    assert {name for name, call in calls.items() if call() == 418} == {operation}
    assert 418 not in {call() for call in calls.values()}


def test_wrong_method_does_not_use_a_fault_up(broker: Broker) -> None:
    """A call with the wrong method leaves the fault for the next call with the right one."""
    broker.sandbox.fail_next("token", "503")
    target = broker.token_target(broker.new_code())

    assert broker.wire.ask("POST", target, "").status == 405
    assert broker.wire.ask("GET", target).status == 503


def test_error_envelope(broker: Broker) -> None:
    """An error envelope has a given code and text; `Fault.envelope` also sets retry and status."""
    broker.sandbox.fail_next("refresh", "envelope:40001:no: not now")
    broker.sandbox.fail_next("refresh", Fault.envelope("40001", "later", retry=True, status=400))

    first, second = broker.refresh("x"), broker.refresh("x")

    assert first.status == 200
    assert first.json == {
        "success": False,
        "code": "40001",
        "msg": "no: not now",
        "retry": False,
        "data": None,
    }
    assert (second.status, second.json["retry"]) == (400, True)


def test_oauth_error(broker: Broker) -> None:
    """An RFC 6749 error has status 400 unless another status is given."""
    broker.sandbox.fail_next("token", "oauth:invalid_grant")
    broker.sandbox.fail_next("token", "oauth:invalid_client:who is that?")
    broker.sandbox.fail_next("token", Fault.oauth("server_error", status=200))
    target = broker.token_target("x")

    answers = [broker.wire.ask("GET", target) for _ in range(3)]

    assert [(answer.status, answer.json) for answer in answers] == [
        (400, {"error": "invalid_grant"}),
        (400, {"error": "invalid_client", "error_description": "who is that?"}),
        (200, {"error": "server_error"}),
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 429, 499])
def test_client_error(broker: Broker, status: int) -> None:
    """A 4xx has KuCoin's envelope; the code for 429 is the gateway's 429000."""
    broker.sandbox.fail_next("token", str(status))
    answer = broker.wire.ask("GET", broker.token_target("x"))

    assert (answer.status, answer.json["success"]) == (status, False)
    assert answer.json["code"] == ("429000" if status == 429 else str(status))


@pytest.mark.parametrize("status", [500, 502, 503, 599])
def test_server_error(broker: Broker, status: int) -> None:
    """A 5xx has a gateway's HTML page, and no key was issued."""
    tokens = broker.new_tokens()
    broker.sandbox.fail_next("create_api_key", Fault.http(status))
    answer = broker.ask_key(tokens["access_token"])

    assert answer.status == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert broker.sandbox.issued_keys == ()


@pytest.mark.parametrize(
    ("fault", "content_type", "start"),
    [
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
        ("empty", "application/json;charset=UTF-8", b""),
        ("wrong_shape", "application/json;charset=UTF-8", b"[1, 2, 3]"),
        ("deep_json", "application/json;charset=UTF-8", b"[[[["),
    ],
)
def test_answers_of_the_wrong_kind(
    broker: Broker, fault: str, content_type: str, start: bytes
) -> None:
    """The answer is a 200 with something else than expected, and no key was issued."""
    tokens = broker.new_tokens()
    broker.sandbox.fail_next("create_api_key", fault)
    answer = broker.ask_key(tokens["access_token"])

    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert answer.body.startswith(start)
    assert broker.sandbox.issued_keys == ()


def test_deep_json_breaks_naive_readers(broker: Broker) -> None:
    """The deeply nested JSON is valid, but a recursive parser fails on it."""
    broker.sandbox.fail_next("token", "deep_json")
    body = broker.wire.ask("GET", broker.token_target("x")).body

    assert body.count(b"[") == body.count(b"]") == 100_000
    with pytest.raises(RecursionError):
        json.loads(body)


def test_redirect_leads_elsewhere(broker: Broker) -> None:
    """The 302 leads to a path that does not exist; the journal has a request that follows it."""
    broker.sandbox.fail_next("token", "redirect")
    answer = broker.wire.ask("GET", broker.token_target("x"))

    assert (answer.status, answer.headers["location"]) == (302, "/elsewhere")
    assert broker.wire.ask("GET", answer.headers["location"]).status == 404
    assert broker.sandbox.requests[-1].operation == "unknown"


def test_truncated_json_has_a_right_length(broker: Broker) -> None:
    """The key was issued, but the JSON of the answer ends in the middle."""
    tokens = broker.new_tokens()
    broker.sandbox.fail_next("create_api_key", "truncated")
    answer = broker.ask_key(tokens["access_token"])

    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)
    assert len(broker.sandbox.issued_keys) == 1


def test_cut_ends_within_the_body(broker: Broker) -> None:
    """The key was issued, but the connection ends before the announced length."""
    tokens = broker.new_tokens()
    broker.sandbox.fail_next("create_api_key", "cut")
    answer = broker.ask_key(tokens["access_token"])

    assert 0 < len(answer.body) < int(answer.headers["content-length"])
    assert answer.headers["connection"] == "close"
    assert len(broker.sandbox.issued_keys) == 1
    assert broker.wire.is_closed()


@pytest.mark.parametrize(
    ("fault", "error", "keys"),
    [
        ("reset_before", ConnectionResetError, 0),
        ("reset_after", ConnectionResetError, 1),
        ("lost", ConnectionError, 1),
    ],
)
def test_connection_ends_without_an_answer(
    broker: Broker, fault: str, error: type[Exception], keys: int
) -> None:
    """A reset is a real TCP reset; "lost" is not. The journal has the request without a status.

    The issued keys show whether the sandbox acted.
    """
    tokens = broker.new_tokens()
    broker.sandbox.fail_next("create_api_key", fault)

    with pytest.raises(error) as caught:
        broker.ask_key(tokens["access_token"])

    assert type(caught.value) is error
    assert len(broker.sandbox.issued_keys) == keys
    assert broker.sandbox.requests[-1].status is None
    assert broker.sandbox.requests[-1].operation == "create_api_key"


def test_delay_holds_the_answer_back(broker: Broker) -> None:
    """The sandbox acts, and sends the normal answer after the delay."""
    tokens = broker.new_tokens()
    broker.sandbox.fail_next("create_api_key", Fault.delay(0.15))
    start = time.monotonic()

    answer = broker.ask_key(tokens["access_token"])

    assert answer.json["success"] is True
    assert 0.15 <= time.monotonic() - start < 5


def test_delay_ends_with_the_sandbox(new_broker: Callable[..., Broker]) -> None:
    """Stopping the sandbox does not wait for an answer that is held back."""
    broker = new_broker()
    broker.sandbox.fail_next("token", "delay:600.5")
    broker.wire.send(f"GET {broker.token_target('x')} HTTP/1.1\r\n\r\n".encode())
    wait_until(lambda: broker.sandbox.requests)
    start = time.monotonic()

    broker.sandbox.stop()

    assert time.monotonic() - start < 5
    assert broker.wire.is_closed()


def test_echo_repeats_what_was_sent(broker: Broker) -> None:
    """The error's text repeats what was sent as code, token or signature: plain and encoded."""
    tokens = broker.new_tokens()
    code, refresh_token = broker.new_code(), tokens["refresh_token"]
    for operation in ("token", "refresh", "create_api_key", "api_key_info"):
        broker.sandbox.fail_next(operation, "echo")
    signed = {"KC-API-PASSPHRASE": "pass+phrase=", "KC-API-SIGN": "si/gn=", "Accept": "x"}

    echoes = {
        code: broker.wire.ask("GET", broker.token_target(code)),
        refresh_token: broker.refresh(refresh_token),
        tokens["access_token"]: broker.ask_key(tokens["access_token"]),
        "si/gn=": broker.wire.ask("GET", "/api/v1/user/api-key", None, signed),
    }

    for secret, answer in echoes.items():
        assert answer.json["success"] is False
        assert f" {secret} {quote(secret, safe='')}" in answer.json["msg"]
        assert secret != quote(secret, safe="")  # else the encoded form would prove nothing


def test_set_cookie_comes_with_the_normal_answer(broker: Broker) -> None:
    """The answer is the normal one, with a cookie."""
    broker.sandbox.fail_next("token", "set_cookie")
    answer = broker.wire.ask("GET", broker.token_target(broker.new_code()))

    assert answer.json["access_token"]
    assert answer.headers["set-cookie"].startswith("sandbox=kept;")


def test_login_page_can_fail_too(broker: Broker) -> None:
    """`approve` raises an error if a fault replaces the login page."""
    broker.sandbox.fail_next("authorize", "502")
    with pytest.raises(ValueError, match="answered 502"):
        broker.sandbox.approve(broker.login_url())


def test_next_connection_after_a_reset(broker: Broker) -> None:
    """After a TCP reset, the next connection gets a normal answer."""
    broker.sandbox.fail_next("token", "reset_before")
    with pytest.raises(ConnectionResetError):
        broker.wire.ask("GET", broker.token_target("x"))
    with Wire(broker.sandbox) as wire:
        assert wire.ask("GET", broker.token_target("x")).status == 200


def test_unknown_operation(broker: Broker) -> None:
    """A misspelt operation is an error that lists the known ones."""
    with pytest.raises(ValueError, match="'login'; known are authorize, token, refresh"):
        broker.sandbox.fail_next("login", "429")


@pytest.mark.parametrize(
    "fault",
    ["", "explode", "399", "600", "delay:-1", "delay:x", "envelope:", "oauth:", "html:x"],
)
def test_unknown_fault(broker: Broker, fault: str) -> None:
    """A misspelt fault is an error that lists the forms of faults, and no fault is queued."""
    with pytest.raises(ValueError, match="unknown fault") as caught:
        broker.sandbox.fail_next("token", fault)
    assert all(form in str(caught.value) for form in FAULT_FORMS)
    assert broker.wire.ask("GET", broker.token_target("x")).json["code"] == "sandbox.code_unknown"


def test_fault_values_are_checked(broker: Broker) -> None:
    """`Fault.http` and `Fault.delay` check their value; `fail_next` refuses an unknown kind."""
    with pytest.raises(ValueError, match="from 400 to 599"):
        Fault.http(200)
    with pytest.raises(ValueError, match="from 0 to 86400"):
        Fault.delay(-1)
    with pytest.raises(ValueError, match="unknown fault 'sing'"):
        broker.sandbox.fail_next("token", Fault("sing"))


def test_every_plain_fault_parses() -> None:
    """Each word of `PLAIN_FAULTS` parses as the fault of this name; a delay and a status parse."""
    assert {Fault.parse(word).kind for word in PLAIN_FAULTS} == set(PLAIN_FAULTS)
    assert Fault.parse("delay:1.5") == Fault.delay(1.5)
    assert Fault.parse("503") == Fault.http(503)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("HTML", "html"),
        ("truncated JSON", "truncated"),
        ("did it, then lost the answer", "lost"),
        ("reset", "reset_before"),
        ("5xx", "503"),
        ("delay", "delay:1"),
        ("error envelope", "envelope:sandbox.refused:refused on demand (sandbox)"),
    ],
)
def test_a_fault_in_other_words(said: str, meant: str) -> None:
    """A fault without a value can be written in capitals, or in some other words."""
    assert Fault.parse(said) == Fault.parse(meant)


def test_an_operation_by_the_name_of_the_method(broker: Broker) -> None:
    """The name of a client's method works as an operation."""
    broker.sandbox.fail_next("fetch_token", "envelope:7:no")
    assert broker.wire.ask("GET", broker.token_target("x")).json["code"] == "7"


@pytest.mark.parametrize(
    ("fault", "status", "wait"),
    [
        ("429:30", 429, "30"),
        ("503:Wed, 21 Oct 2026 07:28:00 GMT", 503, "Wed, 21 Oct 2026 07:28:00 GMT"),
        (Fault.http(429, retry_after=7), 429, "7"),
        ("429", 429, None),
    ],
)
def test_retry_after(broker: Broker, fault: str | Fault, status: int, wait: str | None) -> None:
    """An HTTP error can have Retry-After, in seconds or as a date."""
    broker.sandbox.fail_next("token", fault)
    answer = broker.wire.ask("GET", broker.token_target("x"))

    assert answer.status == status
    assert answer.headers.get("retry-after") == wait


def test_retry_after_adds_no_header_line(broker: Broker) -> None:
    """A fault is refused if its Retry-After has a line break."""
    with pytest.raises(ValueError, match="retry_after must be"):
        broker.sandbox.fail_next("token", "429:1\r\nX: y")
    with pytest.raises(ValueError, match="retry_after must be"):
        Fault.http(429, retry_after="1\r\nX: y")


@pytest.mark.parametrize("seconds", [0, 0.00001, 1, 2.5, 100, 12_345.678, 86_400])
def test_text_of_a_delay_is_parsed_to_the_same_delay(seconds: float) -> None:
    """`parse` makes the same delay from the text of a delay with up to six decimals."""
    assert Fault.parse(str(Fault.delay(seconds))) == Fault.delay(seconds)


def test_fault_can_strike_several_times(broker: Broker) -> None:
    """A fault strikes as many calls as `times` says, and then the next fault in the queue does."""
    broker.sandbox.fail_next("token", "503", times=2)
    broker.sandbox.fail_next("token", "429")
    target = broker.token_target(broker.new_code())

    assert [broker.wire.ask("GET", target).status for _ in range(4)] == [503, 503, 429, 200]


def test_fault_can_have_a_probability(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault with a probability below 1 spares some calls, which do not count towards `times`."""
    rolls = iter([0.9, 0.2, 0.9, 0.1])
    monkeypatch.setattr("random.random", lambda: next(rolls))
    broker.sandbox.fail_next("refresh", "503", times=2, probability=0.25)

    assert [broker.refresh("x").status for _ in range(5)] == [200, 503, 200, 503, 200]


def test_fault_can_be_slow(broker: Broker) -> None:
    """`latency` holds the spoilt answer back."""
    broker.sandbox.fail_next("refresh", "503", latency=0.1)
    start = time.monotonic()

    assert broker.refresh("x").status == 503
    assert time.monotonic() - start >= 0.1


def test_waiting_faults_are_listed(broker: Broker) -> None:
    """Waiting faults are listed in full; for these faults, `parse` reads back the text."""
    faults = ["503:30", "delay:1.5", "envelope:7:no", "oauth:invalid_grant", "gateway:400003"]
    for fault in (*faults, "lost"):
        broker.sandbox.fail_next("token", fault, times=2, probability=0.5, latency=1)
    waiting = broker.sandbox.waiting_faults

    assert [str(each.fault) for each in waiting] == [*faults, "lost"]
    assert {Fault.parse(str(each.fault)) == each.fault for each in waiting} == {True}
    assert {(each.operation, each.times, each.probability, each.latency) for each in waiting} == {
        ("token", 2, 0.5, 1)
    }


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"times": 0}, "times must be a whole number from 1"),
        ({"times": 1.5}, "times must be a whole number from 1"),
        ({"probability": 0}, "probability must be a number above 0 and up to 1"),
        ({"probability": 1.1}, "probability must be"),
        ({"latency": -1}, "from 0 to 86400"),
    ],
)
def test_numbers_of_a_fault_are_checked(
    broker: Broker, numbers: dict[str, float], message: str
) -> None:
    """A wrong number is an error, and no fault is queued."""
    wrong: Any = numbers
    with pytest.raises(ValueError, match=message):
        broker.sandbox.fail_next("token", "503", **wrong)
    assert broker.sandbox.waiting_faults == ()

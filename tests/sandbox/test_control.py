"""The sandbox's own calls: faults, clock, reset and journal over HTTP, for any language."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sandbox.broker import Answer, Broker

JSON = {"Content-Type": "application/json"}


def post(broker: Broker, path: str, content: object) -> Answer:
    """Post JSON to the sandbox's own path."""
    return broker.wire.ask("POST", path, json.dumps(content), JSON)


def test_fault_over_http(broker: Broker) -> None:
    """A fault queued over HTTP strikes like one from Python."""
    answer = post(broker, "/sandbox/faults", {"operation": "token", "fault": "envelope:7:no"})

    assert (answer.status, answer.json) == (200, {"ok": True})
    content = broker.wire.ask("GET", broker.token_target("x")).json
    assert (content["code"], content["msg"]) == ("7", "no")


def test_clock_over_http(broker: Broker) -> None:
    """The clock winds forward over HTTP."""
    tokens = broker.new_tokens()
    assert post(broker, "/sandbox/advance", {"seconds": 3600}).status == 200
    assert not broker.is_valid(tokens["access_token"])


def test_reset_over_http(broker: Broker) -> None:
    """A reset needs no body, and forgets."""
    broker.new_key()
    assert broker.wire.ask("POST", "/sandbox/reset", "", JSON).status == 200
    assert broker.sandbox.issued_keys == ()
    assert broker.sandbox.requests == []


def test_journal_over_http(broker: Broker) -> None:
    """The journal can be read over HTTP; reading it, and the other own calls, are not in it."""
    broker.refresh("x")
    post(broker, "/sandbox/advance", {"seconds": 1})
    answer = broker.wire.ask("GET", "/sandbox/requests").json

    assert answer["totals"] == {"refresh": 1}
    (request,) = answer["requests"]
    assert request["operation"] == "refresh"
    assert request["body"] == (
        "grant_type=authorization_code&refresh_token=***&scope=OAUTH_CREATE_API"
    )
    assert request.keys() == {
        "operation",
        "method",
        "target",
        "headers",
        "body",
        "status",
        "connection",
    }


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/sandbox/faults", '{"operation": "login", "fault": "429"}', "known are authorize"),
        ("/sandbox/faults", '{"operation": "token", "fault": "x"}', "known are html"),
        ("/sandbox/faults", '{"operation": "token"}', "fault must be a string"),
        ("/sandbox/faults", "[1]", "must be a JSON object"),
        ("/sandbox/faults", "{", "must be a JSON object"),
        ("/sandbox/faults", "[" * 100_000, "must be a JSON object"),
        ("/sandbox/advance", '{"seconds": -1}', "only goes forward"),
        ("/sandbox/advance", '{"seconds": true}', "seconds must be a number"),
    ],
)
def test_own_call_that_cannot_be_meant(broker: Broker, path: str, body: str, error: str) -> None:
    """A mistake is a 400 that says what was wrong."""
    answer = broker.wire.ask("POST", path, body, JSON)

    assert answer.status == 400
    assert error in answer.json["error"]


def test_own_call_from_another_site_is_refused(broker: Broker) -> None:
    """What any web page could make a browser post, a form or plain text, changes nothing."""
    answer = broker.wire.ask("POST", "/sandbox/reset", "", {"Content-Type": "text/plain"})

    assert answer.status == 400
    assert "application/json" in answer.json["error"]


def test_own_paths_and_methods(broker: Broker) -> None:
    """An unknown own path and a wrong method say what there is."""
    unknown = broker.wire.ask("GET", "/sandbox/fault")
    wrong = broker.wire.ask("GET", "/sandbox/faults")

    assert (unknown.status, "/sandbox/faults" in unknown.json["error"]) == (404, True)
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")

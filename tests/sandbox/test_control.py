"""The control API, by which programs in any language control the sandbox over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from authlib_kucoin.sandbox import SCENARIOS, Headers, SandboxOptions
from authlib_kucoin.sandbox._host import Host
from authlib_kucoin.sandbox._http import Request
from tests.sandbox.broker import REDIRECT, Answer, Broker
from tests.sandbox.test_keys import info, signed

JSON = {"Content-Type": "application/json"}
KEY_MEMBERS = {"apiKey": "api_key", "secret": "secret", "passphrase": "passphrase"}


def post(broker: Broker, path: str, content: object) -> Answer:
    """Make a control call with a JSON body."""
    return broker.wire.ask("POST", path, json.dumps(content), JSON)


def test_fault_over_http(broker: Broker) -> None:
    """A fault that is queued over HTTP spoils the next call of its operation."""
    answer = post(broker, "/sandbox/faults", {"operation": "token", "fault": "envelope:7:no"})

    assert (answer.status, answer.json) == (200, {"ok": True})
    content = broker.wire.ask("GET", broker.token_target("x")).json
    assert (content["code"], content["msg"]) == ("7", "no")


def test_clock_over_http(broker: Broker) -> None:
    """After `advance` by an hour over HTTP, an access token has expired."""
    tokens = broker.new_tokens()
    assert post(broker, "/sandbox/advance", {"seconds": 3600}).status == 200
    assert not broker.is_valid(tokens["access_token"])


def test_reset_over_http(broker: Broker) -> None:
    """A reset needs no body, and forgets keys and requests."""
    broker.new_key()
    assert broker.wire.ask("POST", "/sandbox/reset", "", JSON).status == 200
    assert broker.sandbox.issued_keys == ()
    assert broker.sandbox.requests == []


def test_journal_over_http(broker: Broker) -> None:
    """The journal can be read over HTTP. It has KuCoin's calls, and no control calls."""
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
        "received_at",
        "refusal",
        "fault",
    }
    assert request["refusal"] == {
        "code": "sandbox.refresh_token_unknown",
        "text": "refresh token was never issued (document section 7.3)",
        "section": "7.3",
        "advice": "Send the refresh token of the last exchange or refresh.",
    }
    assert abs(request["received_at"] - broker.sandbox.now) < 60


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
        ("/sandbox/advance", '{"seconds": 1, "seconds": 5}', "must be a JSON object"),
        ("/sandbox/advance", '{"seconds": true}', "seconds must be a number"),
        ("/sandbox/advance", '{"seconds": NaN}', "seconds must be a number"),
        ("/sandbox/advance", f'{{"seconds": 1{"0" * 400}}}', "0 to 10000000000"),
        ("/sandbox/advance", '{"seconds": 1, "hours": 1}', "unknown member 'hours'; known are sec"),
        ("/sandbox/advance?seconds=1", "{}", "this call takes no query"),
        ("/sandbox/reset", '{"keys": true}', "unknown member 'keys'; this call takes none"),
        ("/sandbox/faults", '{"operation": "token", "fault": "503", "times": 1.5}', "whole number"),
        ("/sandbox/approve", "{}", "url must be a string"),
        ("/sandbox/approve", '{"url": "https://www.kucoin.com/oauth?x"}', "does not lead to this"),
        ("/sandbox/connect", '{"account": "nobody"}', "unknown account 'nobody'; known are trader"),
        ("/sandbox/connect", '{"permissions": ["SPOT"]}', "unknown permissions ['SPOT']; known"),
        ("/sandbox/connect", '{"permissions": "API_SPOT"}', "permissions must be a list of"),
        ("/sandbox/keys/delete", '{"api_key": "x"}', "no key with this api_key exists"),
        ("/sandbox/scenario", '{"name": "rain"}', "unknown scenario 'rain'; known are as-started,"),
        ("/sandbox/scenario", "{}", "name must be a string"),
    ],
)
def test_own_call_that_cannot_be_meant(broker: Broker, path: str, body: str, error: str) -> None:
    """A mistake in the body or query of a control call is answered with 400 and what was wrong."""
    answer = broker.wire.ask("POST", path, body, JSON)

    assert answer.status == 400
    assert error in answer.json["error"]


def test_own_call_from_another_site_is_refused(broker: Broker) -> None:
    """A POST of type text/plain is refused: any web page can make a browser send that type."""
    answer = broker.wire.ask("POST", "/sandbox/reset", "", {"Content-Type": "text/plain"})

    assert answer.status == 400
    assert "application/json" in answer.json["error"]


def test_own_paths_and_methods(broker: Broker) -> None:
    """An unknown path gets a 404 that lists paths, a wrong method a 405 that lists methods."""
    unknown = broker.wire.ask("GET", "/sandbox/fault")
    wrong = broker.wire.ask("GET", "/sandbox/advance")
    deleted = broker.wire.ask("DELETE", "/sandbox/faults")

    assert (unknown.status, "/sandbox/faults" in unknown.json["error"]) == (404, True)
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert (deleted.status, deleted.headers["allow"]) == (405, "POST, GET")


def test_approving_over_http(broker: Broker) -> None:
    """One call over HTTP plays a user who approves, and returns the callback."""
    answer = post(broker, "/sandbox/approve", {"url": broker.login_url()})

    assert answer.status == 200
    assert answer.json["method"] == "GET"
    fields = answer.json["fields"]
    assert answer.json["location"].startswith(f"{REDIRECT}?code=")
    assert fields["state"] == "123"
    assert broker.wire.ask("GET", broker.token_target(fields["code"])).json["access_token"]


def test_cancelling_over_http(new_broker: Callable[..., Broker]) -> None:
    """`cancel` takes a URL and an account, and returns the callback: a POST in form_post mode."""
    broker = new_broker(callback="form_post", account=["a@example.com", "b@example.com"])
    body = {"url": broker.login_url(), "account": "b@example.com"}
    answer = post(broker, "/sandbox/cancel", body).json

    assert (answer["method"], answer["location"]) == ("POST", REDIRECT)
    assert answer["fields"]["success"] == "false"
    body["account"] = "nobody"
    assert "unknown account" in post(broker, "/sandbox/cancel", body).json["error"]


def test_refused_login_over_http(broker: Broker) -> None:
    """If the sandbox refuses the login request, `approve` is answered with 400 and the reason."""
    answer = post(broker, "/sandbox/approve", {"url": broker.login_url("https%3A//shop.example")})

    assert answer.status == 400
    assert "must not be encoded" in answer.json["error"]


def test_fault_of_the_login_page_over_http(broker: Broker) -> None:
    """If a fault ends the login page's connection, `approve` is answered with 502."""
    broker.sandbox.fail_next("authorize", "lost")
    assert post(broker, "/sandbox/approve", {"url": broker.login_url()}).status == 502


def test_keys_over_http(broker: Broker) -> None:
    """Keys can be made, listed with their secrets, used and deleted."""
    made = post(broker, "/sandbox/connect", {"permissions": ["API_COMMON"]}).json
    (listed,) = broker.wire.ask("GET", "/sandbox/keys").json["keys"]

    assert listed == made | {"alive": True}
    assert (made["account"], made["uid"]) == ("trader@example.com", 165111215)
    as_issued = {name: made[known] for name, known in KEY_MEMBERS.items()}
    assert info(broker, signed(as_issued)).json["data"]["permission"] == "General"
    assert post(broker, "/sandbox/keys/delete", {"api_key": made["api_key"]}).status == 200
    (listed,) = broker.wire.ask("GET", "/sandbox/keys").json["keys"]
    assert listed["alive"] is False


def test_token_over_http(broker: Broker) -> None:
    """A token without a login is valid, and can be refreshed."""
    token = post(broker, "/sandbox/token", {}).json

    assert broker.is_valid(token["access_token"])
    assert broker.refresh(token["refresh_token"]).json["access_token"]


def test_waiting_faults_over_http(broker: Broker) -> None:
    """The faults that have yet to strike are listed, with times, probability and latency."""
    fault = {"operation": "fetch_token", "fault": "429:30", "times": 3, "latency": 0.5}
    post(broker, "/sandbox/faults", fault)

    assert broker.wire.ask("GET", "/sandbox/faults").json["faults"] == [
        {"operation": "token", "fault": "429:30", "times": 3, "probability": 1.0, "latency": 0.5}
    ]


def test_requests_of_one_operation(broker: Broker) -> None:
    """The parameter `operation` selects requests by operation, or by the client's method.

    An operation that does not exist, an unknown parameter and a repeated one are errors.
    """
    broker.refresh("x")
    broker.wire.ask("GET", "/nowhere")

    for operation, count in {"refresh": 1, "refresh_token": 1, "unknown": 1, "token": 0}.items():
        answer = broker.wire.ask("GET", f"/sandbox/requests?operation={operation}").json
        assert len(answer["requests"]) == count
    for query in ("operation=login", "operations=token", "operation=token&operation=token"):
        assert broker.wire.ask("GET", f"/sandbox/requests?{query}").status == 400


def test_journal_names_the_fault(broker: Broker) -> None:
    """The journal names the fault that spoilt an answer; other requests have no fault there."""
    broker.sandbox.fail_next("token", "429:30")
    broker.wire.ask("GET", broker.token_target("x"))
    broker.wire.ask("GET", broker.token_target("x"))

    first, second = broker.sandbox.requests
    assert (first.fault, first.refusal) == ("429:30", None)
    assert second.fault is None
    assert second.refusal
    assert second.refusal.code == "sandbox.code_unknown"


def test_state_over_http(new_broker: Callable[..., Broker]) -> None:
    """Clock, options and accounts can be read, without the secrets among the options."""
    broker = new_broker(account=["a@example.com:1", "b@example.com"], client_secret="s3cret")
    post(broker, "/sandbox/advance", {"seconds": 3600})
    state = broker.wire.ask("GET", "/sandbox/state").json

    assert state["clock"]["ahead"] == 3600
    assert state["options"]["permissions"] == list(broker.sandbox.options.permissions)
    assert state["options"]["client_secret"] == state["options"]["partner_key"] == "***"
    assert [each["name"] for each in state["accounts"]] == ["a@example.com", "b@example.com"]


def test_scenario_over_http(broker: Broker) -> None:
    """A scenario chosen over HTTP changes answers; the state names it, and lists all scenarios."""
    before = broker.wire.ask("GET", "/sandbox/state").json
    assert post(broker, "/sandbox/scenario", {"name": "withdrawals"}).json == {"ok": True}
    after = broker.wire.ask("GET", "/sandbox/state").json

    assert (before["scenario"], after["scenario"]) == ("as-started", "withdrawals")
    assert {each["name"]: (each["title"], each["text"]) for each in after["scenarios"]} == {
        name: (scenario.title, scenario.text) for name, scenario in SCENARIOS.items()
    }
    data = info(broker, signed(broker.new_key())).json["data"]
    assert data["permission"] == "General,Spot,Transfer"


def test_health_over_http(broker: Broker) -> None:
    """`health` answers 200, so that a program can wait until the sandbox serves."""
    answer = broker.wire.ask("GET", "/sandbox/health")
    assert (answer.status, answer.json["ok"]) == (200, True)


@pytest.mark.parametrize("content_type", ["application/json;charset=UTF-8", "application/json"])
def test_charset_may_follow_the_content_type(broker: Broker, content_type: str) -> None:
    """The type application/json may have a charset, which many HTTP libraries send, or none."""
    headers = {"Content-Type": content_type}
    assert broker.wire.ask("POST", "/sandbox/reset", "{}", headers).status == 200


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Host": "evil.example"}, "the host 'evil.example' is not this sandbox's"),
        ({"Host": "127.0.0.1.evil.example:80"}, "is not this sandbox's"),
        ({"Host": ""}, "is not this sandbox's"),
        ({"Origin": "https://evil.example"}, "comes from another site's page"),
        ({"Origin": "null"}, "comes from another site's page"),
        ({"Sec-Fetch-Site": "cross-site"}, "comes from another site's page"),
        ({"Sec-Fetch-Site": "same-site"}, "comes from another site's page"),
    ],
)
def test_other_sites_pages_cannot_control(
    broker: Broker, headers: dict[str, str], why: str
) -> None:
    """A POST is refused if another origin's page sends it, or if its Host is not the sandbox's."""
    tokens = broker.new_tokens()
    answer = broker.wire.ask("POST", "/sandbox/reset", "{}", JSON | headers)

    assert answer.status == 403
    assert why in answer.json["error"]
    assert broker.is_valid(tokens["access_token"])


def test_other_sites_pages_cannot_read(broker: Broker) -> None:
    """A GET that names another site's host is refused."""
    for path in ("requests", "keys", "state", "openapi.json"):
        answer = broker.wire.ask("GET", f"/sandbox/{path}", None, {"Host": "evil.example"})
        assert answer.status == 403


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "kucoin.localhost:9400",
        "localhost.:1",
        "[::1]:9400",
        "192.168.1.5",
        "box",
        "box.:9400",
    ],
)
def test_own_hosts(new_broker: Callable[..., Broker], host: str) -> None:
    """The Host can be a loopback name, an IP address, or a name in `allowed_hosts`."""
    broker = new_broker(allowed_hosts=["Box"])
    assert broker.wire.ask("GET", "/sandbox/health", None, {"Host": host}).status == 200
    assert broker.wire.ask("POST", "/sandbox/reset", "{}", JSON | {"Host": host}).status == 200


def test_other_machines_must_be_listed(new_broker: Callable[..., Broker]) -> None:
    """A caller must be listed in `allowed_ips`, unless it is on loopback."""
    headers = Headers((("Host", "localhost"),))
    request = Request("GET", "/sandbox/health", headers, "", "10.0.0.7", 1, keep_alive=True)
    for allowed, status in ((None, 403), (["10.0.0.8"], 403), (["10.0.0.0/8"], 200)):
        answer = Host(SandboxOptions(allowed_ips=allowed)).answer(request)
        assert answer.status == status
    broker = new_broker(allowed_ips=["10.0.0.7"])
    assert broker.wire.ask("GET", "/sandbox/health").status == 200


def test_own_pages_can_control(broker: Broker) -> None:
    """Requests from the sandbox's own pages are accepted."""
    headers = JSON | {"Origin": f"http://{broker.wire.host}", "Sec-Fetch-Site": "same-origin"}
    assert broker.wire.ask("POST", "/sandbox/reset", "{}", headers).status == 200


def test_approving_under_the_hosts_name(new_broker: Callable[..., Broker]) -> None:
    """The URL for `approve` can have any host of the sandbox; its port must be that in Host."""
    broker = new_broker(allowed_hosts=["box"])
    url = f"http://box:9400{broker.login_target()}"
    for host, status in {"box:9400": 200, "box:9401": 400, "localhost:9400": 200}.items():
        body = json.dumps({"url": url})
        answer = broker.wire.ask("POST", "/sandbox/approve", body, JSON | {"Host": host})
        assert answer.status == status

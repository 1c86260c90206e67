"""The sockets, the paths and the journal: how requests are read, counted and remembered."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from authlib_kucoin.sandbox import Headers, Sandbox, SandboxOptions, run_sandbox
from tests.sandbox.broker import ADD_KEY, FORM, KEY_INFO, Broker, Wire
from tests.support.certificates import self_signed
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def raw(broker: Broker, request: str) -> tuple[int, str]:
    """Send bytes; return status and refusal of an answer that ends the connection."""
    broker.wire.send(request.encode("latin-1"))
    answer = broker.wire.receive()
    assert answer.headers["connection"] == "close"
    assert broker.wire.is_closed()
    return answer.status, answer.json["code"]


def test_connection_is_kept_alive_and_counted(broker: Broker) -> None:
    """Requests over one connection count as one connection; another one is another."""
    for _ in range(5):
        assert broker.wire.ask("GET", "/nowhere").headers["connection"] == "keep-alive"
    assert broker.sandbox.connections == 1
    with Wire(broker.sandbox) as other:
        other.ask("GET", "/nowhere")

    assert broker.sandbox.connections == 2
    assert [request.connection for request in broker.sandbox.requests] == [1] * 5 + [2]


@pytest.mark.parametrize(
    "request_head",
    ["GET /nowhere HTTP/1.0\r\n", "GET /nowhere HTTP/1.1\r\nConnection: Close\r\n"],
)
def test_connection_ends_when_asked_to(broker: Broker, request_head: str) -> None:
    """HTTP/1.0 and "Connection: close" end the connection after the answer."""
    assert raw(broker, f"{request_head}\r\n") == (404, "sandbox.unknown_path")


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("GET /a b HTTP/1.1\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nNoColon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nName : x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", 413),
        ("GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        ("GET /" + "a" * 65_522 + " HTTP/1.1\r\n", 414),
        ("GET / HTTP/1.1\r\n" + "A: b\r\n" * 101, 431),
    ],
)
def test_request_that_cannot_be_read(broker: Broker, request_text: str, status: int) -> None:
    """What is no HTTP request gets an answer that says so, and the connection ends."""
    assert raw(broker, request_text) == (status, "sandbox.bad_request")


@pytest.mark.parametrize(
    "part", ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"]
)
def test_peer_that_goes_away_is_no_trouble(broker: Broker, part: str) -> None:
    """A connection that ends within a request leaves nothing behind."""
    with Wire(broker.sandbox) as wire:
        wire.send(part.encode())
    assert broker.wire.ask("GET", "/nowhere").status == 404


def test_peer_that_resets_is_no_trouble(broker: Broker) -> None:
    """A reset from the other side ends that connection's thread and nothing else."""
    for _ in range(3):
        wire = Wire(broker.sandbox)
        wire.ask("GET", "/nowhere")
        wire._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.close()
    assert broker.wire.ask("GET", "/nowhere").status == 404


def test_target_is_seen_byte_for_byte(broker: Broker) -> None:
    """Leading slashes and bytes beyond ASCII are neither collapsed nor re-encoded."""
    broker.wire.send(b"GET //oauth?a=\xff%2f HTTP/1.1\r\n\r\n")
    assert broker.wire.receive().status == 404
    assert broker.sandbox.requests[-1].target == "//oauth?a=\xff%2f"


def test_unknown_path_says_what_there_is(broker: Broker) -> None:
    """A wrong path is a 404 that names the paths and the sections."""
    answer = broker.wire.ask("GET", "/_oauth/access_token")

    assert answer.status == 404
    assert answer.json["code"] == "sandbox.unknown_path"
    assert "/_oauth/access-token" in answer.json["msg"]
    assert "sections 4 and 7" in answer.json["msg"]


@pytest.mark.parametrize(
    ("path", "allowed", "section"),
    [
        ("/oauth", "GET", "7.1"),
        ("/oauth/decision", "POST", "7.1"),
        ("/_oauth/access-token", "GET", "7.2"),
        ("/_oauth/refresh-token", "POST", "7.3"),
        ("/_oauth/validate-access-token", "POST", "7.4"),
        (ADD_KEY, "POST", "4"),
        (KEY_INFO, "GET", "menu, Get Apikey Info"),
    ],
)
def test_wrong_method(broker: Broker, path: str, allowed: str, section: str) -> None:
    """A wrong method is a 405 that names the right one, and its section."""
    for method in {"GET", "POST", "PUT", "HEAD"} - {allowed}:
        answer = broker.wire.ask(method, path, "")
        assert (answer.status, answer.headers["allow"]) == (405, allowed)
        if method != "HEAD":
            assert answer.json["code"] == "sandbox.wrong_method"
            assert f"(document section {section})" in answer.json["msg"]


def test_journal_masks_secrets(broker: Broker) -> None:
    """No code, token, secret, passphrase or signature stands in what is recorded."""
    code = broker.new_code()
    tokens = broker.wire.ask(
        "GET", broker.token_target(code) + "&unknown=1&client_secret=s3cret"
    ).json
    tokens = broker.wire.ask("GET", broker.token_target(code)).json
    key = broker.ask_key(tokens["access_token"]).json["data"]
    broker.is_valid(tokens["access_token"])
    broker.refresh(tokens["refresh_token"])
    json_body = f'{{"refresh_token": "{tokens["refresh_token"]}", "scope": "x"}}'
    broker.wire.ask("POST", "/_oauth/refresh-token", json_body)
    broker.wire.ask("GET", f"/_oauth/access-token?wrong={tokens['access_token']}")
    broker.wire.ask("GET", KEY_INFO, None, {"Authorization": tokens["access_token"]})
    broker.wire.ask(
        "GET",
        KEY_INFO,
        None,
        {
            "KC-API-PASSPHRASE": key["passphrase"],
            "KC-API-SIGN": key["secret"],
            "KC-API-PARTNER-SIGN": key["secret"],
            "Proxy-Authorization": key["secret"],
            "Referer": f"https://shop.example/?code={code}",
            "Cookie": f"session=of-another-port-{key['secret']}",
        },
    )
    recorded = repr(broker.sandbox.requests)

    secrets = [code, "s3cret", *tokens.values(), key["secret"], key["passphrase"]]
    for secret in (secret for secret in secrets if isinstance(secret, str)):
        if secret != "bearer":
            assert secret not in recorded
            assert secret.replace("/", "%2F").replace("=", "%3D") not in recorded
    by_name = {request.operation: request for request in broker.sandbox.requests}
    assert by_name["decision"].body == "ticket=***&decision=approve"
    assert by_name["create_api_key"].headers["authorization"] == "bearer ***"
    assert by_name["token"].target == "/_oauth/access-token?wrong=***"
    assert (by_name["token"].path, by_name["token"].query) == ("/_oauth/access-token", "wrong=***")
    assert by_name["api_key_info"].headers["cookie"] == "***"
    assert '{"refresh_token": "***", "scope": "x"}' in {
        request.body for request in broker.sandbox.requests
    }
    assert "grant_type=authorization_code&code=***&redirect_uri=https://" in recorded


def test_journal_is_bounded_and_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old records make room, while the totals count on."""
    monkeypatch.setattr("authlib_kucoin.sandbox._journal._KEPT", 2)
    with run_sandbox() as sandbox, Wire(sandbox) as wire:
        for _ in range(3):
            Broker(sandbox, wire).refresh("x")
        wire.ask("GET", "/nowhere")

        assert [request.operation for request in sandbox.requests] == ["refresh", "unknown"]
        assert sandbox.totals == {"refresh": 3, "unknown": 1}


def test_answered_request_is_in_the_journal(broker: Broker) -> None:
    """Whoever has an answer finds its request recorded, with the status it got."""
    for _ in range(50):
        broker.sandbox.reset()
        assert broker.refresh("x").status == 200
        (record,) = broker.sandbox.requests
        assert (record.operation, record.method, record.status) == ("refresh", "POST", 200)
        assert record.target == "/_oauth/refresh-token"
        assert record.headers["content-type"] == FORM


def test_headers_are_a_mapping() -> None:
    """Names match in any case; a repeated header is joined, and counts once. No repr has values."""
    headers = Headers((("Accept", "a"), ("X", "b"), ("accept", "c")))

    assert dict(headers) == {"accept": "a, c", "x": "b"}
    assert (headers["ACCEPT"], len(headers)) == ("a, c", 2)
    assert repr(headers) == "Headers(Accept, X, accept)"


def test_refusals_are_logged_without_secrets(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """The log tells a developer what was refused and why, and no secret."""
    caplog.set_level(logging.INFO, logger="authlib_kucoin.sandbox")
    code = broker.new_code()
    broker.wire.ask("GET", broker.token_target(code, "https://shop.example/other"))

    assert "token refused: redirect_uri is not, byte for byte" in caplog.text
    assert code not in caplog.text
    assert "code=***" in caplog.text


def test_many_callers_at_once(broker: Broker) -> None:
    """Fifty connections refresh one pair at the same time: one gets the new pair."""
    refresh_token = broker.new_tokens()["refresh_token"]

    def refresh(_: int) -> str:
        with Wire(broker.sandbox) as wire:
            answer = Broker(broker.sandbox, wire).refresh(refresh_token).json
        return str(answer.get("code", "won"))

    with ThreadPoolExecutor(50) as pool:
        outcomes = sorted(pool.map(refresh, range(50)))

    assert outcomes == ["sandbox.refresh_token_used"] * 49 + ["won"]


def test_stopping_is_prompt_and_leaves_no_thread(new_broker: Callable[..., Broker]) -> None:
    """Idle keep-alive connections end at once, and every thread has ended; twice does no harm."""
    broker = new_broker()
    broker.wire.ask("GET", "/nowhere")
    with Wire(broker.sandbox) as unused:
        # Not accepted yet, it would be reset instead.
        wait_until(lambda: broker.sandbox.connections == 2)
        start = time.monotonic()
        broker.sandbox.stop()
        assert time.monotonic() - start < 2
        assert broker.wire.is_closed()
        assert unused.is_closed()
    assert not [each for each in threading.enumerate() if each.name.startswith("kucoin-sandbox")]
    broker.sandbox.stop()


def test_sandbox_that_never_started_can_be_stopped() -> None:
    """A sandbox that only bound its port gives it back."""
    sandbox = Sandbox(options=SandboxOptions())
    sandbox.stop()
    assert repr(sandbox) == f"<Sandbox {sandbox.url}>"
    with Sandbox(int(sandbox.url.rpartition(":")[2])) as again:
        assert again.url == sandbox.url


def test_port_in_use_is_an_error() -> None:
    """A second sandbox on the same port raises, and leaves the first alone."""
    with run_sandbox() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), run_sandbox(port):
            pass  # pragma: no cover - it cannot start


def test_listening_everywhere_is_reached_by_loopback() -> None:
    """The URL of a sandbox on 0.0.0.0 can be connected to."""
    with run_sandbox(host="0.0.0.0") as sandbox, Wire(sandbox) as wire:
        assert sandbox.url.startswith("http://127.0.0.1:")
        assert wire.ask("GET", "/nowhere").status == 404


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for localhost and its key, made by openssl."""
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_https(certificate: tuple[str, str]) -> None:
    """With a certificate it serves https, plays the user over it, and stops as promptly."""
    context = ssl.create_default_context(cafile=certificate[0])
    with run_sandbox(tls=certificate) as sandbox, Wire(sandbox) as plain:
        assert sandbox.url.startswith("https://127.0.0.1:")
        callback = sandbox.approve(Broker(sandbox, plain).login_url())
        assert callback.fields["state"] == "123"
        port = int(sandbox.url.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname="localhost") as secure,
        ):
            secure.sendall(b"GET /nowhere HTTP/1.1\r\n\r\n")
            assert secure.recv(100).startswith(b"HTTP/1.1 404 ")
            sandbox.stop()
            assert secure.recv(1_000_000) is not None


def test_plain_http_to_https_port(certificate: tuple[str, str]) -> None:
    """A client without TLS is turned away, and the next one is served."""
    with run_sandbox(tls=certificate) as sandbox:
        with Wire(sandbox) as plain:
            plain.send(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(OSError, match="reset"):
                plain.receive()
        with Wire(sandbox) as plain:
            assert sandbox.approve(Broker(sandbox, plain).login_url())

"""The sockets, the paths and the journal: how requests are read, counted and remembered."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from authlib_kucoin.sandbox import Headers, Sandbox, SandboxOptions, _advice, run_sandbox
from authlib_kucoin.sandbox._http import Response
from tests.sandbox.broker import ADD_KEY, ADD_KEY_2, FORM, KEY_INFO, Broker, Wire
from tests.support.certificates import self_signed
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def raw(broker: Broker, request: str) -> tuple[int, str]:
    """Send bytes; return status and error code of the answer, which must end the connection."""
    broker.wire.send(request.encode("latin-1"))
    answer = broker.wire.receive()
    assert answer.headers["connection"] == "close"
    assert broker.wire.is_closed()
    return answer.status, answer.json["code"]


def test_connection_is_kept_alive_and_counted(broker: Broker) -> None:
    """All requests of one connection have its number; the next connection has the next number."""
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
    "request_text",
    [
        "",
        "GET / HTTP/1.1\r\nHost: localhost\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nx",
    ],
)
def test_half_a_request_is_not_answered(broker: Broker, request_text: str) -> None:
    """If a client ends its side before the end of a request, the sandbox gives no answer."""
    broker.wire.send(request_text.encode())
    broker.wire.send_the_end()
    assert broker.wire.is_closed()
    assert not broker.sandbox.requests


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
        ("GET / HTTP/1.1\r\n" + "A: b\r\n" * 50_000, 431),
    ],
)
def test_request_that_cannot_be_read(broker: Broker, request_text: str, status: int) -> None:
    """A malformed, too large or chunked request gets an error answer, and the connection ends."""
    assert raw(broker, request_text) == (status, "sandbox.bad_request")


def test_peer_that_resets_is_no_trouble(broker: Broker) -> None:
    """If clients reset their connections, the sandbox still serves others."""
    for _ in range(3):
        wire = Wire(broker.sandbox)
        wire.ask("GET", "/nowhere")
        wire._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.close()
    assert broker.wire.ask("GET", "/nowhere").status == 404


def test_target_is_seen_byte_for_byte(broker: Broker) -> None:
    """The journal has a target with double slash, byte beyond ASCII and escape as it was sent."""
    broker.wire.send(b"GET //oauth?a=\xff%2f HTTP/1.1\r\n\r\n")
    assert broker.wire.receive().status == 404
    assert broker.sandbox.requests[-1].target == "//oauth?a=\xff%2f"


def test_unknown_path_says_what_there_is(broker: Broker) -> None:
    """A wrong path of the Fast API gets a 404 that names known paths and the document sections."""
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
        (KEY_INFO, "GET", "document menu: Get Apikey Info"),
        (ADD_KEY_2, "POST", "Fast API 2.0, global site"),
        ("/api/v1/accounts", "GET", "KuCoin's REST documentation"),
    ],
)
def test_wrong_method(broker: Broker, path: str, allowed: str, section: str) -> None:
    """A wrong method gets a 405 whose header Allow names the right method.

    Except after HEAD, a text also says where the call is documented.
    """
    for method in {"GET", "POST", "PUT", "HEAD"} - {allowed}:
        answer = broker.wire.ask(method, path, "")
        assert (answer.status, answer.headers["allow"]) == (405, allowed)
        if method != "HEAD":
            assert answer.json["code"] == "sandbox.wrong_method"
            assert answer.json["msg"].endswith(f"{section})")
            assert ("document section" in answer.json["msg"]) == section[0].isdigit()


def test_journal_masks_secrets(broker: Broker) -> None:
    """No code, token, secret, passphrase, signature or cookie is in the journal."""
    code = broker.new_code()
    broker.wire.ask("GET", broker.token_target(code) + "&unknown=1&client_secret=s3cret")
    tokens = broker.wire.ask("GET", broker.token_target(code)).json
    key = broker.ask_key(tokens["access_token"]).json["data"]
    broker.is_valid(tokens["access_token"])
    broker.refresh(tokens["refresh_token"])
    json_body = f'{{"refresh_token": "{tokens["refresh_token"]}", "scope": "x"}}'
    broker.wire.ask("POST", "/_oauth/refresh-token", json_body)
    broker.wire.ask("GET", f"/_oauth/access-token?wrong={tokens['access_token']}")
    for scheme in ("", "bearer\t"):
        header = {"Authorization": f"{scheme}{tokens['access_token']} x"}
        broker.wire.ask("GET", KEY_INFO, None, header)
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
    recorded = repr([request.as_dict() for request in broker.sandbox.requests])

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


def test_journal_is_bounded_in_bytes(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """If requests take too many bytes, the journal forgets the oldest; a reset frees all bytes."""
    monkeypatch.setattr("authlib_kucoin.sandbox._journal._MAX_SIZE", 100_000)
    for number in range(5):
        broker.wire.ask("POST", f"/nowhere/{number}", "x" * 30_000)

    assert [request.path for request in broker.sandbox.requests] == [
        "/nowhere/2",
        "/nowhere/3",
        "/nowhere/4",
    ]
    assert broker.sandbox.totals == {"unknown": 5}
    broker.sandbox.reset()
    broker.wire.ask("POST", "/nowhere", "x" * 90_000)
    assert len(broker.sandbox.requests) == 1


def test_journal_is_bounded_and_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old records are dropped, and the totals still count them."""
    monkeypatch.setattr("authlib_kucoin.sandbox._journal._KEPT", 2)
    with run_sandbox() as sandbox, Wire(sandbox) as wire:
        for _ in range(3):
            Broker(sandbox, wire).refresh("x")
        wire.ask("GET", "/nowhere")

        assert [request.operation for request in sandbox.requests] == ["refresh", "unknown"]
        assert sandbox.totals == {"refresh": 3, "unknown": 1}


def test_answered_request_is_in_the_journal(broker: Broker) -> None:
    """A request is in the journal, with its status, before its answer arrives."""
    for _ in range(50):
        broker.sandbox.reset()
        assert broker.refresh("x").status == 200
        (record,) = broker.sandbox.requests
        assert (record.operation, record.method, record.status) == ("refresh", "POST", 200)
        assert record.target == "/_oauth/refresh-token"
        assert record.headers["content-type"] == FORM


def test_answers_are_dated(broker: Broker) -> None:
    """Each answer has the date, with which clients compare their clock."""
    date = parsedate_to_datetime(broker.wire.ask("GET", "/nowhere").headers["date"])
    assert abs(date.timestamp() - time.time()) < 10


def test_headers_are_a_mapping() -> None:
    """Names match in any case, a repeated header is joined, and the repr has no values."""
    headers = Headers((("Accept", "a"), ("X", "b"), ("accept", "c")))

    assert dict(headers) == {"accept": "a, c", "x": "b"}
    assert (headers["ACCEPT"], len(headers)) == ("a, c", 2)
    assert repr(headers) == "Headers(Accept, X, accept)"


def test_refusals_are_logged_without_secrets(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what was refused and why, without secrets."""
    caplog.set_level(logging.INFO, logger="authlib_kucoin.sandbox")
    code = broker.new_code()
    broker.wire.ask("GET", broker.token_target(code, "https://shop.example/other"))

    assert "token refused: redirect_uri is not, byte for byte" in caplog.text
    assert code not in unquote(caplog.text)
    assert "code=***" in caplog.text


def test_many_callers_at_once(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """If fifty connections use one refresh token at once, one gets new tokens; the others fail."""
    refresh_token = broker.new_tokens()["refresh_token"]

    def slow_clock() -> float:
        time.sleep(0.02)  # long enough for others to come between the check and the change
        return time.time()

    monkeypatch.setattr(broker.sandbox._state.clock, "now", slow_clock)

    def refresh(_: int) -> str:
        with Wire(broker.sandbox) as wire:
            answer = Broker(broker.sandbox, wire).refresh(refresh_token).json
        return str(answer.get("code", "won"))

    with ThreadPoolExecutor(50) as pool:
        outcomes = sorted(pool.map(refresh, range(50)))

    assert outcomes == ["sandbox.refresh_token_used"] * 49 + ["won"]


def test_stopping_is_prompt_and_leaves_no_thread(new_broker: Callable[..., Broker]) -> None:
    """`stop` ends idle connections at once, and leaves no thread; it can be called twice."""
    broker = new_broker()
    broker.wire.ask("GET", "/nowhere")
    with Wire(broker.sandbox) as unused:
        # Stopping would reset a connection that is not accepted yet.
        wait_until(lambda: broker.sandbox.connections == 2)
        start = time.monotonic()
        broker.sandbox.stop()
        assert time.monotonic() - start < 2
        assert broker.wire.is_closed()
        assert unused.is_closed()
    assert not [each for each in threading.enumerate() if each.name.startswith("kucoin-sandbox")]
    broker.sandbox.stop()


def test_stopping_waits_for_the_requests(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stop` returns only after each request that the sandbox is answering."""
    begun, done = threading.Event(), threading.Event()

    def answer(_request: object) -> Response:
        begun.set()
        time.sleep(0.2)
        done.set()
        return Response(404)

    monkeypatch.setattr(broker.sandbox._server, "_answer", answer)
    broker.wire.send(b"GET / HTTP/1.1\r\n\r\n")
    assert begun.wait(10)
    broker.sandbox.stop()
    assert done.is_set()


def test_sandbox_that_never_started_can_be_stopped() -> None:
    """`stop` frees the port of a sandbox that was never started."""
    sandbox = Sandbox(options=SandboxOptions())
    sandbox.stop()
    assert repr(sandbox) == f"<Sandbox {sandbox.url}>"
    with Sandbox(int(sandbox.url.rpartition(":")[2])) as again:
        assert again.url == sandbox.url


def test_port_in_use_is_an_error() -> None:
    """A second sandbox on the same port raises OSError, and says that the port is in use."""
    with run_sandbox() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), run_sandbox(port):
            pass  # pragma: no cover - it cannot start


def test_listening_everywhere_is_reached_by_loopback() -> None:
    """The URL of a sandbox on 0.0.0.0 has the loopback address."""
    with run_sandbox(host="0.0.0.0") as sandbox, Wire(sandbox) as wire:
        assert sandbox.url.startswith("http://127.0.0.1:")
        assert wire.ask("GET", "/nowhere").status == 404


def test_listening_on_ipv6() -> None:
    """The URL has an IPv6 address in brackets, and ::1 counts as registered."""
    with run_sandbox(host="::1") as sandbox, Wire(sandbox, "::1") as wire:
        assert sandbox.url == f"http://[::1]:{sandbox.port}"
        assert Broker(sandbox, wire).new_tokens()["access_token"]


def test_listening_everywhere_on_ipv6() -> None:
    """On :: clients of IPv4 and IPv6 can connect, and IPv4 addresses have their usual form."""
    with (
        run_sandbox(host="::", allowed_ips=["127.0.0.1"]) as sandbox,
        socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as plain,
        Wire(sandbox, "::1") as wire,
    ):
        assert sandbox.url == f"http://[::1]:{sandbox.port}"
        refused = wire.ask("GET", "/_oauth/access-token").json
        assert "the address ::1 is not registered" in refused["msg"]
        plain.sendall(b"GET /api/v1/my-ip HTTP/1.1\r\n\r\n")
        assert b'"data": "127.0.0.1"' in plain.recv(1000)


def test_waits_while_there_is_no_thread(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the system gives no thread, a connection waits; then it is served."""
    original = threading.Thread.start
    failures = iter(range(3))

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("kucoin-sandbox-") and next(failures, None) is not None:
            raise RuntimeError("can't start new thread")
        original(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with Wire(broker.sandbox) as wire:
        assert wire.ask("GET", "/nowhere").status == 404
    assert next(failures, None) is None


def test_stops_while_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """`stop` returns and closes the connection, even while the system gives no thread."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with run_sandbox() as sandbox:
        monkeypatch.setattr(threading.Thread, "start", start)
        with Wire(sandbox) as wire:
            wait_until(lambda: sandbox.connections == 1)
            begin = time.monotonic()
            sandbox.stop()
            assert time.monotonic() - begin < 5
            assert wire.is_closed()


def test_waits_while_there_is_no_descriptor(tmp_path: Path) -> None:
    """With no file descriptor left the sandbox waits, using little CPU, until it can accept."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import resource, socket, time
            from authlib_kucoin.sandbox import run_sandbox

            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            with run_sandbox() as sandbox:
                taken = []
                try:
                    while True:
                        taken.append(socket.socket())
                except OSError:
                    client = taken.pop()
                client.connect(("127.0.0.1", sandbox.port))  # waits to be accepted: EMFILE
                client.sendall(b"GET /nowhere HTTP/1.1\\r\\n\\r\\n")
                before = time.process_time()
                time.sleep(0.5)
                spent = time.process_time() - before
                for each in taken[:4]:
                    each.close()
                client.settimeout(10)
                print(client.recv(12), spent < 0.1)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "b'HTTP/1.1 404' True\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for localhost and its key, made by openssl."""
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_https(certificate: tuple[str, str]) -> None:
    """With a certificate the sandbox serves https, and `stop` ends an idle connection."""
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
            while secure.recv(1_000_000):  # the rest of the answer, then the end
                pass


def test_plain_http_to_https_port(certificate: tuple[str, str]) -> None:
    """The sandbox resets the connection of a client without TLS, and can still be used."""
    with run_sandbox(tls=certificate) as sandbox:
        with Wire(sandbox) as plain:
            plain.send(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(OSError, match="reset"):
                plain.receive()
        with Wire(sandbox) as plain:
            assert sandbox.approve(Broker(sandbox, plain).login_url())


def test_https_with_a_certificate_of_its_own() -> None:
    """``tls="self-signed"`` makes a certificate that clients can verify, and removes it."""
    with run_sandbox(tls="self-signed") as sandbox:
        assert sandbox.certificate
        context = ssl.create_default_context(cafile=sandbox.certificate)
        for name in ("localhost", "127.0.0.1"):
            with (
                socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection,
                context.wrap_socket(connection, server_hostname=name) as secure,
            ):
                secure.sendall(b"GET /nowhere HTTP/1.1\r\n\r\n")
                assert secure.recv(100).startswith(b"HTTP/1.1 404 ")
    assert not Path(sandbox.certificate).exists()


def test_certificate_to_trust(certificate: tuple[str, str], broker: Broker) -> None:
    """The file to trust is the given certificate; without TLS there is none."""
    with run_sandbox(tls=certificate) as sandbox:
        assert sandbox.certificate == certificate[0]
    assert broker.sandbox.certificate is None


def test_every_refusal_has_advice() -> None:
    """`ADVICE` has advice for each code with which a `Refusal` is made, and for no other code."""
    folder = Path(_advice.__file__).parent
    sources = "".join(path.read_text() for path in folder.glob("*.py"))
    codes = set(re.findall(r'(?<!Gateway)Refusal\(\s*"(\w+)"', sources))
    codes |= {f"wrong_{name}" for name in re.findall(r'equal\(\w+, "(\w+)"', sources)}

    assert codes == set(_advice.ADVICE)

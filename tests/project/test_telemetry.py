"""The recipes of docs/telemetry.md keep secrets out of what libraries and servers record.

Most tests first show that the library or server records the secret without the recipe. Otherwise
they could pass because nothing was recorded.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import flask
import httpx2
import pytest
import requests
import sentry_sdk
from authlib.integrations.flask_client import OAuth
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from authlib_kucoin import (
    AsyncKuCoinOAuth2Client,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    KuCoinUnavailable,
    register_kucoin,
)
from authlib_kucoin.sandbox import Sandbox, SandboxKeywords
from authlib_kucoin.telemetry import RedactingFilter, redact, span_exporter
from tests.support.ports import free_port, wait_for_port

ROOT = Path(__file__).parents[2]
REDIRECT_URI = "https://broker.example.com/callback"
SECRET = "made-up-client-secret"

pytestmark = pytest.mark.shows_secrets("to see that the library does record them")


@pytest.fixture
def kucoin_sandbox_options() -> SandboxKeywords:
    """Require a client secret, which appears in the query next to the code."""
    return {"client_secret": SECRET}


def exchange(client: type[Any], sandbox: Sandbox) -> str:
    """Exchange a code at the sandbox, and return the code."""
    options = {"site": sandbox.url, "redirect_uri": REDIRECT_URI}
    made = client(sandbox.client_id, SECRET, **options)
    url, _ = made.create_authorization_url()
    code: str = sandbox.approve(url).fields["code"]
    if client is AsyncKuCoinOAuth2Client:

        async def fetch() -> None:
            async with made:
                await made.fetch_token(code=code)

        asyncio.run(fetch())
    else:
        with made:
            made.fetch_token(code=code)
    return code


def held(code: str, recorded: object) -> set[str]:
    """Return which of the two secrets, "code" and "secret", are in what was recorded."""
    text = json.dumps(recorded, default=repr)
    spellings = {"code": {code, quote(code, safe="")}, "secret": {SECRET}}
    return {name for name, found in spellings.items() if any(one in text for one in found)}


class Recorder(Transport):
    """A Sentry transport that stores the events, and sends none."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent += [item.payload.json for item in envelope.items]


@pytest.fixture
def sentry() -> Iterator[Callable[..., Recorder]]:
    """Return a function that starts Sentry with given options, and returns the recorder."""

    def start(**options: Any) -> Recorder:
        recorder = Recorder()
        sentry_sdk.init(
            "https://public@sentry.example.com/1",
            transport=recorder,
            traces_sample_rate=1.0,
            auto_session_tracking=False,
            **options,
        )
        return recorder

    yield start
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    sentry_sdk.get_isolation_scope().clear()  # it holds this test's breadcrumbs


HOOKS = dict.fromkeys(("before_breadcrumb", "before_send", "before_send_transaction"), redact)


@pytest.mark.parametrize(
    ("client", "hooks", "found"),
    [
        (KuCoinOAuth2Session, {}, {"code", "secret"}),
        (KuCoinOAuth2Session, HOOKS, set()),
        (KuCoinOAuth2Client, {}, set()),
        (AsyncKuCoinOAuth2Client, {}, set()),
    ],
)
def test_sentry(
    sentry: Callable[..., Recorder],
    kucoin_sandbox: Sandbox,
    client: type[Any],
    hooks: dict[str, Any],
    found: set[str],
) -> None:
    """Sentry records code and secret of a call by requests, unless `redact` masks them.

    The clients over httpx2, without a proxy or a custom transport, keep the query out of the
    request's URL, so Sentry records no secret.
    """
    recorder = sentry(**hooks)
    with sentry_sdk.start_transaction(name="callback"):
        code = exchange(client, kucoin_sandbox)
        sentry_sdk.capture_message("later")
    kinds = {item.get("type", "event") for item in recorder.sent}
    assert kinds == {"event", "transaction"}
    assert held(code, recorder.sent) == found


@pytest.mark.parametrize(("hooks", "found"), [({}, {"code", "secret"}), (HOOKS, set())])
def test_sentry_of_a_callback_that_fails(
    sentry: Callable[..., Recorder],
    kucoin_sandbox: Sandbox,
    hooks: dict[str, Any],
    found: set[str],
) -> None:
    """Sentry records secrets of a callback that fails, also from variables; the hooks mask them."""
    recorder = sentry(**hooks)
    app = flask.Flask("tested")
    app.config.update(
        SECRET_KEY="made-up",
        KUCOIN_CLIENT_ID=kucoin_sandbox.client_id,
        KUCOIN_CLIENT_SECRET=SECRET,
        KUCOIN_SITE=kucoin_sandbox.url,
    )
    kucoin = register_kucoin(OAuth(app))
    tokens = []

    @app.get("/callback")
    def callback() -> str:
        pair = kucoin.authorize_access_token()
        tokens.append(dict(pair))
        raise ZeroDivisionError

    with app.test_request_context():
        login = kucoin.create_authorization_url("https://localhost/callback")
    browser = app.test_client()
    with browser.session_transaction() as session, app.test_request_context():
        kucoin.save_authorize_data(redirect_uri="https://localhost/callback", **login)
        session.update(flask.session)
    back = kucoin_sandbox.approve(login["url"])
    assert browser.get(back).status_code == 500
    (event,) = (item for item in recorder.sent if "exception" in item)
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert any("pair" in frame.get("vars", {}) for frame in frames)
    assert held(back.fields["code"], recorder.sent) == found
    text = json.dumps(recorder.sent, default=repr)
    for name in ("access_token", "refresh_token"):
        assert (tokens[0][name] in text) is not bool(hooks)


class Spans:
    """The exported spans, as JSON."""

    def __init__(self, *, redacting: bool) -> None:
        self._kept = InMemorySpanExporter()
        self._exporter = span_exporter(self._kept) if redacting else self._kept
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def exported(self) -> list[str]:
        """Shut the provider down, as at the end of a program, and return the exported spans."""
        assert self._exporter.force_flush()
        self.provider.shutdown()
        return [span.to_json() for span in self._kept.get_finished_spans()]


@pytest.mark.parametrize(
    ("instrumentor", "client"),
    [
        (URLLib3Instrumentor, KuCoinOAuth2Session),
        (HTTPX2ClientInstrumentor, KuCoinOAuth2Client),
        (HTTPX2ClientInstrumentor, AsyncKuCoinOAuth2Client),
    ],
)
def test_opentelemetry(
    kucoin_sandbox: Sandbox,
    instrumentor: type[Any],
    client: type[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With each library's instrumentation, the exporter masks the span of the token call."""
    # Without a proxy, the httpx2 clients pass the query apart from the URL: nothing to mask.
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    for redacting, found in [(False, {"code", "secret"}), (True, set())]:
        spans = Spans(redacting=redacting)
        instrumentation = instrumentor()
        instrumentation.instrument(tracer_provider=spans.provider)
        try:
            code = exchange(client, kucoin_sandbox)
        finally:
            instrumentation.uninstrument()
        (span,) = spans.exported()
        assert "/_oauth/access-token" in span
        assert held(code, span) == found


def test_opentelemetry_of_a_failing_call() -> None:
    """The exporter masks the status of a span that an exception ended: its text holds the URL."""
    for redacting, found in [(False, {"code", "secret"}), (True, set())]:
        spans = Spans(redacting=redacting)
        instrumentation = URLLib3Instrumentor()
        instrumentation.instrument(tracer_provider=spans.provider)
        client = KuCoinOAuth2Session(
            "c", SECRET, site=f"http://127.0.0.1:{free_port()}", redirect_uri=REDIRECT_URI
        )
        try:
            with client, pytest.raises(KuCoinUnavailable):
                client.fetch_token(code="a-made-up-code")
        finally:
            instrumentation.uninstrument()
        assert held("a-made-up-code", spans.exported()) == found


def test_opentelemetry_of_requests(kucoin_sandbox: Sandbox) -> None:
    """The exporter masks spans of the app's own requests; the package's calls make no such span."""
    for redacting, found in [(False, {"code"}), (True, set())]:
        spans = Spans(redacting=redacting)
        instrumentation = RequestsInstrumentor()
        instrumentation.instrument(tracer_provider=spans.provider)
        try:
            code = exchange(KuCoinOAuth2Session, kucoin_sandbox)
            requests.get(kucoin_sandbox.url, params={"code": code}, timeout=10)
        finally:
            instrumentation.uninstrument()
        assert held(code, spans.exported()) == found


def test_opentelemetry_by_urllib3s_own_filter(kucoin_sandbox: Sandbox) -> None:
    """Where the exporter cannot be replaced, ``url_filter=redact`` works for urllib3."""
    spans = Spans(redacting=False)
    instrumentation = URLLib3Instrumentor()
    instrumentation.instrument(tracer_provider=spans.provider, url_filter=redact)
    try:
        code = exchange(KuCoinOAuth2Session, kucoin_sandbox)
    finally:
        instrumentation.uninstrument()
    assert "/_oauth/access-token" in spans.exported()[0]
    assert held(code, spans.exported()) == set()


def test_opentelemetry_of_the_callback() -> None:
    """The server's span has the callback's query; the wrapped exporter masks the code in it."""
    for redacting, found in [(False, {"code"}), (True, set())]:
        spans = Spans(redacting=redacting)
        app = flask.Flask("tested")
        app.add_url_rule("/callback", view_func=lambda: "", endpoint="callback")
        FlaskInstrumentor().instrument_app(app, tracer_provider=spans.provider)
        app.test_client().get("/callback?code=a-made-up-code&state=s")
        assert held("a-made-up-code", spans.exported()) == found


@pytest.mark.parametrize(
    ("msg", "args"),
    [
        ("%s %s", ("GET /callback?code=a-made-up-code&state=s HTTP/1.1", 303)),
        ("%(r)s", ({"r": "GET /callback?state=s&code=a-made-up-code HTTP/1.1"},)),
        ("GET /callback?code=a-made-up-code HTTP/1.1", ()),
        ("GET /callback?code=%s&state=%s HTTP/1.1", ("a-made-up-code", "s")),
        ("GET %s HTTP/1.1", (httpx2.URL("http://localhost/callback?code=a-made-up-code"),)),
        ("GET /login?next=%2Fcallback%3Fstate%3Ds%26code%3Da-made-up-code HTTP/1.1", ()),
        ("GET /login?next=%252Fcallback%253Fcode%253Da-made-up-code HTTP/1.1", ()),
    ],
)
def test_access_logs(msg: str, args: tuple[Any, ...], caplog: pytest.LogCaptureFixture) -> None:
    """The filter masks the code in the message, in an argument, and between both."""
    logger = logging.getLogger("uvicorn.access")
    redacting = RedactingFilter()
    logger.addFilter(redacting)
    try:
        logger.warning(msg, *args)
    finally:
        logger.removeFilter(redacting)
    assert "code=***" in caplog.text.replace("%253D", "=").replace("%3D", "=")
    assert "a-made-up-code" not in caplog.text


def test_record_without_a_text() -> None:
    """The filter raises nothing for a record with a wrong number of arguments."""
    record = logging.LogRecord("any", logging.INFO, "", 1, "%s %s", ("code=a-made-up-code",), None)
    assert RedactingFilter().filter(record)
    assert record.args == ("code=***",)


def test_record_with_named_arguments() -> None:
    """The filter masks arguments that the message takes by name, and keeps them."""
    named = ({"r": "code=a-made-up-code"},)
    record = logging.LogRecord("any", logging.INFO, "", 1, "%(r)s", named, None)
    assert RedactingFilter().filter(record)
    assert record.args == {"r": "code=***"}


def test_record_with_a_mapping_as_its_message() -> None:
    """The filter masks a field of a mapping that is logged as the message."""
    record = logging.LogRecord("any", logging.INFO, "", 1, {"access_token": "made-up"}, (), None)
    assert RedactingFilter().filter(record)
    assert record.msg == {"access_token": "***"}


WEB_APP = """
import logging, sys
from flask import Flask
app = Flask("web")
app.add_url_rule("/callback", view_func=lambda: "", endpoint="callback")
"""
ASGI_APP = """
import logging
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
app = Starlette(routes=[Route("/callback", lambda request: Response())])
"""
DJANGO_APP = """
import logging, sys
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path
settings.configure(SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"])
urlpatterns = [path("callback", lambda request: HttpResponse())]
{filter}
if __name__ == "__main__":
    execute_from_command_line(sys.argv)
"""
SERVERS = {
    "flask": (WEB_APP, "-m flask --app web run --port {port}"),
    "gunicorn": (WEB_APP, "-m gunicorn --access-logfile - --bind 127.0.0.1:{port} web:app"),
    "uvicorn": (ASGI_APP, "-m uvicorn --port {port} web:app"),
    "django": (DJANGO_APP, "web.py runserver --noreload 127.0.0.1:{port}"),
}


def served_log(folder: Path, command: list[str], port: int) -> str:
    """Run a server, open its callback, and return what it printed."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            wait_for_port(port, server)
            url = f"http://127.0.0.1:{port}/callback?code=a-made-up-code&state=s"
            requests.get(url, timeout=10)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)
    return (folder / "log").read_text()


@pytest.mark.parametrize("name", SERVERS)
def test_the_servers_logs(name: str, tmp_path: Path) -> None:
    """With the lines of the page, the access log of each real server does not hold the code."""
    page = (ROOT / "docs" / "telemetry.md").read_text()
    recipe = re.findall(r"```python\n(import logging\n.*?)```", page, re.DOTALL)[0]
    source, command = SERVERS[name]
    for redacting in (False, True):
        lines = recipe if redacting else ""
        text = source.replace("{filter}", lines) if "{filter}" in source else source + lines
        (tmp_path / "web.py").write_text(text)
        port = free_port()
        arguments = command.format(port=port).split()
        log = served_log(tmp_path, [sys.executable, *arguments], port)
        assert "/callback?code=" in log
        assert "Logging error" not in log
        assert ("a-made-up-code" in log) is not redacting


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx: apt-get install nginx-light")
def test_nginxs_logs(tmp_path: Path) -> None:
    """If no app answers, nginx's logs hold the code three times; with the page's block never."""
    page = (ROOT / "docs" / "telemetry.md").read_text()
    recipe = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)[0]
    default = "server { listen 127.0.0.1:8000; location / { proxy_pass http://127.0.0.1:5000; } }"
    for given, times in ((default, 3), (recipe, 0)):
        port, nobody = free_port(), free_port()
        block = given.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        block = block.replace("127.0.0.1:5000", f"127.0.0.1:{nobody}")
        temporary = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        for name in ("access.log", "error.log"):
            (tmp_path / name).write_text("")
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}"
            f"http {{ access_log {tmp_path}/access.log; {temporary} {block} }}"
        )
        served_log(
            tmp_path, ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], port
        )
        logs = (tmp_path / "access.log").read_text() + (tmp_path / "error.log").read_text()
        assert "/callback" in logs
        assert logs.count("a-made-up-code") == times


def test_what_is_left_whole() -> None:
    """`redact` does not change parameters and members without secrets, nor other values."""
    event = {
        "url": "https://other.example.com/?discount_code=x&page=2",
        "code": "404",
        "args": ("status code=404", 5, None, {1, 2}),
    }
    assert redact(event) == event

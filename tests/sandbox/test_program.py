"""The program ``python -m authlib_kucoin.sandbox``, the pytest fixture, and their imports."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from authlib_kucoin.sandbox.__main__ import main
from tests.sandbox.broker import Broker, Wire
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]


@pytest.fixture
def program_context() -> Iterator[None]:
    """Restore the signal handlers and the logging set-up that the program changes."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)
    root.handlers[:] = handlers
    root.setLevel(level)


def run_until(number: int, arguments: list[str]) -> int:
    """Run the program in this process, signal it once it serves, and return its exit status."""
    before = {number: signal.getsignal(number)}

    def stop_it() -> None:
        wait_until(
            lambda: (
                signal.getsignal(number) is not before[number]
                and any(each.name == "kucoin-sandbox" for each in threading.enumerate())
            )
        )
        os.kill(os.getpid(), number)

    stopper = threading.Thread(target=stop_it)
    stopper.start()
    try:
        return main(arguments)
    finally:
        stopper.join()


@pytest.mark.usefixtures("program_context")
@pytest.mark.parametrize(
    ("number", "flags"), [(signal.SIGINT, ["--client-secret", "s"]), (signal.SIGTERM, ["--quiet"])]
)
def test_program_says_how_to_use_it_and_stops(
    number: int, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The program prints URL, client id and how to use them; SIGINT and SIGTERM end it with 0."""
    assert run_until(number, ["--port", "0", *flags]) == 0

    said = capsys.readouterr().out
    assert re.search(r"site +http://127\.0\.0\.1:\d+\n", said)
    assert re.search(r"client id +sandbox-client\n", said)
    assert "register_kucoin(oauth, site='http://127.0.0.1:" in said
    assert "KUCOIN_SITE=http://127.0.0.1:" in said
    assert ("client secret" in said) == ("--client-secret" in flags)
    assert said.endswith("The sandbox has stopped.\n")


def test_program_says_when_the_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """A port in use gives exit code 2 and the reason."""
    with run_sandbox() as sandbox:
        port = sandbox.url.rpartition(":")[2]
        assert main(["--port", port]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"The sandbox cannot start: [Errno 98] cannot listen on port {port}")
    assert "in use, perhaps by another sandbox or another pytest-xdist worker" in said.err


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--port", "99999"], "a port is a number from 0 to 65535"),
        (["--client-id", ""], "client_id must not be empty"),
        (["--tls", "none.pem", "key.pem"], "start: none.pem and key.pem cannot be used"),
        (["--host", "203.0.113.1"], "cannot listen on port 0 of 203.0.113.1: "),
        (["--tls", "one.pem"], "--tls takes CERTIFICATE and KEY, or self-signed"),
    ],
)
def test_program_says_why_it_cannot_start(
    flags: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid option or an unusable address gives exit code 2 and the reason."""
    assert main(["--port", "0", *flags]) == 2
    assert reason in capsys.readouterr().err


def test_program_without_trustme(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without trustme, ``--tls self-signed`` is an error that says what to install."""
    monkeypatch.setitem(sys.modules, "trustme", None)

    assert main(["--port", "0", "--tls", "self-signed"]) == 2
    assert "pip install 'authlib-kucoin[sandbox]'" in capsys.readouterr().err


def test_program_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` prints one line and stops; a shortened flag is an error."""
    assert main(["--version"]) == 0
    assert re.fullmatch(r"kucoin-sandbox \d+\.\d+\S*\n", capsys.readouterr().out)
    with pytest.raises(SystemExit, match="2"):
        main(["--vers"])


@pytest.mark.usefixtures("program_context")
def test_program_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """Without TLS, ``--json`` prints only URL, client id, port and version, as JSON."""
    assert run_until(signal.SIGTERM, ["--port", "0", "--json", "--log", "none"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert said["url"] == f"http://127.0.0.1:{said['port']}"
    assert said["client_id"] == "sandbox-client"
    assert said.keys() == {"url", "client_id", "port", "version"}


@pytest.mark.usefixtures("program_context")
def test_program_with_a_certificate_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """``--tls self-signed`` serves https, prints the file to trust, and removes it at the end."""
    flags = ["--port", "0", "--tls", "self-signed", "--quiet"]
    assert run_until(signal.SIGTERM, flags) == 0
    assert re.search(
        r"certificate +/.*/ca.pem \(clients must trust this file\)", capsys.readouterr().out
    )
    assert run_until(signal.SIGTERM, [*flags, "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert said["url"].startswith("https://")
    assert Path(said["certificate"]).name == "ca.pem"
    assert not Path(said["certificate"]).exists()


@pytest.mark.usefixtures("program_context")
@pytest.mark.parametrize(("host", "open_to_all"), [("0.0.0.0", True), ("::1", False)])
def test_program_says_when_others_can_reach_it(
    host: str, open_to_all: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """On 0.0.0.0 the greeting says that others can connect, and how to list them; not on ::1."""
    assert run_until(signal.SIGTERM, ["--port", "0", "--host", host, "--quiet"]) == 0

    said = capsys.readouterr().out
    assert ("Other machines can reach this sandbox." in said) is open_to_all
    assert ("--allowed-ips" in said) is open_to_all
    assert ("http://[::1]:" in said) is (host == "::1")


@pytest.mark.usefixtures("program_context")
def test_program_logs_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--log json`` writes a JSON object for a request, with its secrets masked."""
    root = logging.getLogger()
    root.handlers[:] = []
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("authlib_kucoin.sandbox.__main__._as_json", _after_one_request)

    assert run_until(signal.SIGTERM, ["--port", "0", "--json", "--log", "json"]) == 0

    (line,) = [line for line in stream.getvalue().splitlines() if "/nowhere" in line]
    said = json.loads(line)
    assert (said["method"], said["target"], said["status"]) == ("GET", "/nowhere?code=***", 404)
    assert (said["operation"], said["level"]) == ("unknown", "info")
    assert datetime.fromisoformat(said["time"]).tzinfo


def _after_one_request(sandbox: Sandbox) -> str:
    with Wire(sandbox) as wire:
        wire.ask("GET", "/nowhere?code=s3cret")
    return "{}"


def test_program_as_a_process() -> None:
    """By ``-m`` the program serves, logs requests without secrets, and ends with 0 on SIGTERM."""
    with subprocess.Popen(
        [sys.executable, "-m", "authlib_kucoin.sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        line = next(line for line in process.stdout if "site" in line)

        class Reached:
            url = line.split()[1]
            client_id = "sandbox-client"

        with Wire(Reached) as wire:  # type: ignore[arg-type]
            target = Broker(Reached, wire).token_target("s3cret")  # type: ignore[arg-type]
            assert wire.ask("GET", target).json["code"] == "sandbox.code_unknown"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        said = process.stderr.read()
    assert "token refused: this authorization code was never issued" in said
    assert "s3cret" not in said


def test_fixture_gives_a_sandbox_per_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kucoin_sandbox` starts afresh for each test; its options can be overridden."""
    pytester.makepyfile(
        """
        import time
        import pytest

        @pytest.mark.parametrize("turn", [1, 2])
        def test_first(kucoin_sandbox, turn):
            assert kucoin_sandbox.client_id == "sandbox-client"
            assert kucoin_sandbox.now - time.time() < 60
            kucoin_sandbox.advance(3600)

        class TestMine:
            @pytest.fixture
            def kucoin_sandbox_options(self):
                return {"client_id": "mine", "redirect_uris": ["https://shop.example/"]}

            def test_second(self, kucoin_sandbox):
                assert kucoin_sandbox.client_id == "mine"
                assert kucoin_sandbox.options.redirect_uris == ("https://shop.example/",)
        """
    )
    # Loaded by name, so that the test passes even if the entry point is not installed.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = pytester.runpytest_inprocess("-p", "authlib_kucoin.pytest_plugin")
    result.assert_outcomes(passed=3)


def test_fixture_names_faults_that_never_struck(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queued fault that did not occur is a warning, and an error if warnings are errors."""
    pytester.makepyfile(
        """
        def test_first(kucoin_sandbox):
            kucoin_sandbox.fail_next("token", "500")
            kucoin_sandbox.fail_next("refresh_token", "lost", times=2)
        """
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    lax = pytester.runpytest_inprocess("-p", "authlib_kucoin.pytest_plugin", "-W", "default")
    strict = pytester.runpytest_inprocess("-p", "authlib_kucoin.pytest_plugin", "-W", "error")

    lax.assert_outcomes(passed=1, warnings=1)
    strict.assert_outcomes(passed=1, errors=1)
    for result in (lax, strict):
        result.stdout.fnmatch_lines("*queued faults that did not occur: token: 500, refresh: lost*")


def test_plugin_imports_next_to_nothing() -> None:
    """Loading the plugin imports no OAuth, web or HTTP library, and not the sandbox."""
    code = (
        "import sys, authlib_kucoin.pytest_plugin; "
        "heavy = {'authlib', 'flask', 'starlette', 'django', 'requests', 'httpx2', "
        "'authlib_kucoin.sandbox'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_sandbox_needs_only_the_standard_library() -> None:
    """Importing the sandbox loads only its modules, ``authlib_kucoin`` and the standard library."""
    code = (
        "import sys; before = set(sys.modules); import authlib_kucoin.sandbox; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = [
        name
        for name in done.stdout.split()
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not name.startswith("authlib_kucoin.sandbox")
    ]
    assert others == ["authlib_kucoin"]

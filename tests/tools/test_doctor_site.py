"""`doctor` checks the site's certificate and answer, and this machine's clock."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from authlib_kucoin._tools import doctor
from authlib_kucoin._tools.doctor.environment import tls_context
from authlib_kucoin._tools.doctor.findings import Finding
from authlib_kucoin._tools.doctor.site_checks import check_certificate
from authlib_kucoin._tools.doctor.subject import Settings, Subject
from authlib_kucoin.sandbox import Sandbox, SandboxKeywords, run_sandbox
from tests.support.wire import Wire

from .examined import RIGHT, examine

_LIBRARIES = ("requests", "httpx2")
_AUTHORITIES = {"requests": "REQUESTS_CA_BUNDLE", "httpx2": "SSL_CERT_FILE"}


@pytest.fixture(autouse=True)
def right_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with correct settings."""
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("library", _LIBRARIES)
class TestTls:
    """A site whose certificate is signed by an authority of its own."""

    @pytest.fixture
    def kucoin_sandbox_options(self) -> SandboxKeywords:
        """Let the sandbox make its own certificate authority, and serve https."""
        return {"tls": "self-signed"}

    def test_the_advice_makes_it_trusted(
        self,
        library: str,
        kucoin_sandbox: Sandbox,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The certificate becomes trusted when the variable from the advice is set."""
        arguments = ("--site", kucoin_sandbox.url, "--library", library)
        advice = examine(capsys, *arguments).wrong()
        assert set(advice) == {"certificate", "answer"}
        assert f"set {_AUTHORITIES[library]} to its file" in advice["certificate"]
        monkeypatch.setenv(_AUTHORITIES[library], str(kucoin_sandbox.certificate))
        mended = examine(capsys, *arguments)
        assert mended.wrong() == {}
        assert "trusted, valid for" in mended.of("right")["certificate"]

    def test_one_request_is_sent(
        self, library: str, kucoin_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The only request is a HEAD of the login page; offline, there is not even a connection."""
        monkeypatch.setenv(_AUTHORITIES[library], str(kucoin_sandbox.certificate))
        settings = Settings(site=kucoin_sandbox.url, library=library)
        doctor.examine(Subject(settings, offline=True))
        assert kucoin_sandbox.connections == 0
        doctor.examine(Subject(settings))
        assert [(each.method, each.path, each.query) for each in kucoin_sandbox.requests] == [
            ("HEAD", "/oauth", "")
        ]

    def test_only_the_clients_own_file_is_trusted(
        self, library: str, kucoin_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A path in `verify` replaces the usual authorities; httpx2 needs no urllib3 for that."""
        if library == "httpx2":
            monkeypatch.setitem(sys.modules, "urllib3.util.ssl_", None)
        context = tls_context(library, str(kucoin_sandbox.certificate))
        assert context.cert_store_stats()["x509"] == 1

    def test_an_expired_certificate(
        self, library: str, kucoin_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An expired certificate is a mistake; one that expires within days is a note."""
        monkeypatch.setenv(_AUTHORITIES[library], str(kucoin_sandbox.certificate))
        settings = Settings(site=kucoin_sandbox.url, library=library)

        def found(days: int) -> Finding:
            subject = Subject(settings, clock=lambda: time.time() + days * 86400)
            (finding,) = check_certificate(subject)
            return finding

        days = int(found(0).text.split()[-2])
        assert found(days - 3).level == "note"
        assert found(days + 3).level == "wrong"
        assert "Set this machine's clock" in found(days + 3).advice


@pytest.fixture
def wire() -> object:
    """A server that gives the answers that a test sets."""
    with Wire() as wire:
        wire.headers["Date"] = formatdate(usegmt=True)
        yield wire


def _answering(wire: Wire, status: int, **headers: str) -> None:
    wire.answer = lambda _seen: (status, "")
    wire.headers.update(headers)


@pytest.mark.parametrize("library", _LIBRARIES)
def test_the_clock(library: str, wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """A clock that is a minute ahead or behind is a mistake; the same time is right."""
    for seconds, says in ((-60, "(59|60) s ahead"), (60, "(59|60) s behind"), (0, "")):
        _answering(wire, 200, Date=formatdate(time.time() + seconds, usegmt=True))
        report = examine(capsys, "--site", wire.url, "--library", library)
        assert list(report.wrong()) == (["clock"] if says else [])
        assert re.search(says or "within 1 s of the site's", report.printed)


class Odd(NamedTuple):
    """An answer that is not a login page, the level of the finding, and words of its advice."""

    status: int
    level: str
    advice: str
    location: str = ""


@pytest.mark.parametrize(
    "odd",
    [
        Odd(404, "wrong", "Set KUCOIN_SITE to the base URL"),
        Odd(502, "wrong", "Try again later"),
        Odd(301, "wrong", "www.kucoin.example", "https://www.kucoin.example/oauth"),
        Odd(302, "note", "calls follow no redirect", "/en/oauth"),
        Odd(403, "note", "browser"),
    ],
)
def test_odd_answers(odd: Odd, wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer that is not a login page is a mistake or a note, with advice."""
    _answering(wire, odd.status, **({"Location": odd.location} if odd.location else {}))
    assert odd.advice in examine(capsys, "--site", wire.url).of(odd.level)["answer"]


def test_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """If no server listens, the check "answer" finds a mistake, and "clock" is skipped."""
    with Wire() as wire:
        gone = wire.url
    report = examine(capsys, "--site", gone)
    assert list(report.wrong()) == ["answer"]
    assert report.of("skipped")["clock"] == "the site gave no answer"


def test_no_date(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """If the answer has no header Date, the check of the clock is skipped."""
    del wire.headers["Date"]
    report = examine(capsys, "--site", wire.url)
    assert report.of("skipped")["clock"] == "the site's answer has no Date"


def test_no_site(capsys: pytest.CaptureFixture[str]) -> None:
    """If the site is unknown, only that is wrong; the checks that need the site are skipped."""
    report = examine(capsys, "--site", "glbal")
    assert list(report.wrong()) == ["site"]
    assert {"certificate", "answer", "clock", "proxy"} <= set(report.of("skipped"))


def test_through_an_open_proxy(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To a proxy without a password in its URL, doctor sends no Proxy-Authorization."""
    monkeypatch.setenv("ALL_PROXY", wire.url)
    wire.answer = lambda _seen: (502, "")
    assert "certificate" in examine(capsys, "--site", "https://kucoin.example.com").wrong()
    assert ["proxy-authorization" in seen.names() for seen in wire.seen] == [False, False]


def test_a_certificate_of_the_past(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An expired certificate is not trusted, and the advice is to set the clock."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    certificate = authority.issue_cert("127.0.0.1", not_after=yesterday)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
    with run_sandbox(tls=(str(folder / "cert.pem"), str(folder / "key.pem"))) as sandbox:
        wrong = examine(capsys, "--site", sandbox.url, "--library", "requests").wrong()
    assert "Set this machine's clock" in wrong["certificate"]


def test_through_socks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With a SOCKS proxy, the check of the certificate is skipped."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    report = examine(capsys, "--site", "https://kucoin.example.com")
    assert report.of("skipped")["certificate"] == "this check cannot use a socks5 proxy"
    assert "answer" in report.wrong()


def test_a_folder_of_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """REQUESTS_CA_BUNDLE can be a folder of authorities, with the names that OpenSSL expects."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    with run_sandbox(tls="self-signed") as sandbox:
        shutil.copy(str(sandbox.certificate), tmp_path)
        subprocess.run([*("openssl", "rehash"), tmp_path], check=True)
        assert examine(capsys, "--site", sandbox.url, "--library", "requests").wrong() == {}


def test_through_a_proxy(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Connections go through the proxy in HTTPS_PROXY, which gets its URL's password, decoded."""
    monkeypatch.setenv("HTTPS_PROXY", wire.url.replace("//", "//me:pa%40ss@"))
    wire.answer = lambda _seen: (502, "")
    report = examine(capsys, "--site", "https://kucoin.example.com")
    both = [(seen.line[:7], seen.target) for seen in wire.seen]  # of two checks
    assert both == [("CONNECT", "kucoin.example.com:443")] * 2
    assert {seen.header("proxy-authorization") for seen in wire.seen} == {"Basic bWU6cGFAc3M="}
    assert {"certificate", "answer"} <= set(report.wrong())

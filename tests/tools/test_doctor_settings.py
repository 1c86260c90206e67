"""`doctor` finds mistakes in settings and environment; following its advice fixes them."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from authlib_kucoin.__main__ import main

from .examined import RIGHT, examine

_PROXY = "http://proxy.example.com:3128"


class Mistake(NamedTuple):
    """A mistake in the settings, and its fix.

    Attributes:
        check: The check that finds it.
        planted: The variables that cause it, set beside correct ones; None removes a variable.
        mended: The variables that fix it; None removes a variable. The advice names each of them,
            or its flag.
        also: Other words that the advice contains.
    """

    check: str
    planted: Mapping[str, str | None]
    mended: Mapping[str, str | None]
    also: str = ""


_SITE, _ID, _SECRET, _URI, _KEYS = (
    f"KUCOIN_{end}" for end in ("SITE", "CLIENT_ID", "CLIENT_SECRET", "REDIRECT_URI", "VAULT_KEYS")
)
MISTAKES = {
    "no site": Mistake("site", {_SITE: None}, {_SITE: "global"}, "global, eu, australia"),
    "misspelt site": Mistake("site", {_SITE: "europe"}, {_SITE: "eu"}),
    "login page as site": Mistake(
        "site",
        {_SITE: "https://www.kucoin.com/oauth"},
        {_SITE: "https://www.kucoin.com"},
    ),
    "clear text": Mistake(
        "site", {_SITE: "http://www.kucoin.com"}, {_SITE: "https://www.kucoin.com"}
    ),
    "unknown version": Mistake(
        "site", {"KUCOIN_FAST_API": "3"}, {"KUCOIN_FAST_API": "1"}, "1 or 2"
    ),
    "no client id": Mistake("client id", {_ID: None}, {_ID: RIGHT[_ID]}),
    "line break": Mistake("client id", {_ID: f"{RIGHT[_ID]}\n"}, {_ID: RIGHT[_ID]}, "line breaks"),
    "quotation marks": Mistake("client id", {_ID: f'"{RIGHT[_ID]}"'}, {_ID: RIGHT[_ID]}),
    "blank within": Mistake("client id", {_ID: "6422da 9c97"}, {_ID: "6422da9c97"}, "blank"),
    "placeholder": Mistake("client id", {_ID: "<your-client-id>"}, {_ID: RIGHT[_ID]}),
    "the sandbox's id": Mistake("client id", {_ID: "sandbox-client"}, {_ID: RIGHT[_ID]}),
    "masked secret": Mistake("client secret", {_SECRET: "********"}, {_SECRET: "4f9a2b7c8d"}),
    "id as secret": Mistake("client secret", {_SECRET: RIGHT[_ID]}, {_SECRET: None}),
    "no redirect URI": Mistake("redirect URI", {_URI: None}, {_URI: RIGHT[_URI]}),
    "http callback": Mistake(
        "redirect URI",
        {_URI: RIGHT[_URI].replace("https", "http")},
        {_URI: RIGHT[_URI]},
        "https://HOST/PATH",
    ),
    "ampersand": Mistake("redirect URI", {_URI: f"{RIGHT[_URI]}?a=1&b=2"}, {_URI: RIGHT[_URI]}),
    "loopback callback": Mistake(
        "redirect URI", {_URI: "http://localhost:5000/callback"}, {_URI: RIGHT[_URI]}, "public"
    ),
    "private callback": Mistake(
        "redirect URI", {_URI: "https://10.0.0.7/callback"}, {_URI: RIGHT[_URI]}, "public"
    ),
    "impatient server": Mistake(
        "time-outs",
        {"GUNICORN_CMD_ARGS": "--timeout 30"},
        {"GUNICORN_CMD_ARGS": "--timeout 70"},
        "--timeout 70",
    ),
    "no Fernet key": Mistake("vault keys", {_KEYS: "c2hvcnQ="}, {_KEYS: RIGHT[_KEYS]}),
    "no base64": Mistake("vault keys", {_KEYS: "not a key!"}, {_KEYS: RIGHT[_KEYS]}),
    "same key twice": Mistake(
        "vault keys", {_KEYS: f"{RIGHT[_KEYS]},{RIGHT[_KEYS]}"}, {_KEYS: RIGHT[_KEYS]}
    ),
    "zeros as key": Mistake("vault keys", {_KEYS: f"{'A' * 43}="}, {_KEYS: RIGHT[_KEYS]}),
    "proxy for http alone": Mistake("proxy", {"HTTP_PROXY": _PROXY}, {"HTTPS_PROXY": _PROXY}),
    "two ways out": Mistake(
        "proxy",
        {"HTTPS_PROXY": _PROXY, "NO_PROXY": "api.kucoin.com"},
        {"NO_PROXY": None},
        "api.kucoin.com",
    ),
    "proxy without a port": Mistake(
        "proxy", {"HTTPS_PROXY": "proxy.example.com"}, {"HTTPS_PROXY": _PROXY}, "http://HOST:PORT"
    ),
    "proxy with a named port": Mistake(
        "proxy", {"HTTPS_PROXY": "http://proxy.example.com:http"}, {"HTTPS_PROXY": _PROXY}
    ),
    "missing bundle": Mistake(
        "authorities", {"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}, {"REQUESTS_CA_BUNDLE": None}
    ),
    "bundle of nothing": Mistake(
        "authorities", {"SSL_CERT_FILE": __file__}, {"SSL_CERT_FILE": None}, "remove it"
    ),
    "inner address": Mistake(
        "addresses",
        {"KUCOIN_FAST_API_IPS": "192.168.0.4"},
        {"KUCOIN_FAST_API_IPS": "8.8.8.8"},
        "NAT",
    ),
    "range": Mistake(
        "addresses",
        {"KUCOIN_TRADING_IPS": "8.8.8.0/24"},
        {"KUCOIN_TRADING_IPS": "8.8.8.8"},
        "single address",
    ),
}
#: For these variables, the advice contains a flag and not the name of the variable.
_BY_FLAG = {
    "GUNICORN_CMD_ARGS": "gunicorn --timeout",
    "KUCOIN_FAST_API_IPS": "--fast-api-ip",
    "KUCOIN_TRADING_IPS": "--trading-ip",
}


def _set(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def right_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with correct settings."""
    _set(monkeypatch, RIGHT)


def test_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """With correct settings there is no mistake, and the exit code is 0."""
    examined = examine(capsys, "--offline")
    assert examined.wrong() == {}
    assert examined.status == 0
    assert examined.report["ok"] is True


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_and_mended(
    mistake: Mistake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report has this mistake and no other; with the fix of `mistake`, it has none."""
    _set(monkeypatch, mistake.planted)
    found = examine(capsys, "--offline")
    assert found.status == 1
    assert list(found.wrong()) == [mistake.check]
    advice = found.wrong()[mistake.check]
    assert all(_BY_FLAG.get(name, name) in advice for name in mistake.mended), advice
    assert mistake.also in advice
    _set(monkeypatch, mistake.mended)
    assert examine(capsys, "--offline").wrong() == {}


def test_timeouts_by_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """--server-timeout has to be longer than three calls can last; 0 means no time-out."""
    wrong = examine(capsys, "--offline", "--server-timeout", "10", "--total-timeout", "5").wrong()
    assert "--timeout 25" in wrong["time-outs"]
    assert "total_timeout=2" in wrong["time-outs"]
    assert examine(capsys, "--offline", "--timeout", "2", "--server-timeout", "0").wrong() == {}


def test_timeouts_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    """A total time-out of 0 is a mistake."""
    wrong = examine(capsys, "--offline", "--total-timeout", "0").wrong()
    assert "total_timeout=20.0" in wrong["time-outs"]


@pytest.mark.parametrize("arguments", ['--timeout "90', "--timeout soon", "--workers 2"])
def test_gunicorn_without_a_timeout(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If GUNICORN_CMD_ARGS has no valid time-out, a note asks for --server-timeout."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", arguments)
    assert "--server-timeout" in examine(capsys, "--offline").of("note")["time-outs"]


class Note(NamedTuple):
    """A variable with a value, the check that has a note about it, and words of that note."""

    check: str
    name: str
    value: str
    says: str


@pytest.mark.parametrize(
    "note",
    [
        Note("site", _SITE, "eu", "www.kucoin.eu"),
        Note("site", _SITE, "https://kucoin.example.com", "Compare it"),
        Note("site", _SITE, "http://127.0.0.1:9400", "Before going live"),
        Note("redirect URI", _URI, "https://Broker.example.com/callback", "lower case"),
        Note("redirect URI", _URI, "https://broker.example.com/callback?a=1", "without one"),
        Note("addresses", "KUCOIN_FAST_API_IPS", "2001:4860:4860::8888", "IPv4"),
        Note("addresses", "KUCOIN_FAST_API_IPS", "", "/api/v1/my-ip"),
    ],
)
def test_notes(
    note: Note, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value that can be intended is reported as a note, and the exit code is 0."""
    monkeypatch.setenv(note.name, note.value)
    report = examine(capsys, "--offline")
    assert report.status == 0
    assert note.says in report.of("note")[note.check]


def test_no_proxy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A proxy in HTTPS_PROXY is right; if NO_PROXY excludes the site from it, that is a note."""
    monkeypatch.setenv("HTTPS_PROXY", _PROXY)
    assert "http://proxy.example.com:3128" in examine(capsys, "--offline").of("right")["proxy"]
    monkeypatch.setenv("NO_PROXY", "kucoin.com")
    assert "remove the site from NO_PROXY" in examine(capsys, "--offline").of("note")["proxy"]


def test_socks_needs_a_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A SOCKS proxy is wrong without the package that the library needs, and right with it."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example.com:1080")
    monkeypatch.setitem(sys.modules, "socks", None)
    assert "pip install PySocks" in examine(capsys, "--offline").wrong()["proxy"]
    monkeypatch.setitem(sys.modules, "socks", sys)
    assert examine(capsys, "--offline").wrong() == {}


def test_no_http_library(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without requests and httpx2, `doctor` says what to install, and `rehearse` cannot begin."""
    for name in ("requests", "httpx2", "certifi"):
        monkeypatch.setitem(sys.modules, name, None)
    report = examine(capsys, "--site", "https://127.0.0.1:1")
    assert "authlib-kucoin[requests]" in report.printed
    assert set(report.wrong()) == {"certificate", "answer"}
    assert main(["rehearse", "--report", "/nowhere/report"]) == 2
    assert "authlib-kucoin[httpx]" in capsys.readouterr().err


def test_each_library_reads_its_own_authorities(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SSL_CERT_DIR gives a note with requests, which ignores it; with httpx2, it is right."""
    monkeypatch.setenv("SSL_CERT_DIR", "/")
    for_requests = examine(capsys, "--offline", "--library", "requests")
    for_httpx2 = examine(capsys, "--offline", "--library", "httpx2")
    assert "requests reads REQUESTS_CA_BUNDLE" in for_requests.of("note")["authorities"]
    assert "httpx2 reads SSL_CERT_DIR=/" in for_httpx2.of("right")["authorities"]


def test_text_fits_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text has at most 100 columns, the values for KuCoin's form, and counts of findings."""
    monkeypatch.setenv(_ID, " ")
    monkeypatch.setenv("KUCOIN_TRADING_IPS", "8.8.8.8,8.8.4.4")
    assert main(["doctor", "--offline"]) == 1
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    assert "requesting Fast API Service: 8.8.8.8\n" in text
    assert "IP list for trading: 8.8.8.8, 8.8.4.4\n" in text
    assert f"Redirect URL: {RIGHT[_URI]}\n" in text
    assert text.endswith("1 thing is wrong.\n")
    monkeypatch.setenv(_ID, RIGHT[_ID])
    assert main(["doctor", "--offline"]) == 0
    assert re.search(r"Nothing is wrong\. Notes: \d\. Checks skipped: \d", capsys.readouterr().out)


def test_no_secret_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output holds no client secret, no vault key, and no password of a proxy."""
    secrets = ["4f9a2b7c8d secret", "not-a-fernet-key", "hunter2"]
    monkeypatch.setenv(_SECRET, secrets[0])
    monkeypatch.setenv(_KEYS, secrets[1])
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{secrets[2]}@proxy.example.com:3128")
    for arguments in (["doctor", "--offline"], ["doctor", "--offline", "--json"]):
        main(arguments)
        printed = capsys.readouterr().out
        assert not [secret for secret in secrets if secret in printed]
        assert "proxy.example.com:3128" in printed

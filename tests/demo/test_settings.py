"""The settings: required ones, wrong ones, the sandbox's, and those that follow from the host."""

from __future__ import annotations

import stat
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from authlib_kucoin.sandbox import Sandbox
from flask_demo import create_app
from flask_demo import database as database_module
from flask_demo.config import flask_config, given_settings
from flask_demo.errors import SettingsError
from tests.demo.apps import MakeApp
from tests.demo.visitor import Visitor, closed_after, csrf_token, text_of

PUBLIC = "https://broker.example.com/kucoin/callback"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("missing", ["KUCOIN_SITE", "SECRET_KEY", "KUCOIN_VAULT_KEYS"])
def test_real_site_needs_its_settings(settings: dict[str, Any], missing: str) -> None:
    """The error for a missing setting names it and says what to set; no file is made."""
    del settings[missing]
    with pytest.raises(SettingsError) as caught:
        create_app(settings)
    assert f"\n  {missing}: " in str(caught.value)
    assert str(caught.value).count("\n") == 1
    assert not Path(settings["DEMO_INSTANCE"]).exists()


def test_sandbox_settings_are_made_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """For the sandbox, secrets are made in files that only the owner can read, and used again."""
    given = {
        "DEMO_INSTANCE": str(tmp_path / "instance"),
        "SANDBOX_PORT": sandbox.url.rpartition(":")[2],
    }
    with closed_after(create_app(given)) as app:
        assert "This is not KuCoin" in Visitor(app, sandbox).get("/").text
        alice = Visitor(app, sandbox, "alice")
        assert "is connected" in text_of(alice.connect())
    assert _mode(tmp_path / "instance") == 0o700
    files = {path.name: _mode(path) for path in (tmp_path / "instance").iterdir()}
    assert files == dict.fromkeys(["kucoin_vault_keys", "sandbox.sqlite", "secret_key"], 0o600)
    with closed_after(create_app(given)) as app:
        again = Visitor(app, sandbox, "alice")
        page = text_of(again.follow(again.post("/kucoin/keys/1/check")))
        assert "check failed" not in page


def test_real_site_keeps_no_keys_on_disk(app: Flask, settings: dict[str, Any]) -> None:
    """With a client id, the instance folder holds the database only, readable by its owner only."""
    assert "This is not KuCoin" not in app.test_client().get("/").text
    assert "Replace this by your own sign-in before" in app.test_client().get("/").text
    files = {path.name: _mode(path) for path in Path(settings["DEMO_INSTANCE"]).iterdir()}
    assert set(files.values()) == {0o600}
    assert {name for name in files if not name.startswith("kucoin.sqlite")} == set()


def test_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """create_app's settings win over the environment, and empty variables are ignored."""
    monkeypatch.setenv("KUCOIN_CLIENT_ID", "from the environment")
    monkeypatch.setenv("KUCOIN_SITE", "eu")
    monkeypatch.setenv("DEMO_PORT", "")
    given = given_settings(
        {"KUCOIN_SITE": "global", "SECRET_KEY": token_hex(), "KUCOIN_VAULT_KEYS": "v"}
    )
    config = flask_config(given, tmp_path)
    assert config["KUCOIN_CLIENT_ID"] == "from the environment"
    assert (config["KUCOIN_SITE"], config["DEMO_PORT"], config["SANDBOX"]) == (
        "global",
        5000,
        False,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("sqlite:////tmp/x.sqlite", "sqlite:////tmp/x.sqlite"),
    ],
)
def test_database_url(tmp_path: Path, given: str, expected: str) -> None:
    """postgres:// and postgresql:// URLs get the driver psycopg; two others stay as they are."""
    assert flask_config({"DATABASE_URL": given}, tmp_path)["SQLALCHEMY_DATABASE_URI"] == expected


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DEMO_PORT", "http", "DEMO_PORT is not a number"),
        ("DATABASE_URL", "canary:not a url", "DATABASE_URL is not a database URL"),
        ("KUCOIN_SITE", "kucoin", "'kucoin' is not a KuCoin site"),
        ("KUCOIN_REDIRECT_URI", "http://broker.example.com/kucoin/callback", "is not https"),
        ("KUCOIN_REDIRECT_URI", f"{PUBLIC}#b", "the character '#'"),
        ("KUCOIN_REDIRECT_URI", "https://broker.example.com/oauth", "end in /kucoin/callback"),
        ("DATABASE_URL", "sqlite://", "DATABASE_URL names no file"),
        ("DATABASE_URL", "sqlite:///:memory:", "DATABASE_URL names no file"),
        ("DATABASE_URL", "postgresql://u:p@canary:canary@host/db", "is not a database URL"),
        ("DATABASE_URL", "mysql://u:canary@host/db", "begin with postgresql:// or sqlite:///"),
        ("DATABASE_URL", "postgresql+nothing://u:canary@host/db", "begin with postgresql://"),
        ("SERVER_NAME", "[canary", "SERVER_NAME is not an address"),
        ("KUCOIN_VAULT_KEYS", b"\xff", "is not a comma-separated list of Fernet keys"),
        ("DATABASE_URL", "sqlite:////nowhere/at/all.sqlite", "cannot be opened"),
        ("TRUSTED_PROXIES", "-1", "TRUSTED_PROXIES is not a number"),
        ("KUCOIN_REDIRECT_URI", "https://[canary/kucoin/callback", "is not an address"),
        ("KUCOIN_EXPECTED_PERMISSIONS", 7, "is not a list. Write it as General,Spot"),
        ("KUCOIN_EXPECTED_PERMISSIONS", "General,spot", "unknown permission, 'spot'"),
        ("KUCOIN_PERMISSIONS", "API_COMMON,SPOT", "unknown permission, 'SPOT'"),
        ("KUCOIN_PERMISSIONS", "API_WITHDRAW_OAUTH", "unknown permission, 'API_WITHDRAW_OAUTH'"),
        ("KUCOIN_PERMISSIONS", ",", "is empty"),
        ("KUCOIN_EXPECTED_PERMISSIONS", " ", "is empty"),
        ("KUCOIN_PERMISSIONS", "API_COMMON", "has no effect with Fast API 1"),
        ("KUCOIN_FAST_API", "3", "fast_api is 1 or 2"),
        ("SECRET_KEY", "secret", "SECRET_KEY is too easy to guess"),
        ("SECRET_KEY", "a" * 64, "SECRET_KEY is too easy to guess"),
    ],
)
def test_settings_that_make_no_sense(make_app: MakeApp, name: str, value: Any, said: str) -> None:
    """A wrong setting is refused at the start, in words that do not repeat a secret."""
    with pytest.raises(SettingsError) as caught:
        make_app(**{name: value})
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


def test_sandbox_port_of_its_own_choice(tmp_path: Path) -> None:
    """SANDBOX_PORT=0 is refused, because the demo has to know the port."""
    with pytest.raises(SettingsError, match="SANDBOX_PORT cannot be 0"):
        flask_config({"SANDBOX_PORT": "0"}, tmp_path)


def test_lists(settings: dict[str, Any], tmp_path: Path) -> None:
    """Python code can give lists for settings that are comma-separated in the environment."""
    old, new = Fernet.generate_key(), Fernet.generate_key()
    given = settings | {
        "KUCOIN_VAULT_KEYS": [new, old.decode()],
        "KUCOIN_EXPECTED_PERMISSIONS": ["General", "Spot"],
    }
    config = flask_config(given, tmp_path)
    assert config["KUCOIN_VAULT_KEYS"] == f"{new.decode()},{old.decode()}"
    assert config["KUCOIN_EXPECTED_PERMISSIONS"] == ["General", "Spot"]


@pytest.mark.parametrize("name", ["DATABASE_URL", "SQLALCHEMY_DATABASE_URI"])
def test_database_in_memory(
    make_app: MakeApp, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With TESTING, an SQLite database in memory works and leaves no file."""
    monkeypatch.chdir(tmp_path)
    app = make_app(TESTING=True, **{name: "sqlite:///:memory:"})
    alice = Visitor(app, sandbox, "alice")
    assert "is connected" in text_of(alice.connect())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_server_name(make_app: MakeApp) -> None:
    """A request for Flask's SERVER_NAME is answered."""
    app = make_app(SERVER_NAME="demo.example.com")
    assert app.test_client().get("/").status_code == 200


@pytest.mark.parametrize("name", ["KUCOIN_SITE", "KUCOIN_REDIRECT_URI", "KUCOIN_CLIENT_SECRET"])
def test_real_settings_without_client_id(tmp_path: Path, name: str) -> None:
    """Settings of a real site without a client id are refused, instead of starting a sandbox."""
    with pytest.raises(SettingsError, match=f"{name} is for a real site"):
        flask_config({name: "eu"}, tmp_path)


def test_public_address(make_app: MakeApp, sandbox: Sandbox) -> None:
    """The redirect URI is sent byte for byte, and the session cookie for its host is Secure."""
    app = make_app(KUCOIN_REDIRECT_URI=PUBLIC)
    alice = Visitor(app, sandbox)
    alice.http = app.test_client()
    base = {"base_url": "https://broker.example.com"}
    page = alice.http.get("/", **base)
    cookie = page.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    data = {"csrf_token": csrf_token(page), "username": "alice"}
    # Without a Referer, because the demo's pages tell browsers not to send one.
    assert alice.http.post("/login", data=data, **base).status_code == 303
    data = {"csrf_token": csrf_token(alice.http.get("/", **base))}
    sent = alice.http.post("/kucoin/connect", data=data, **base).location
    assert f"&redirect_uri={PUBLIC}&" in sent


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_forged_host(app: Flask, make_app: MakeApp, host: str) -> None:
    """A request with another Host gets a 400, with or without KUCOIN_REDIRECT_URI.

    X-Forwarded-Host has no effect without TRUSTED_PROXIES.
    """
    for each in (app, make_app(KUCOIN_REDIRECT_URI=PUBLIC)):
        response = each.test_client().get("/", headers={"Host": host})
        assert response.status_code == 400
        assert host not in response.text
    forwarded = {"X-Forwarded-Host": host, "X-Forwarded-Proto": "https"}
    assert app.test_client().get("/", headers=forwarded).status_code == 200


def test_trusted_proxies(make_app: MakeApp) -> None:
    """With TRUSTED_PROXIES, X-Forwarded-Host decides whether a request is answered."""
    app = make_app(KUCOIN_REDIRECT_URI=PUBLIC, TRUSTED_PROXIES="1")
    http = app.test_client()
    forwarded = {"X-Forwarded-Host": "broker.example.com", "X-Forwarded-Proto": "https"}
    assert http.get("/", headers=forwarded).status_code == 200
    assert (
        http.get("/", headers={**forwarded, "X-Forwarded-Host": "evil.example"}).status_code == 400
    )


def test_folder_that_cannot_be_made(settings: dict[str, Any]) -> None:
    """An instance folder that an SQLite file needs and that cannot be made is named."""
    for given in ({}, {"DATABASE_URL": "sqlite:///x.sqlite"}):
        with pytest.raises(SettingsError, match="The folder /dev/null/none cannot be made"):
            create_app({**settings, "DEMO_INSTANCE": "/dev/null/none", **given})


@pytest.mark.parametrize("kind", ["empty", "readable", "link", "folder", "binary"])
def test_planted_secret_file(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    """A secret file that is empty, a link, a folder, no text, or open to others is refused."""
    file = tmp_path / "secret_key"
    if kind == "link":
        (tmp_path / "elsewhere").write_text(token_hex())
        (tmp_path / "elsewhere").chmod(0o600)
        file.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        file.mkdir()
    elif kind == "binary":
        file.write_bytes(b"\xff" * 40)
        file.chmod(0o600)
    else:
        file.write_text("" if kind == "empty" else "canary" * 10)
        file.chmod(0o600 if kind == "empty" else 0o644)
    port = sandbox.url.rpartition(":")[2]
    with pytest.raises(SettingsError, match="Delete it") as caught:
        create_app({"DEMO_INSTANCE": str(tmp_path), "SANDBOX_PORT": port})
    assert str(file) in str(caught.value)
    assert "canary" not in str(caught.value)


def test_cookies_of_a_public_host_are_secure(make_app: MakeApp) -> None:
    """The session cookie for a public SERVER_NAME is Secure; that for loopback is not."""
    for name, secure in (("demo.example.com", True), ("localhost:5000", False)):
        app = make_app(SERVER_NAME=name)
        url = f"http{'s' if secure else ''}://{name}"
        cookie = app.test_client().get("/", base_url=url).headers["Set-Cookie"]
        assert ("Secure" in cookie.split("; ")) is secure


def test_database_file_is_ours_alone(settings: dict[str, Any], make_app: MakeApp) -> None:
    """At the start, other users lose their rights to the SQLite file."""
    make_app()
    (file,) = Path(settings["DEMO_INSTANCE"]).glob("*.sqlite")
    file.chmod(0o644)
    make_app()
    assert _mode(file) == 0o600


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_read_only_database(
    make_app: MakeApp,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    database: str,
) -> None:
    """A read-only database is refused with a message that says so."""
    if database == "postgresql":
        url = request.getfixturevalue("postgres_database")
        given = {"DATABASE_URL": f"{url}&options=-c%20default_transaction_read_only%3Don"}
    else:
        given = {}

        def read_only(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA query_only = ON")

        monkeypatch.setattr(database_module, "_set_up_sqlite", read_only)
    with pytest.raises(SettingsError, match="The database is read-only"):
        make_app(**given)

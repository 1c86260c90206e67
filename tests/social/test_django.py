"""The example project with social-app-django, with real servers on both sides.

The project runs in a process of its own. requests acts as the browser; the sandbox plays KuCoin
and, at its login page, the user.
"""

import base64
import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from cryptography.fernet import Fernet

from authlib_kucoin.sandbox import Sandbox, run_sandbox

SERVER = Path(__file__).with_name("project.py")
VAULT_KEY = Fernet.generate_key().decode()
UID = "165111215"
# With these settings, the URL of the page after an error names the error, for tests to read.
SAYS_ERRORS = {
    "SOCIAL_AUTH_ERROR_TRANSPORT": ["query"],
    "SOCIAL_AUTH_ERROR_INCLUDE_METADATA": True,
}


class Project:
    """A running project, its database and its log."""

    def __init__(self, url: str, folder: Path, sandbox: Sandbox) -> None:
        self.url = url
        self.database = folder / "db.sqlite3"
        self.log = folder / "log"
        self.sandbox = sandbox

    def rows(self, query: str) -> list[Any]:
        """Query the database."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()

    @property
    def keys(self) -> list[Any]:
        """Return each stored key: its owner, its public half, its uid and its state."""
        return self.rows(
            "SELECT username, api_key, uid, state FROM accounts_kucoinkey AS k"
            " JOIN auth_user AS u ON u.id = k.user_id ORDER BY k.id"
        )

    @property
    def associations(self) -> list[Any]:
        """Return which user is associated with which account."""
        return self.rows(
            "SELECT username, provider, uid FROM social_auth_usersocialauth AS s"
            " JOIN auth_user AS u ON u.id = s.user_id"
        )

    def reset(self) -> None:
        """Delete the project's keys and associations, and reset the sandbox."""
        self.sandbox.reset()
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            for table in ("accounts_kucoinkey", "social_auth_usersocialauth"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - table names from above


class Browser:
    """A user's browser."""

    def __init__(self, project: Project, username: str | None = None) -> None:
        self.project = project
        self.session = requests.Session()
        self.session.trust_env = False
        if username:
            self.submit("/login", "/login", username=username, password="password")

    def __enter__(self) -> Self:
        """Return the browser."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close its connections."""
        self.session.close()

    def submit(self, page: str, action: str, **fields: str) -> requests.Response:
        """Post fields and the CSRF token of ``page`` to ``action``, without following redirects."""
        shown = self.session.get(self.project.url + page, timeout=30).text
        hidden = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown)
        assert hidden, shown
        fields["csrfmiddlewaretoken"] = hidden[1]
        return self.session.post(
            self.project.url + action, fields, timeout=30, allow_redirects=False
        )

    def connect(self) -> str:
        """Press the button "connect"; return the URL of KuCoin's login page."""
        return self.submit("/", "/login/kucoin/").headers["Location"]

    def follow(self, callback: Any) -> requests.Response:
        """Open the callback, without following redirects."""
        if getattr(callback, "method", "GET") == "POST":
            return self.session.post(callback, callback.fields, timeout=30, allow_redirects=False)
        return self.session.get(callback, timeout=30, allow_redirects=False)

    def approve(self) -> requests.Response:
        """Connect, approve, and open the callback."""
        return self.follow(self.project.sandbox.approve(self.connect()))

    def token(self) -> dict[str, str]:
        """Return the JSON of the project's view: the user's access token, or an error."""
        answer: dict[str, str] = self.session.get(self.project.url + "/token", timeout=30).json()
        return answer


def error(response: requests.Response) -> tuple[str, str]:
    """Return the error's code and stage, from the URL that a response redirects to."""
    assert response.status_code == 302, response.text
    query = dict(parse_qsl(urlsplit(response.headers["Location"]).query))
    assert query["backend"] == "kucoin"
    return query["error_code"], query["error_stage"]


@contextlib.contextmanager
def running(folder: Path, sandbox: Sandbox, **settings: Any) -> Iterator[Project]:
    """Run the project."""
    environment = {
        "SECRET_KEY": "not a secret",
        "DATABASE": str(folder / "db.sqlite3"),
        "KUCOIN_CLIENT_ID": sandbox.client_id,
        "KUCOIN_SITE": sandbox.url,
        "KUCOIN_VAULT_KEYS": VAULT_KEY,
    }
    with subprocess.Popen(
        [sys.executable, SERVER, str(folder / "log"), json.dumps(SAYS_ERRORS | settings)],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the project did not start"
        try:
            yield Project(url, folder, sandbox)
        finally:
            process.communicate(timeout=30)
        assert process.returncode == 0


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A running project for this module."""
    with (
        run_sandbox() as sandbox,
        running(tmp_path_factory.mktemp("project"), sandbox) as project,
    ):
        yield project


@pytest.fixture
def project(shared_project: Project) -> Project:
    """The shared project, reset so that it has its users, and no keys or associations."""
    shared_project.reset()
    return shared_project


def test_an_account_is_connected(project: Project) -> None:
    """The uid is the account's own, the user stays signed in, and the key is stored encrypted."""
    with Browser(project, "alice") as browser:
        url = browser.connect()
        assert f"&redirect_uri={project.url}/complete/kucoin/&" in url
        callback = project.sandbox.approve(url)
        # A link checker may send HEAD; Django then runs the view, too. No code must be exchanged.
        browser.session.head(re.sub("code=[^&]+", "code=other", callback), allow_redirects=False)
        assert "token" not in project.sandbox.totals
        response = browser.follow(callback)
        assert (response.status_code, response.headers["Location"]) == (302, "/")
        [key] = project.sandbox.issued_keys
        assert project.associations == [("alice", "kucoin", UID)]
        assert project.keys == [("alice", key.api_key, UID, "connected")]
        assert f"{key.api_key} (connected)" in browser.session.get(project.url, timeout=30).text
    [[sealed]] = project.rows("SELECT credentials FROM accounts_kucoinkey")
    assert json.loads(Fernet(VAULT_KEY).decrypt(sealed)) == [
        key.api_key,
        key.secret,
        key.passphrase,
    ]


def test_database_and_log_hold_no_secret(project: Project) -> None:
    """Database and log show no code, no token, and no secret or passphrase of a key, in plain text.

    The sessions in the database are decoded for this.
    """
    with Browser(project, "alice") as browser:
        browser.approve()
        for operation in ("token", "create_api_key", "api_key_info"):
            project.sandbox.fail_next(operation, "echo")
            error(browser.approve())
    stored = project.database.read_bytes()
    sessions = project.rows("SELECT session_data FROM django_session")
    stored += b"".join(session_content(data) for (data,) in sessions)
    log = project.log.read_bytes()
    assert b"_auth_user_id" in stored
    assert b"/_oauth/access-token" in log
    keys = project.sandbox.issued_keys
    secrets = [secret for key in keys for secret in (key.secret, key.passphrase)]
    assert len(secrets) == 4
    secrets += ["sandbox-code", "sandbox-access", "sandbox-refresh"]  # how these begin
    assert [secret for secret in secrets if secret.encode() in stored + log] == []


def session_content(session: str) -> bytes:
    """Return a session's content, which Django has signed, encoded and perhaps compressed."""
    payload = session.partition(":")[0]
    packed = payload.removeprefix(".")
    content = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    return zlib.decompress(content) if payload.startswith(".") else content


def test_callback_may_be_a_form_post(tmp_path: Path) -> None:
    """The document's envelope works by POST, for an approved and for a cancelled login."""
    with run_sandbox(callback="form_post") as sandbox, running(tmp_path, sandbox) as project:
        with Browser(project, "alice") as browser:
            refused = browser.follow(sandbox.cancel(browser.connect()))
            assert error(refused) == ("authorization_declined", "callback")
            assert browser.approve().headers["Location"] == "/"
        assert project.associations == [("alice", "kucoin", UID)]


def test_cancelled_login_connects_no_account(project: Project) -> None:
    """After a cancelled login no token is requested, and no account is associated."""
    with Browser(project, "alice") as browser:
        response = browser.follow(project.sandbox.cancel(browser.connect()))
        assert error(response) == ("authorization_declined", "callback")
    assert "token" not in project.sandbox.totals
    assert not project.associations


def test_invalid_callback_exchanges_no_code(project: Project) -> None:
    """With a wrong, missing or used state or a doubled parameter, no code is exchanged."""
    with Browser(project, "alice") as browser:
        callback = project.sandbox.approve(browser.connect())
        stateless = callback.partition("&state=")[0]
        assert error(browser.follow(stateless)) == ("missing_parameter", "callback")
        assert error(browser.follow(f"{stateless}&state=x")) == ("state_mismatch", "callback")
        doubled = browser.follow(f"{callback}&code=another")
        assert error(doubled) == ("invalid_parameter", "callback")
        assert error(browser.follow(callback)) == ("session_context_missing", "callback")
        callback = project.sandbox.approve(browser.connect())
        by_both = browser.session.post(
            callback, {"code": "another"}, timeout=30, allow_redirects=False
        )
        assert error(by_both) == ("invalid_parameter", "callback")
    assert "token" not in project.sandbox.totals


def test_callback_of_another_user_is_refused(project: Project) -> None:
    """Alice's callback is refused in bob's browser and an anonymous one, then works in hers."""
    with (
        Browser(project, "alice") as alice,
        Browser(project, "bob") as bob,
        Browser(project) as eve,
    ):
        callback = project.sandbox.approve(alice.connect())
        bob.connect()
        assert error(bob.follow(callback)) == ("state_mismatch", "callback")
        assert error(eve.follow(callback)) == ("session_context_missing", "callback")
        assert alice.follow(callback).headers["Location"] == "/"
    assert project.associations == [("alice", "kucoin", UID)]


def test_anonymous_visitor_is_not_sent_to_kucoin(project: Project) -> None:
    """A visitor who is not signed in to the project gets an error and is not sent to KuCoin."""
    with Browser(project) as browser:
        assert error(browser.submit("/login", "/login/kucoin/")) == (
            "session_context_missing",
            "begin",
        )


def test_key_of_another_users_account_stays_pending(project: Project) -> None:
    """If the account is another user's, the new key stays pending; that user keeps the account."""
    with Browser(project, "alice") as alice, Browser(project, "bob") as bob:
        alice.approve()
        assert error(bob.approve()) == ("identity_in_use", "pipeline")
    first, second = project.sandbox.issued_keys
    assert project.associations == [("alice", "kucoin", UID)]
    assert project.keys == [
        ("alice", first.api_key, UID, "connected"),
        ("bob", second.api_key, "", "pending"),
    ]


@pytest.mark.parametrize(
    ("operation", "fault", "code", "kept"),
    [
        ("token", "envelope:1:no", "authorization_code_rejected", 0),
        ("token", "502", "unavailable", 0),
        ("token", "html", "malformed_response", 0),
        ("create_api_key", "envelope:1:no", "http_error", 0),
        ("create_api_key", "429", "rate_limited", 0),
        ("create_api_key", "lost", "malformed_response", 0),
        ("api_key_info", "reset_before", "connection_failed", 1),
        ("api_key_info", "envelope:400006:IP", "http_error", 1),
    ],
)
def test_each_failure_redirects_to_the_projects_page(
    project: Project, operation: str, fault: str, code: str, kept: int
) -> None:
    """Each failure redirects with the error in the URL; a key that arrived stays pending."""
    project.sandbox.fail_next(operation, fault)
    with Browser(project, "alice") as browser:
        response = browser.approve()
    stage = "token_exchange" if operation == "token" else "user_info"
    assert error(response) == (code, stage)
    assert not project.associations
    assert [state for *_, state in project.keys] == ["pending"] * kept
    if fault == "lost":
        assert "API%20management%20page" in response.headers["Location"]


@pytest.mark.shows_secrets("the settings tell social-auth to store the token's fields")
def test_get_access_token_replaces_an_expired_pair(tmp_path: Path) -> None:
    """`get_access_token` replaces an expired token pair in the database, and reports a failure."""
    names = ["access_token", "refresh_token", "expires_in"]
    with (
        run_sandbox() as sandbox,
        running(tmp_path, sandbox, SOCIAL_AUTH_KUCOIN_EXTRA_DATA=names) as project,
        Browser(project, "alice") as browser,
    ):
        browser.approve()

        def stored() -> dict[str, Any]:
            [[text]] = project.rows("SELECT extra_data FROM social_auth_usersocialauth")
            found: dict[str, Any] = json.loads(text)
            return found

        def expire() -> None:
            old = json.dumps(stored() | {"auth_time": stored()["auth_time"] - 3600})
            with contextlib.closing(sqlite3.connect(project.database)) as connection, connection:
                connection.execute("UPDATE social_auth_usersocialauth SET extra_data = ?", (old,))

        first = stored()
        assert set(first) == {"auth_time", *names}
        assert browser.token() == {"token": first["access_token"]}
        expire()
        second = browser.token()["token"]
        assert second != first["access_token"]
        assert stored()["access_token"] == second
        assert stored()["refresh_token"] != first["refresh_token"]
        expire()
        sandbox.fail_next("refresh", "envelope:1:no")
        assert browser.token()["error_code"] == "credential_rejected"
        assert stored()["access_token"] == second
        assert sandbox.totals["refresh"] == 2


def test_storing_a_key_fails_under_atomic_requests(tmp_path: Path) -> None:
    """With ATOMIC_REQUESTS the step that stores keys fails, as its transaction is ``durable``."""
    databases = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(tmp_path / "db.sqlite3"),
            "ATOMIC_REQUESTS": True,
        }
    }
    with (
        run_sandbox() as sandbox,
        running(tmp_path, sandbox, DATABASES=databases) as project,
        Browser(project, "alice") as browser,
    ):
        assert browser.approve().status_code == 500
        assert "durable" in project.log.read_text()

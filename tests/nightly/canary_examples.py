"""Tests that show a secret, each in another way. Two of them may do so. One test shows none.

`test_frame_canaries.py` copies and runs these tests, and checks which of them get an error.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import flask
import pytest
from sqlalchemy import create_engine, text

from authlib_kucoin import ApiKey, KuCoinError
from authlib_kucoin.sandbox import run_sandbox
from flask_demo import create_app
from flask_demo.extensions import db


@pytest.fixture
def code() -> Iterator[str]:
    """An authorization code."""
    with run_sandbox() as sandbox:
        yield sandbox.approve(
            f"{sandbox.url}/oauth?response_type=code&client_id={sandbox.client_id}"
            "&redirect_uri=http://127.0.0.1/nowhere&scope=OAUTH_CREATE_API&state=s"
        ).fields["code"]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[flask.Flask]:
    """The demo, to which a test adds a page."""
    settings = {
        "DEMO_INSTANCE": str(tmp_path),
        "KUCOIN_CLIENT_ID": "broker",
        "KUCOIN_SITE": "http://127.0.0.1:9",
        "KUCOIN_VAULT_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "SECRET_KEY": "canary-secret-key-of-the-tests",
    }
    app = create_app(settings)
    yield app
    with app.app_context():
        db.engine.dispose()


def _open(app: flask.Flask, view: flask.typing.RouteCallable) -> None:
    app.add_url_rule("/shown", "shown", view)
    assert app.test_client().get("/shown").status_code == 200


def test_shown_in_a_log(code: str) -> None:
    logging.getLogger("any").debug("it is %s", code)


def test_shown_in_a_logged_traceback(code: str) -> None:
    try:
        raise ValueError(code)
    except ValueError:
        logging.getLogger("any").exception("it went wrong")


def test_shown_in_the_output(code: str) -> None:
    sys.stdout.write(code.upper())


def test_shown_in_the_output_of_a_program(code: str) -> None:
    subprocess.run(["/bin/echo", code], check=True)


def test_shown_in_part(code: str) -> None:
    sys.stderr.write(code[len("sandbox-code/") :][:16])


def test_shown_in_an_error(code: str) -> None:
    KuCoinError(f"it is {code}")


def test_shown_in_an_attribute_of_an_error(code: str) -> None:
    KuCoinError("no", msg=quote(quote(code, safe=""), safe=""))


def test_shown_in_what_an_error_hides(code: str) -> None:
    with contextlib.suppress(KuCoinError):
        try:
            raise ValueError(code)
        except ValueError:
            raise KuCoinError("no") from None


def test_shown_in_a_repr(code: str) -> None:
    ApiKey(code, "key", "secret", "passphrase")


def test_shown_in_a_file(code: str, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "database")) as connection, connection:
        connection.execute("CREATE TABLE seen (code)")
        connection.execute("INSERT INTO seen VALUES (?)", [code.encode()])


def test_shown_in_a_database(code: str, postgres_database: str) -> None:
    engine = create_engine(postgres_database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (code bytea)"))
        logging.disable()  # the log of the statement would show the secret, too
        connection.execute(text("INSERT INTO seen VALUES (:code)"), {"code": code.encode()})
        logging.disable(logging.NOTSET)
    engine.dispose()


def test_shown_in_a_page(code: str, demo: flask.Flask) -> None:
    _open(demo, lambda: f"<p>{code}</p>")


def test_shown_in_a_header(code: str, demo: flask.Flask) -> None:
    _open(demo, lambda: ("", {"Location": f"/?code={code}"}))


def test_shown_in_a_session(code: str, demo: flask.Flask) -> None:
    def view() -> str:
        flask.session["code"] = code
        return ""

    _open(demo, view)


@pytest.mark.shows_secrets("to see that it may")
def test_on_purpose(code: str) -> None:
    sys.stdout.write(code)


def test_the_callback_in_the_log_of_a_browser(code: str) -> None:
    logging.getLogger("urllib3.connectionpool").debug('"GET %s"', f"/callback?code={code}")


def test_nothing(code: str, tmp_path: Path, demo: flask.Flask) -> None:
    (tmp_path / "file").write_text("nothing")
    _open(demo, lambda: "nothing")
    logging.getLogger("any").debug("%s and %s", ApiKey("a", "b", code, code), KuCoinError("no"))

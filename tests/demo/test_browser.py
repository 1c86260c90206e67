"""The demo's pages in Chromium: the main path, outcomes, errors, accessibility and layout."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from flask_demo.extensions import db
from flask_demo.models import ConnectAttempt, ConnectedKey, Status, now
from tests.demo.apps import MakeApp
from tests.demo.test_program import running
from tests.demo.test_security import served
from tests.demo.visitor import then
from tests.support.chromium import check_page
from tests.support.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """The demo with the sandbox of this test."""
    return make_app()


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """The URL of the served demo. Tests name it before `page`, so that the page is closed first."""
    with served(app) as url:
        yield url


def _look(page: Page, name: str) -> None:
    """Assert that a page is accessible and not too wide, and that it has a title."""
    check_page(page, name)
    assert re.fullmatch(r".{4,} · Example Broker", page.title())


def _sign_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("Name").fill("alice")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    page.wait_for_load_state()


def _connect(page: Page) -> None:
    page.get_by_role("button", name="Connect KuCoin").click()
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url("**/kucoin/attempts/*")


def _heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


@contextmanager
def _row(app: Flask, model: Any, number: int = 1) -> Iterator[Any]:
    with app.app_context():
        yield db.session.get_one(model, number)
        db.session.commit()


def test_connect_and_approve(url: str, page: Page, sandbox: Sandbox) -> None:
    """A user signs in, presses Connect and approves at KuCoin; the account is then listed.

    The buttons at the account check, replace and disconnect its key.
    """
    page.goto(url)
    _look(page, "sign-in")
    _sign_in(page, url)
    _look(page, "no-account")
    page.get_by_role("button", name="Connect KuCoin").click()
    assert page.url.startswith(f"{sandbox.url}/oauth?")
    page.get_by_role("button", name="Approve").click()
    assert page.url == f"{url}/kucoin/attempts/1"  # the address holds no code
    assert _heading(page) == "Your KuCoin account 165111215 is connected"
    _look(page, "connected")
    page.get_by_role("link", name="Your accounts", exact=True).click()
    card = page.get_by_role("article", name="Account 165111215")
    assert "Spot" in card.get_by_role("table").inner_text()
    _look(page, "accounts")
    # Each button of the card has a form.
    card.get_by_role("button", name="Check").click()
    assert page.url == f"{url}/?checked=1#key-1"
    assert "Checked just now" in card.get_by_role("status").inner_text()
    card.locator("summary", has_text="New key").click()
    _look(page, "new-key")
    card.get_by_role("button", name="Get a new key").click()
    page.get_by_role("button", name="Approve").click()
    assert "An old key still works" in page.get_by_role("main").inner_text()
    _look(page, "replaced")
    page.goto(url)
    card.locator("summary", has_text="Disconnect").click()
    card.get_by_role("button", name="Delete the credentials").click()
    assert "No account is connected" in page.get_by_role("main").inner_text()
    _look(page, "disconnected")
    assert [key.api_name[-2:] for key in sandbox.issued_keys] == ["-1", "-2"]
    duties = page.get_by_role("region", name="For you to do at KuCoin")
    assert "Delete the keys “Example Broker-1”, “Example Broker-2”" in duties.inner_text()
    duties.get_by_role("button", name="I have done this").click()
    assert duties.count() == 0


def test_clean_end(page: Page, make_app: MakeApp) -> None:
    """A key with the expected permissions and an IP whitelist is shown without any note."""
    options: dict[str, Any] = {
        "permissions": ["API_COMMON", "API_SPOT"],
        "ip_whitelist": ["127.0.0.1"],
    }
    with run_sandbox(**options) as sandbox, served(make_app(KUCOIN_SITE=sandbox.url)) as url:
        _sign_in(page, url)
        _connect(page)
        _look(page, "clean")
        assert page.locator(".warning, .notice").count() == 0
        assert page.locator(".badge").all_inner_texts() == ["Connected"]
        page.goto("about:blank")


@pytest.mark.nightly
def test_clean_end_of_the_program(page: Page, tmp_path: Path) -> None:
    """With the sandbox of `python -m flask_demo`, the first connect ends without a warning."""
    environment = {
        "DEMO_INSTANCE": str(tmp_path / "instance"),
        "SANDBOX_PORT": str(free_port()),
        "PYTHONWARNINGS": "ignore",
    }
    with running(environment) as (_process, url):
        _sign_in(page, url)
        assert "This is not KuCoin" in page.locator(".banner").inner_text()
        _connect(page)
        assert _heading(page) == "Your KuCoin account 165111215 is connected"
        assert page.locator(".warning").count() == 0
        _look(page, "sandbox-banner")
        page.goto("about:blank")


def test_cancel(url: str, page: Page) -> None:
    """After Cancel on KuCoin's page, the demo's page says that no account was connected."""
    _sign_in(page, url)
    page.get_by_role("button", name="Connect KuCoin").click()
    page.get_by_role("button", name="Cancel").click()
    assert _heading(page) == "Your account was not connected"
    _look(page, "cancelled")


def test_unknown_and_back(url: str, page: Page, sandbox: Sandbox) -> None:
    """If KuCoin's answer with a key is lost, the page says so. Back and forward make no second key.

    The first page lists the attempt as a duty until the user presses "I have done this".
    """
    _sign_in(page, url)
    sandbox.fail_next("create_api_key", "lost")
    page.get_by_role("button", name="Connect KuCoin").click()
    page.get_by_role("button", name="Approve").click()
    assert _heading(page) == "Please look in your KuCoin account"
    _look(page, "unknown")
    page.go_back()
    page.go_forward()
    assert _heading(page) == "Please look in your KuCoin account"
    assert sandbox.totals["create_api_key"] == 1
    page.goto(url)
    duties = page.get_by_role("region", name="For you to do at KuCoin")
    assert "Look for a key" in duties.inner_text()
    _look(page, "duties")
    duties.get_by_role("button", name="I have done this").click()
    assert duties.count() == 0


def test_keyboard(url: str, page: Page) -> None:
    """The first press of Tab focuses the link to the content, and Enter moves the focus there."""
    _sign_in(page, url)
    page.goto(url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_pending(url: str, page: Page, app: Flask, sandbox: Sandbox) -> None:
    """The page of an attempt in progress does not reload itself; a link shows the outcome later."""
    _sign_in(page, url)
    _connect(page)
    with _row(app, ConnectAttempt) as attempt:
        attempt.status = Status.PROVISIONING
    page.goto(f"{url}/kucoin/attempts/1")
    assert _heading(page) == "Connecting your account…"
    assert page.locator("meta[http-equiv=refresh]").count() == 0
    _look(page, "pending")
    with _row(app, ConnectAttempt) as attempt:
        attempt.status = Status.STORED
    page.get_by_role("link", name="See whether it is done").click()
    assert _heading(page) == "Your KuCoin account 165111215 is connected"


@pytest.mark.nightly
def test_second_press(url: str, page: Page, app: Flask, sandbox: Sandbox) -> None:
    """A second tab that asks for a new key while KuCoin is slow shows the first tab's attempt."""
    app.config["KUCOIN_KEEP_TOKENS"] = True
    _sign_in(page, url)
    _connect(page)
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(url)
        tab.locator("summary", has_text="New key").click()
    at_kucoin, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        at_kucoin.set()
        assert go_on.wait(30)

    with then(app, "create_api_key", wait):
        page.get_by_role("button", name="Get a new key").click(no_wait_after=True)
        assert at_kucoin.wait(30)
        other.get_by_role("button", name="Get a new key").click()
        assert other.url == f"{url}/kucoin/attempts/2"
        assert _heading(other) == "Getting a new key…"
        go_on.set()
        page.wait_for_url("**/kucoin/attempts/2")
    other.get_by_role("link", name="See whether it is done").click()
    assert _heading(other) == _heading(page) == "Your KuCoin account 165111215 is connected"
    assert sandbox.totals["create_api_key"] == 2


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("columns", "heading", "badge"),
    [
        ({"check_error": "ApiKeyInvalid"}, "KuCoin does not have this key", "Deleted at KuCoin"),
        ({"permissions": ["Spot", "Transfer"]}, "This key can withdraw your funds", "Can withdraw"),
        (
            {"check_error": "ClockSkewed"},
            "Your key is stored, but its check failed",
            "Check failed",
        ),
        (
            {"uid": None, "checked_at": 0},
            "Your key is stored, but not checked yet",
            "Not checked",
        ),
    ],
)
def test_states_agree(
    url: str, page: Page, app: Flask, *, columns: dict[str, Any], heading: str, badge: str
) -> None:
    """The heading, the badge and the list of attempts show the same state of a key."""
    _sign_in(page, url)
    _connect(page)
    with _row(app, ConnectedKey) as key:
        for name, value in columns.items():
            setattr(key, name, value)
    page.reload()
    assert _heading(page) == heading
    assert page.locator(".badge").all_inner_texts() == [badge]
    _look(page, badge)
    page.goto(url)
    assert page.locator(".badge").all_inner_texts() == [badge, badge]
    _look(page, f"{badge} accounts")
    if badge == "Can withdraw":  # the form is open already
        assert page.get_by_role("button", name="Delete the credentials").is_visible()
    if badge == "Deleted at KuCoin":
        assert page.get_by_role("button", name="Get a new key").is_visible()


def test_goes_on_after_signing_in(url: str, page: Page, sandbox: Sandbox) -> None:
    """After a lost session, a sign-in leads on to the approved connect or to the opened page."""
    _sign_in(page, url)
    page.get_by_role("button", name="Connect KuCoin").click()
    page.context.clear_cookies(name="session")
    page.get_by_role("button", name="Approve").click()
    assert page.url == f"{url}/"
    assert "Then you will return" in page.get_by_role("status").inner_text()
    _look(page, "sign-in-first")
    page.get_by_label("Name").fill("alice")
    page.get_by_role("button", name="Sign in").click()
    assert page.url == f"{url}/kucoin/attempts/1"
    assert _heading(page) == "Your KuCoin account 165111215 is connected"
    page.context.clear_cookies(name="session")
    page.goto(f"{url}/kucoin/attempts/1")
    page.get_by_label("Name").fill("alice")
    page.get_by_role("button", name="Sign in").click()
    assert page.url == f"{url}/kucoin/attempts/1"


def test_answer_by_form(page: Page, make_app: MakeApp) -> None:
    """If the browser returns from KuCoin by a form POST, the account is connected."""
    with (
        run_sandbox(callback="form_post") as sandbox,
        served(make_app(KUCOIN_SITE=sandbox.url.replace("127.0.0.1", "localhost"))) as url,
    ):
        _sign_in(page, url)
        page.get_by_role("button", name="Connect KuCoin").click()
        with page.expect_request("**/kucoin/callback") as posted:
            page.get_by_role("button", name="Approve").click()
        assert "session=" not in posted.value.all_headers().get("cookie", "")
        page.wait_for_url("**/kucoin/attempts/1")
        assert _heading(page) == "Your KuCoin account 165111215 is connected"
        page.goto("about:blank")


@pytest.mark.nightly
@pytest.mark.parametrize("action", ["check", "callback", "new key"])
@pytest.mark.parametrize("next_user", ["bob", ""])
def test_sign_out_stays(
    url: str, page: Page, app: Flask, page_problems: list[str], *, action: str, next_user: str
) -> None:
    """A slow response to alice that arrives after her sign-out in another tab does not sign her in.

    If bob has signed in meanwhile, bob stays signed in.
    """
    app.config["KUCOIN_KEEP_TOKENS"] = True
    _sign_in(page, url)
    if action != "callback":
        _connect(page)
        page.goto(url)
    at_kucoin, signed_out = threading.Event(), threading.Event()

    def wait() -> None:
        at_kucoin.set()
        assert signed_out.wait(10)

    other = page.context.new_page()
    other.goto(url)
    with then(app, "get_api_key_info", wait):
        if action == "check":
            page.get_by_role("button", name="Check").click(no_wait_after=True)
        elif action == "new key":
            page.locator("summary", has_text="New key").click()
            page.get_by_role("button", name="Get a new key").click(no_wait_after=True)
        else:
            page.get_by_role("button", name="Connect KuCoin").click()
            page.get_by_role("button", name="Approve").click(no_wait_after=True)
        assert at_kucoin.wait(10)
        other.get_by_role("button", name="Sign out").click()
        if next_user:
            other.get_by_label("Name").fill(next_user)
            other.get_by_role("button", name="Sign in").click()
            other.get_by_text("Signed in as bob").wait_for()
        # Not `wait_for_url`: the page that is still shown may have such an address already.
        with page.expect_navigation(url=re.compile("checked=1|attempts|/$")):
            signed_out.set()
    for tab in (page, other):
        tab.goto(url)
        assert ("Signed in as bob" in tab.locator("header.top").inner_text()) is bool(next_user)
        assert tab.get_by_text("Signed in as alice").count() == 0
    page_problems.clear()  # bob can get a 404, for the page of alice's attempt


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("nowhere", "This page does not exist"),
        ("kucoin/problem/400", "We could not understand this"),
        ("kucoin/problem/403", "This belongs to another account"),
        ("kucoin/problem/500", "Something went wrong on our side"),
        ("kucoin/problem/500?again=sealed", "Something went wrong on our side"),
        ("logout", "This link does not work this way"),
    ],
)
def test_error_pages(
    url: str, page: Page, page_problems: list[str], path: str, heading: str
) -> None:
    """An error page names the error in its heading and title, and has one main link."""
    page.goto(f"{url}/{path}")
    assert _heading(page) == heading
    assert page.title() == f"{heading} · Example Broker"
    assert page.locator("main a.main").count() == 1
    _look(page, re.sub(r"\W", "-", path))
    page_problems.clear()


def test_too_large(url: str, page: Page, page_problems: list[str]) -> None:
    """A form that is larger than the demo accepts leads to a page that explains the error."""
    page.goto(url)
    page.evaluate("document.querySelector('#username').removeAttribute('maxlength')")
    page.get_by_label("Name").fill("a" * 70_000)
    page.get_by_role("button", name="Sign in").click()
    assert _heading(page) == "This is too large"
    _look(page, "too-large")
    page_problems.clear()


def test_empty_name(url: str, page: Page, page_problems: list[str]) -> None:
    """An empty name leads to a message at the field, also for screen readers."""
    page.goto(url)
    page.evaluate("document.querySelector('#username').removeAttribute('required')")
    page.get_by_role("button", name="Sign in").click()
    field = page.get_by_label("Name")
    assert field.get_attribute("aria-invalid") == "true"
    assert (
        page.locator("#wrong-name").inner_text() == "A name has 1 to 64 letters. Please enter one."
    )
    _look(page, "empty-name")
    page_problems.clear()


@pytest.mark.nightly
def test_long_words(url: str, page: Page, app: Flask) -> None:
    """Words of 50 letters do not make a page wider than a phone's screen."""
    page.goto(url)
    page.get_by_label("Name").fill(_WORD)
    page.get_by_role("button", name="Sign in").click()
    _connect(page)
    with _row(app, ConnectedKey) as key:
        key.api_name = key.sub_name = key.uid = _WORD
        key.permissions, key.ip_whitelist = [_WORD, "Transfer"], [_WORD]
    with _row(app, ConnectAttempt) as attempt:
        attempt.uid, attempt.to_delete = _WORD, [_WORD]
    page.reload()
    _look(page, "long-words-outcome")
    page.goto(url)
    _look(page, "long-words")


@pytest.mark.nightly
def test_every_outcome(url: str, page: Page, app: Flask) -> None:
    """The page of each of `_OUTCOMES` has one main action; only two pairs share a heading."""
    _sign_in(page, url)
    page.get_by_role("button", name="Connect KuCoin").click()
    headings = set()
    for status, error in _OUTCOMES:
        with _row(app, ConnectAttempt) as attempt:
            attempt.status, attempt.error = status, error
            attempt.detail = f"{_WORD} (40000)" if status in (Status.FAILED, Status.DENIED) else ""
            attempt.created_at = attempt.changed_at = now()
        page.goto(f"{url}/kucoin/attempts/1")
        headings.add(_heading(page))
        main = page.get_by_role("main")
        assert main.locator("button.main, a.main").count() == 1
        assert main.get_by_role("link", name="Your KuCoin accounts").count() == 1
        _look(page, f"outcome {status} {error}")
    # A denial and the error "AnythingElse" share a heading, and so do the two errors of "unknown".
    assert len(headings) == len(_OUTCOMES) - 2


_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebsw"
_OUTCOMES = [
    (Status.STARTED, ""),
    (Status.CLAIMED, ""),
    (Status.DENIED, "AuthorizationDenied"),
    (Status.DENIED, "MismatchingState"),
    (Status.EXPIRED, "Interrupted"),
    *(
        (Status.FAILED, error)
        for error in (
            *("KuCoinUnavailable", "ApiKeyLimitReached", "ApiKeyNameTaken", "PermissionMismatch"),
            *("ApiKeyError", "ReauthorizationRequired", "TokenError", "MalformedResponse"),
            *("Interrupted", "AnythingElse"),
        )
    ),
    (Status.UNKNOWN, "ApiKeyOutcomeUnknown"),
    (Status.UNKNOWN, "NotStored"),
    (Status.STORED, ""),  # the attempt has no key: the key was replaced or disconnected
]


def test_times(url: str, page: Page, app: Flask) -> None:
    """Each time is shown in UTC and relative to now.

    The `time` element of an attempt also has the ISO 8601 form.
    """
    _sign_in(page, url)
    _connect(page)
    three_hours_ago = now() - 3 * 3600
    with _row(app, ConnectAttempt) as attempt:
        attempt.created_at = three_hours_ago
    page.goto(url)
    begun = page.get_by_role("row").locator("time")
    moment = datetime.fromtimestamp(three_hours_ago, UTC)
    assert begun.inner_text() == f"{moment:%-d %b %Y, %H:%M} UTC (3 hours ago)"
    assert begun.get_attribute("datetime") == moment.isoformat()
    for shown in page.locator("time").all_inner_texts():
        assert re.fullmatch(r"\d+ \w{3} \d{4}, \d\d:\d\d UTC \(.+\)", shown)


@pytest.mark.nightly
def test_font_size_of_the_browser(url: str, page: Page) -> None:
    """If the root font size doubles, five kinds of text double, and the page still fits a phone."""
    _sign_in(page, url)
    _connect(page)
    page.goto(url)
    page.set_viewport_size({"width": 390, "height": 800})
    size = "parseFloat(getComputedStyle(document.querySelector('%s')).fontSize)"
    names = ("body", "h1", "button", "td", ".soft")
    before = [page.evaluate(size % name) for name in names]
    page.evaluate("document.documentElement.style.fontSize = '32px'")
    assert [page.evaluate(size % name) for name in names] == [2 * each for each in before]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.nightly
def test_nothing_moves_under_the_pointer(url: str, page: Page) -> None:
    """A `summary` that opens or closes a form does not move when clicked, on a desktop or phone."""
    _sign_in(page, url)
    _connect(page)
    page.goto(url)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for name in ("New key", "Disconnect"):
            summary = page.locator("summary", has_text=name)
            for _ in ("open", "close"):
                summary.scroll_into_view_if_needed()
                before = summary.bounding_box()
                summary.click()
                assert summary.bounding_box() == before


@pytest.mark.nightly
def test_several_accounts_and_paging(page: Page, make_app: MakeApp, sandbox: Sandbox) -> None:
    """Two accounts are two cards, the attempts name their accounts, and paging works both ways."""
    app = make_app()
    with run_sandbox(uid=7, sub_name="bot") as other, served(app) as url:
        _sign_in(page, url)
        _connect(page)
        second = make_app(KUCOIN_SITE=other.url)
        with served(second) as second_url:
            page.goto(second_url)
            _connect(page)
            page.goto(url)
        assert page.get_by_role("article").count() == 2
        for _ in range(10):
            page.get_by_role("button", name="Connect KuCoin").click()
            page.goto(url)
        page.get_by_role("link", name="Older →").click()
        rows = page.get_by_role("row").all_inner_texts()
        assert any("account 7" in row for row in rows)
        assert any("account 165111215" in row for row in rows)
        _look(page, "several-accounts")
        page.get_by_role("link", name="← Newer").click()
        assert page.get_by_role("link", name="Older →").count() == 1
        page.goto("about:blank")


def test_print(url: str, page: Page) -> None:
    """The print style shows the account and hides the buttons to sign out and to connect."""
    _sign_in(page, url)
    _connect(page)
    page.goto(url)
    page.emulate_media(media="print")
    assert page.get_by_role("article").is_visible()
    assert not page.get_by_role("button", name="Sign out").is_visible()
    assert not page.get_by_role("button", name="Connect KuCoin").is_visible()


@pytest.fixture
def of_sandbox(make_app: MakeApp) -> Iterator[Any]:
    """A function that serves a demo with Fast API 2 and its own sandbox.

    Tests name it before `page`, so that the page is closed first.
    """
    with ExitStack() as stack:

        def start(settings: dict[str, str], **options: Any) -> tuple[str, Sandbox]:
            sandbox = stack.enter_context(run_sandbox(**options))
            app = make_app(KUCOIN_SITE=sandbox.url, KUCOIN_FAST_API="2", **settings)
            return stack.enter_context(served(app)), sandbox

        yield start


def test_fast_api_2(of_sandbox: Any, page: Page) -> None:
    """KuCoin's page lists API_COMMON and API_SPOT, and the key has just these two permissions."""
    permissions = ["API_COMMON", "API_SPOT"]
    url, sandbox = of_sandbox({}, permissions=permissions, ip_whitelist=["127.0.0.1"])
    _sign_in(page, url)
    page.get_by_role("button", name="Connect KuCoin").click()
    listed = page.get_by_role("main").inner_text()
    assert re.findall(r"API_\w+", listed) == permissions
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url("**/kucoin/attempts/*")
    assert _heading(page) == "Your KuCoin account 165111215 is connected"
    assert page.locator(".warning, .note").count() == 0
    assert [key.permissions for key in sandbox.keys] == [tuple(permissions)]
    page.get_by_role("link", name="Your accounts", exact=True).click()
    card = page.get_by_role("article", name="Account 165111215")
    assert card.locator(".warning, .note").count() == 0


@pytest.mark.nightly
def test_fewer_permissions(of_sandbox: Any, page: Page) -> None:
    """If KuCoin refuses futures, the page says so, and connecting with fewer permissions works."""
    wanted = ["API_COMMON", "API_SPOT", "API_FUTURES"]
    settings = {"KUCOIN_PERMISSIONS": ",".join(wanted)}
    url, sandbox = of_sandbox(settings, futures_opened=False, permissions=wanted)
    _sign_in(page, url)
    _connect(page)
    assert "We asked for General, Spot, Futures" in page.get_by_role("main").inner_text()
    assert sandbox.keys == ()
    _look(page, "not-granted")
    page.get_by_role("button", name="Connect with fewer").click()
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url("**/kucoin/attempts/*")
    assert "is connected" in _heading(page)
    assert len(sandbox.keys) == 1

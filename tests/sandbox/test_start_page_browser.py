"""The start page and "try it" in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.chromium import check_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from tests.sandbox.broker import Broker

pytestmark = pytest.mark.nightly

STEPS = ["token", "key", "info", "refresh", "validate"]


def approve(page: Page, version: str) -> None:
    """Go from the start page to "try it", begin a walk, and approve its login."""
    page.get_by_role("link", name="Try it").first.click()
    page.get_by_role("button", name=f"Fast API {version}").click()
    page.get_by_role("link", name="Open the login page").click()
    page.get_by_role("button", name="Approve").click()


def texts(page: Page) -> str:
    """Return the texts of all requests and answers that the page shows."""
    return "\n".join(page.locator("pre").all_inner_texts())


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("callback", ["plain", "envelope", "form_post"])
def test_walk_ends_with_a_key(
    new_broker: Callable[..., Broker], page: Page, version: str, callback: str
) -> None:
    """A user who presses the buttons gets a key; the page shows every request and the secret."""
    broker = new_broker(callback=callback, client_secret="made-up secret/1")
    page.goto(broker.sandbox.url)
    approve(page, version)
    for _ in STEPS:
        page.get_by_role("button", name="Send this request").click()
    page.get_by_role("heading", name="You have a key").wait_for()

    (key,) = broker.sandbox.keys
    shown = texts(page)
    assert key.secret in shown
    assert key.api_key in page.get_by_text("works. Its permissions:").inner_text()
    operations = [each.operation for each in broker.sandbox.requests]
    expected = ["authorize", "decision", "token", "create_api_key", "api_key_info", "refresh"]
    assert operations == [*expected, "validate"]
    assert page.get_by_text("Your server to KuCoin", exact=True).count() == len(STEPS)
    assert page.get_by_text("The browser to KuCoin", exact=True).count() == 2
    assert page.get_by_text("The browser to your site", exact=True).count() == 1
    for request in broker.sandbox.requests:
        assert request.refusal is None
        if request.operation != "decision":
            assert f"{request.method} {request.path}" in shown


def test_walk_without_scripts_by_keyboard(broker: Broker, browser: Browser) -> None:
    """Without scripts, Tab and Enter are enough to get a key."""
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(broker.sandbox.url)
        for name in [
            "Try it: connect an account, step by step",
            "Start with Fast API 2.0",
            "Open the login page",
            "Approve",
            *["Send this request"] * len(STEPS),
        ]:
            press(page, name)
        page.get_by_role("heading", name="You have a key").wait_for()
    assert len(broker.sandbox.keys) == 1


def press(page: Page, name: str) -> None:
    """Go to a link or a button with the Tab key, and press Enter."""
    target = page.get_by_text(name, exact=True)
    target.wait_for()
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text() == name:
            break
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_refused_step_says_why(broker: Broker, page: Page, page_problems: list[str]) -> None:
    """A refused step shows the answer, the reason and the remedy, and can be repeated."""
    page.goto(broker.sandbox.url)
    approve(page, "2.0")
    page.get_by_role("button", name="Send this request").wait_for()
    broker.sandbox.advance(601)
    page.get_by_role("button", name="Send this request").click()
    page.get_by_text("authorization code has expired").first.wait_for()

    assert "Exchange the code within ten minutes" in page.locator("p.problem").first.inner_text()
    assert page.get_by_role("button", name="Send this request").is_visible()
    check_page(page, "walk-refused")


def test_lost_answer_is_shown_as_such(broker: Broker, page: Page) -> None:
    """The fault "lost", chosen on the start page, strikes the walk and uses up the walk's code."""
    page.goto(broker.sandbox.url)
    page.get_by_role("button", name="Exchange: done, answer lost").click()
    page.get_by_text("strikes 1 more").wait_for()
    approve(page, "1.0")
    page.get_by_role("button", name="Send this request").click()
    page.get_by_text("(the connection ended here)").wait_for()
    page.get_by_role("button", name="Send this request").click()
    page.get_by_text("authorization code was already used").first.wait_for()


def test_cancelled_login_can_be_repeated(broker: Broker, page: Page) -> None:
    """After Cancel the walk says so and offers the login page again."""
    page.goto(broker.sandbox.url)
    page.get_by_role("link", name="Try it").first.click()
    page.get_by_role("button", name="Fast API 2.0").click()
    page.get_by_role("link", name="Open the login page").click()
    page.get_by_role("button", name="Cancel").click()

    page.get_by_text("The user has cancelled").wait_for()
    page.get_by_role("link", name="Open the login page").click()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Send this request").wait_for()


def test_controls_work(broker: Broker, page: Page) -> None:
    """The buttons wind the clock, queue faults, switch scenarios, delete a key and reset."""
    key = broker.sandbox.connect()
    page.goto(broker.sandbox.url)
    page.get_by_role("button", name="+ 3 days").click()
    page.get_by_text("3 days ahead").wait_for()
    page.get_by_role("combobox", name="Call").select_option("refresh")
    page.get_by_label("Fault", exact=True).fill("429:7")
    page.get_by_label("How many calls").fill("2")
    page.get_by_role("button", name="Add this fault").click()
    page.get_by_text("strikes 2 more").wait_for()
    (fault,) = broker.sandbox.waiting_faults
    assert (fault.operation, str(fault.fault), fault.times) == ("refresh", "429:7", 2)
    page.get_by_role("button", name=f"Delete {key.api_name}").click()
    page.get_by_text("no longer works").wait_for()
    assert broker.sandbox.keys == ()
    page.get_by_label("Keys that can withdraw").check()
    page.get_by_role("button", name="Switch to this scenario").click()
    scenario = page.locator("label").filter(has_text="Keys that can withdraw")
    scenario.get_by_text("(now)").wait_for()
    assert page.get_by_label("Keys that can withdraw").is_checked()
    page.get_by_role("button", name="Reset").click()
    page.get_by_text("No fault is waiting").wait_for()
    assert page.get_by_label("As started").is_checked()
    assert "ahead" not in page.locator("#clock > p").first.inner_text()


def test_mistake_is_said(broker: Broker, page: Page, page_problems: list[str]) -> None:
    """If a fault does not exist, the start page says so, and stays accessible and not too wide."""
    page.goto(broker.sandbox.url)
    page.get_by_label("Fault", exact=True).fill("no such thing")
    page.get_by_role("button", name="Add this fault").click()

    assert "unknown fault 'no such thing'" in page.get_by_role("alert").inner_text()
    check_page(page, "start-problem")
    assert len(page_problems) == 1
    page_problems.clear()


def test_other_pages_are_accessible(
    new_broker: Callable[..., Broker], page: Page, page_problems: list[str]
) -> None:
    """axe-core finds nothing on three error pages, nor on the form_post page."""
    broker = new_broker(callback="form_post")
    page.add_init_script("HTMLFormElement.prototype.submit = () => {}")  # stay on the form
    page.goto(broker.login_url("https%3A%2F%2Fshop.example"))
    page.get_by_text("the redirect URL must not be encoded").wait_for()
    check_page(page, "error-login")
    page.goto(f"{broker.sandbox.url}/sandbox/try/unknown")
    page.get_by_text("start a new one").wait_for()
    check_page(page, "error-walk")
    page.goto(broker.login_url())
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Continue").wait_for()
    check_page(page, "form-post")
    page.goto(broker.login_url())
    ticket = page.locator("[name=ticket]").input_value()
    broker.form("/oauth/decision", {"ticket": ticket, "decision": "cancel"})
    page.get_by_role("button", name="Approve").click()
    page.get_by_text("This request was already answered").wait_for()
    check_page(page, "error-answered")
    assert len(page_problems) == 3
    page_problems.clear()


def test_pages_are_accessible(new_broker: Callable[..., Broker], page: Page) -> None:
    """axe-core finds nothing on start, consent and "try it" pages, and nothing is too wide."""
    broker = new_broker(account=["alice@example.com", "b" * 60 + "@example.com"])
    page.goto(broker.sandbox.url)
    check_page(page, "start-empty")
    broker.wire.ask("GET", broker.login_target("https%3A%2F%2Fshop.example"))
    broker.wire.ask("GET", broker.token_target("w" * 200))
    broker.sandbox.fail_next("token", "envelope:1:" + "x" * 80)
    broker.wire.ask("GET", broker.token_target("y"))
    broker.sandbox.fail_next("rest", "lost", times=3)
    broker.new_key()
    broker.sandbox.delete_key(broker.sandbox.connect().api_key)
    page.reload()
    check_page(page, "start-full")
    page.get_by_role("link", name="Try it").first.click()
    check_page(page, "try")
    page.get_by_role("button", name="Fast API 2.0").click()
    check_page(page, "walk-login")
    page.get_by_role("link", name="Open the login page").click()
    check_page(page, "consent")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Send this request").click()
    page.locator(".current").get_by_text("Ask for the API key").wait_for()
    check_page(page, "walk-key")
    for _ in STEPS[1:]:
        page.get_by_role("button", name="Send this request").click()
    page.get_by_role("heading", name="You have a key").wait_for()
    check_page(page, "walk-end")
    assert re.fullmatch(r"Try it.* · Sandbox", page.title())

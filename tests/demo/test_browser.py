"""The main path in a real browser, from the sign-in to the connected account."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authlib_kucoin.sandbox import Sandbox
from tests.demo.apps import MakeApp
from tests.demo.test_security import served

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def url(make_app: MakeApp) -> Iterator[str]:
    """The demo, served. Asked for before the page, so that it is there until the page is closed."""
    with served(make_app()) as url:
        yield url


def _look(page: Page, name: str) -> None:
    """Save what the page looks like, if somebody wants to see."""
    page.wait_for_load_state()
    if folder := os.environ.get("SCREENSHOT_DIR"):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for device, width in (("desktop", 1100), ("phone", 390)):
                page.set_viewport_size({"width": width, "height": 800})
                file = Path(folder) / f"{name}-{device}-{scheme}.png"
                page.screenshot(path=file, full_page=True)
    # Nothing is wider than a small phone.
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def _sign_in(page: Page, url: str) -> None:
    page.goto(url)
    _look(page, "sign-in")
    page.get_by_label("Name").fill("alice")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    page.wait_for_load_state()


def test_connect_and_approve(url: str, page: Page, sandbox: Sandbox) -> None:
    """Sign in, Connect, Approve on KuCoin's page; the account stands there with its permissions."""
    _sign_in(page, url)
    _look(page, "no-account")
    page.get_by_role("button", name="Connect KuCoin").click()
    assert page.url.startswith(f"{sandbox.url}/oauth?")
    page.get_by_role("button", name="Approve").click()
    assert page.url == f"{url}/kucoin/attempts/1"  # the code is gone from the address
    assert page.get_by_role("heading", level=1).inner_text() == (
        "Your KuCoin account 165111215 is connected"
    )
    _look(page, "connected")
    page.get_by_role("link", name="Your accounts", exact=True).click()
    card = page.get_by_role("article", name="Account 165111215")
    assert "Spot" in card.get_by_role("table").inner_text()
    _look(page, "accounts")
    # The forms of the card, each behind a text that says what it will do.
    card.get_by_role("button", name="Check").click()
    assert page.url == f"{url}/#key-1"
    card.locator("summary", has_text="New key").click()
    _look(page, "new-key")
    card.get_by_role("button", name="Get a new key").click()
    page.get_by_role("button", name="Approve").click()
    assert "The old key still exists" in page.get_by_role("main").inner_text()
    _look(page, "replaced")
    page.goto(url)
    card.locator("summary", has_text="Disconnect").click()
    card.get_by_role("button", name="Delete the credentials").click()
    assert "No account is connected" in page.get_by_role("main").inner_text()
    _look(page, "disconnected")
    assert [key.api_name[-2:] for key in sandbox.issued_keys] == ["-1", "-2"]


def test_cancel(url: str, page: Page) -> None:
    """Cancel on KuCoin's page leads to one that says that nothing happened."""
    _sign_in(page, url)
    page.get_by_role("button", name="Connect KuCoin").click()
    page.get_by_role("button", name="Cancel").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Your account was not connected"
    _look(page, "cancelled")


def test_unknown_and_back(url: str, page: Page, sandbox: Sandbox) -> None:
    """A lost answer is told; going back from there asks KuCoin for nothing again."""
    _sign_in(page, url)
    sandbox.fail_next("create_api_key", "lost")
    page.get_by_role("button", name="Connect KuCoin").click()
    page.get_by_role("button", name="Approve").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Please look in your KuCoin account"
    _look(page, "unknown")
    page.go_back()
    page.go_forward()
    assert page.get_by_role("heading", level=1).inner_text() == "Please look in your KuCoin account"
    assert sandbox.totals["create_api_key"] == 1


def test_keyboard(url: str, page: Page) -> None:
    """The page can be used without a mouse: the first Tab offers to skip to the content."""
    _sign_in(page, url)
    page.goto(url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url == f"{url}/#main"

"""The consent page and the return to the broker, in a real browser.

The browser enforces the pages' content security policy.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tests.sandbox.broker import Broker

pytestmark = pytest.mark.nightly


class _Shop(BaseHTTPRequestHandler):
    """A broker's server, whose callback redirects the browser to another origin."""

    def do_GET(self) -> None:
        if self.path.startswith("/callback"):
            self.send_response(303)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/done")  # type: ignore[attr-defined]
        else:
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def callback_url() -> Iterator[str]:
    """The callback URL of a running `_Shop`, on another origin than the sandbox."""
    with HTTPServer(("127.0.0.1", 0), _Shop) as shop:
        thread = threading.Thread(target=shop.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{shop.server_port}/callback?a=b"
        shop.shutdown()
        thread.join()


@pytest.mark.parametrize("callback", ["plain", "form_post"])
@pytest.mark.parametrize("button", ["Approve", "Cancel"])
def test_button_leads_back_to_the_broker(
    new_broker: Callable[..., Broker], page: Page, callback_url: str, callback: str, button: str
) -> None:
    """Either button leads to the callback, and on to a third origin; the policy blocks no step."""
    broker = new_broker(callback=callback)
    page.goto(broker.login_url(callback_url))
    assert page.title() == "Connect Example Broker · Sandbox"

    page.get_by_role("button", name=button).click()
    page.wait_for_url("http://localhost:*/done")

    assert {request.operation for request in broker.sandbox.requests} == {"authorize", "decision"}


def test_user_chooses_in_the_browser(
    new_broker: Callable[..., Broker], page: Page, callback_url: str
) -> None:
    """The user chooses the second account and unchecks a box; the key reflects both."""
    broker = new_broker(account=["alice@example.com", "bob@example.com"])
    page.goto(broker.login_url(callback_url))
    page.get_by_label("bob@example.com").check()
    page.get_by_label("Subscribe to and redeem Earn products").uncheck()
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url("http://localhost:*/done")

    (code,) = broker.sandbox._state._codes
    target = broker.token_target(code, callback_url)
    token = broker.wire.ask("GET", target).json["access_token"]
    broker.ask_key(token)
    (key,) = broker.sandbox.keys
    assert key.account.name == "bob@example.com"
    assert set(broker.sandbox.options.permissions) - set(key.permissions) == {"API_EARN"}


def test_without_scripts_the_form_has_a_button(
    new_broker: Callable[..., Broker], browser: Browser, callback_url: str
) -> None:
    """Without scripts, form_post mode needs one more press, of the button Continue."""
    broker = new_broker(callback="form_post")
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(broker.login_url(callback_url))
        page.get_by_role("button", name="Approve").click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url("http://localhost:*/done")


@pytest.mark.parametrize("width", [320, 1280])
def test_page_fits_the_screen(broker: Broker, page: Page, width: int) -> None:
    """On a desktop and on a small phone, the consent page is not too wide, and has its style."""
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(broker.login_url())

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    button = page.get_by_role("button", name="Approve")
    assert button.evaluate("e => getComputedStyle(e).borderRadius") == "10px"

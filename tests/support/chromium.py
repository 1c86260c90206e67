"""Chromium for the browser tests, and a watch over what its pages do."""

import ipaddress
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

_NAMES = (
    "/usr/bin/chromium",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_FLAGS = (
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page that names another host is a failed test; nothing is sent there, not even a look-up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
)


def find() -> str | None:
    """Return the path of a Chromium on this machine; `CHROMIUM` in the environment wins."""
    given = os.environ.get("CHROMIUM")
    return given or next((path for path in map(shutil.which, _NAMES) if path), None)


@contextmanager
def launched(executable: str) -> Iterator["Browser"]:
    """Run a headless Chromium, and Playwright's event loop, for as long as the context lasts."""
    from playwright.sync_api import sync_playwright

    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=executable, headless=True, args=flags
        ) as browser,
    ):
        yield browser


def open_page(context: "BrowserContext", problems: list[str]) -> "Page":
    """Open a page whose errors, and requests to other machines, are added to `problems`."""

    def on_console(message: "ConsoleMessage") -> None:
        url = message.location["url"]
        if message.type == "error" and not url.endswith("/favicon.ico"):  # Chromium's own idea
            problems.append(f"console: {message.text} ({url})")

    def on_request(request: "Request") -> None:
        if not _stays_here(request.url):
            problems.append(f"request to another host: {request.url}")

    context.set_default_timeout(10_000)
    context.on("console", on_console)
    context.on("weberror", lambda error: problems.append(f"page: {error.error}"))
    context.on("request", on_request)
    return context.new_page()


def _stays_here(url: str) -> bool:
    host = urlsplit(url).hostname
    if host in {None, "localhost"}:  # without one: data:, blob:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

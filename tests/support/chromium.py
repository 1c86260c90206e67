"""Chromium for the browser tests: page errors, requests to other hosts, accessibility."""

import ipaddress
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

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
    # Only loopback resolves: a page that names another host sends nothing, not even a DNS query.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
)


@contextmanager
def launched() -> Iterator["Browser"]:
    """Run a headless Chromium, or skip the test if Playwright or Chromium is not installed.

    `CHROMIUM` in the environment names the executable to use.
    """
    pytest.importorskip("playwright", reason="no browser driver: pip install playwright")
    from playwright.sync_api import sync_playwright

    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        pytest.skip("no Chromium: apt-get install chromium, or set CHROMIUM to its path")
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with (
        _unmeasured(),
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=executable, headless=True, args=flags
        ) as browser,
    ):
        yield browser


@contextmanager
def _unmeasured() -> Iterator[None]:
    """Pause coverage, because Playwright switches greenlets within a test.

    Coverage could follow these switches with `concurrency = greenlet`, but with that setting
    greenlet was seen to hang when it cleaned up after a thread.
    """
    coverage = sys.modules.get("coverage")
    measuring = coverage.Coverage.current() if coverage else None
    if measuring:
        measuring.stop()
    try:
        yield
    finally:
        if measuring:
            measuring.start()


def open_page(context: "BrowserContext", problems: list[str]) -> "Page":
    """Open a page; add its errors, and its requests to hosts other than loopback, to `problems`."""

    def on_console(message: "ConsoleMessage") -> None:
        url = message.location["url"]
        # Chromium asks for /favicon.ico by itself, and logs an error if there is none.
        if message.type == "error" and not url.endswith("/favicon.ico"):
            problems.append(f"console: {message.text} ({url})")

    def on_request(request: "Request") -> None:
        if not _stays_here(request.url):
            problems.append(f"request to another host: {request.url}")

    context.set_default_timeout(10_000)
    context.on("console", on_console)
    context.on("weberror", lambda error: problems.append(f"page: {error.error}"))
    context.on("request", on_request)
    return context.new_page()


def check_page(page: "Page", name: str) -> None:
    """Assert that a page is accessible and not too wide.

    axe-core must find no violation in the light scheme at 1280 pixels and in the dark scheme at
    390. The page must fit into these widths, and into 320 pixels. If ``SCREENSHOT_DIR`` is set,
    each of the two widths is checked in both schemes, and screenshots are saved there. Afterwards,
    the page is 1280 pixels wide, in the dark scheme.
    """
    page.wait_for_load_state()  # until the style sheet is there
    folder = os.environ.get("SCREENSHOT_DIR")
    schemes: tuple[tuple[Any, int], ...] = (("light", 1280), ("dark", 390))
    if folder:
        schemes += (("light", 390), ("dark", 1280))
    for scheme, width in schemes:
        page.emulate_media(color_scheme=scheme)
        _resize(page, width)
        if folder:
            page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
        assert _violations(page) == []
    _resize(page, 320)
    _resize(page, 1280)


def _resize(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def _violations(page: "Page") -> list[Any]:
    """Return each rule that axe-core finds broken, with the elements that break it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core").Axe()
    # `Axe.run` would load axe-core into the page for each run, which takes longer than the run.
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.axe_script)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]


def _stays_here(url: str) -> bool:
    host = urlsplit(url).hostname
    if host in {None, "localhost"}:  # data: and blob: URLs have no host
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Tests of the built documentation, for example of its definitions and its accessibility."""

import functools
import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.project.snippets import ROOT
from tests.support.chromium import check_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: The pages to test with axe, which takes seconds for each page. Together they have all kinds of
#: content: tables, pictures, definitions, code, lists, a form.
PAGES = ("index", "how-it-works", "proxies", "start", "going-live", "comparison", "search")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", ROOT / "docs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_no_definition_is_run_together(site: Path) -> None:
    """No term and no definition of a definition list has become ordinary text.

    If the blank line before a term is missing, the term becomes part of the definition above it,
    and the term above gets two definitions. If a definition is not below its term, the colon is
    shown.
    """
    lists = 0
    for page in site.glob("*.html"):
        text = re.sub(r"<pre.*?</pre>", "", page.read_text(), flags=re.DOTALL)
        lists += len(re.findall(r'<dl class="[^"]*myst">', text))
        assert re.findall(r"(?:\n|<p>): .{0,60}", text) == [], page.name
        assert re.findall(r".{0,60}</p>\s*</dd>\s*<dd><p>.{0,60}", text) == [], page.name
    assert lists > 5


def test_the_pictures_are_drawn(site: Path) -> None:
    """The page how-it-works has two pictures, each with a text for people who cannot see it."""
    page = (site / "how-it-works.html").read_text()
    assert len(re.findall(r'<svg role="img" aria-label="[^"]{40,}"', page)) == 2


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """No tag `script`, `img` or `link` of a page has an http or https address."""
    for page in site.glob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text()
        )
        assert loaded == [], page.name


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The address of the built pages."""
    handler = functools.partial(_Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible(page: "Page", served: str, name: str) -> None:
    """axe-core reports no violation in seven pages, and none of them is wider than the screen."""
    page.goto(f"{served}/{name}.html")
    check_page(page, name)

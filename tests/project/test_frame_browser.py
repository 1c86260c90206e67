"""The browser fixtures load pages, and record a page's errors and requests to other hosts."""

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from flask import Flask, Response, request
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def echo_url() -> Iterator[str]:
    """The URL of a server on loopback that answers as the query tells it to."""
    app = Flask("echo")

    @app.get("/")
    def echo() -> Response:
        headers = {"Location": request.args["to"]} if "to" in request.args else {}
        return Response(request.args.get("html"), request.args.get("status", 200, int), headers)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_page_renders(page: "Page", echo_url: str) -> None:
    """A page from loopback loads, and its script runs."""
    page.goto(f"{echo_url}?html=<p>hi</p><script>document.title='ran'</script>")
    assert page.locator("p").inner_text() == "hi"
    assert page.title() == "ran"


def test_pages_are_other_users(new_page: Callable[[], "Page"], echo_url: str) -> None:
    """A cookie of one page is not visible to another."""
    one, two = new_page(), new_page()
    for page in (one, two):
        page.goto(echo_url)
    one.evaluate("document.cookie = 'a=1'")
    assert one.evaluate("document.cookie") == "a=1"
    assert two.evaluate("document.cookie") == ""


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("html=<script>console.error('broken')</script>", "console: broken"),
        ("html=<script>throw new Error('thrown')</script>", "page: thrown"),
        ("status=400&html=no", "console: Failed to load resource"),
        (
            "html=<img src='http://shop.example/a.png'>",
            "request to another host: http://shop.example/a.png",
        ),
        (
            "html=<script src='//192.0.2.1/a.js'></script>",
            "request to another host: http://192.0.2.1",
        ),
    ],
)
def test_problems_are_noticed(
    page: "Page", page_problems: list[str], echo_url: str, query: str, problem: str
) -> None:
    """The fixture records an error of a page, and a request of a page to another host."""
    page.goto(f"{echo_url}?{query}")
    assert page_problems[0].startswith(problem)
    page_problems.clear()


def test_redirects_are_watched(page: "Page", page_problems: list[str], echo_url: str) -> None:
    """A redirect to another host is recorded as a request to another host."""
    with pytest.raises(Exception, match="ERR_NAME_NOT_RESOLVED"):
        page.goto(f"{echo_url}?status=302&to=http://shop.example/")
    assert "request to another host: http://shop.example/" in page_problems
    page_problems.clear()

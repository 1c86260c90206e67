"""Plays a person with a browser, who connects an account in a running application."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import requests


class Walker:
    """A person who presses the application's button, and approves or cancels at the sandbox."""

    def __init__(self, app: str, sandbox: str) -> None:
        self.app, self.sandbox = app, sandbox
        self.browser = requests.Session()

    def callback(self, decision: str) -> str:
        """Press the button, decide, and return the callback URL."""
        page = self.browser.get(self.app)
        action = re.search(r'action="([^"]+)"', page.text)
        assert action, page.text
        login = self.browser.post(
            urljoin(page.url, action[1]),
            data=_fields(page),
            headers={"Referer": page.url},
            allow_redirects=False,
        )
        assert login.status_code == 302, login.text
        consent = self.browser.get(login.headers["Location"])
        assert consent.ok, consent.text
        action = re.search(r'action="([^"]+)"', consent.text)
        assert action, consent.text
        answer = self.browser.post(
            urljoin(consent.url, action[1]),
            data=[*_fields(consent), ("decision", decision)],
            allow_redirects=False,
        )
        assert answer.is_redirect, answer.text
        return answer.headers["Location"]

    def come_back(self, callback: str) -> str:
        """Open the callback and return the text of the final page."""
        page = self.browser.get(callback)
        assert page.status_code == 200, page.text
        assert "code=" not in page.url
        return page.text

    def fail_next(self, operation: str, fault: str) -> None:
        """Make the sandbox answer the next call of an operation with a fault."""
        asked = {"operation": operation, "fault": fault}
        assert requests.post(f"{self.sandbox}/sandbox/faults", json=asked, timeout=10).ok

    def sign_in(self, username: str, password: str) -> None:
        """Fill in and submit the application's sign-in form."""
        page = self.browser.get(self.app)
        fields = [*_fields(page), ("username", username), ("password", password)]
        assert self.browser.post(page.url, fields, headers={"Referer": page.url}).ok


def _fields(page: requests.Response) -> list[tuple[str, str]]:
    """Return the hidden fields and ticked boxes of a page, as a browser would submit them."""
    inputs = [
        dict(re.findall(r'([\w-]+)(?:="([^"]*)")?', tag))
        for tag in re.findall(r"<input ([^>]*)>", page.text)
    ]
    return [
        (field["name"], field.get("value", "on"))
        for field in inputs
        if field.get("type") == "hidden" or "checked" in field
    ]


def walk(app: str, sandbox: str) -> None:
    """Take a person's steps, and check the page that the application shows after each.

    Connect; open the used callback again; cancel; connect while the token call gets a 503; connect
    while the answer with the key is lost.
    """
    walker = Walker(app, sandbox)
    used = walker.callback("approve")
    assert "is connected" in walker.come_back(used)
    assert "No account was connected" in walker.come_back(used)
    assert "No account was connected" in walker.come_back(walker.callback("cancel"))
    walker.fail_next("token", "503")
    assert "did not answer as expected" in walker.come_back(walker.callback("approve"))
    walker.fail_next("create_api_key", "lost")
    assert "API management page" in walker.come_back(walker.callback("approve"))


def walk_signed_in(app: str, sandbox: str, username: str, password: str) -> None:
    """Take the steps of `walk` after a sign-in; python-social-auth has other messages."""
    walker = Walker(app, sandbox)
    walker.sign_in(username, password)
    used = walker.callback("approve")
    assert "(connected)" in walker.come_back(used)
    assert 'role="alert"' in walker.come_back(used)
    assert 'role="alert"' in walker.come_back(walker.callback("cancel"))
    walker.fail_next("token", "503")
    assert 'role="alert"' in walker.come_back(walker.callback("approve"))
    walker.fail_next("create_api_key", "lost")
    assert "API management page" in walker.come_back(walker.callback("approve"))

"""A walk through the whole flow: plays the broker's server, and keeps requests and answers."""

from __future__ import annotations

import json
import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

from . import _trial_requests
from ._http import Request, Response, reason
from ._raw import answer_text, request_text, without_browser_headers
from ._refusal import RecordedRefusal, recorded
from ._router import Router
from ._trial_requests import STEPS, Caller, Step

#: The path of the walk's redirect URL.
CALLBACK: Final = "/sandbox/try/callback"

_BY_BROWSER: Final = "The browser to KuCoin"
_BRACKETS: Final = re.compile(r"\[[^\[\]]*\]")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as text to show. Requests of the browser are shown abridged.

    Attributes:
        step: The step that it belongs to; "login" for the browser's requests.
        sender: Who sends the request to whom.
    """

    step: str
    sender: str
    request: str = field(repr=False)
    answer: str = field(repr=False)
    refusal: RecordedRefusal | None = None


class Trial:
    """A walk: plays the broker's server for one user. The walk's id is the `state` of its login."""

    def __init__(self, kucoin: Router, base: str, fast_api: int) -> None:
        """Begin before the login.

        Args:
            kucoin: Answers the requests.
            base: The base URL at which the browser reaches the sandbox.
            fast_api: The version of the Fast API by which to ask for a key.
        """
        self.state: Final = secrets.token_urlsafe(12)
        self.fast_api: Final = fast_api
        self._kucoin = kucoin
        self._host = base.partition("://")[2]
        # A query cannot hold the brackets of an IPv6 address unencoded, so use a host name instead.
        self._redirect_uri = f"{_BRACKETS.sub('localhost', base)}{CALLBACK}"
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._done = 0
        self._exchanges: list[Exchange] = []

    @property
    def login_target(self) -> str:
        """Path and query of the login page."""
        return _trial_requests.login_target(self._caller(""), self.state)

    @property
    def next_step(self) -> Step | None:
        """The next step; None before the user has come back with a code and after the last step."""
        return STEPS[self._done] if "code" in self._known and self._done < len(STEPS) else None

    @property
    def is_finished(self) -> bool:
        """Whether every step is done."""
        return self._done == len(STEPS)

    @property
    def key(self) -> dict[str, str]:
        """The key's `apiKey`, and its `permission` from key info; each empty until known."""
        permissions = self._known.get("permission", "").replace(",", ", ")
        return {"apiKey": self._known.get("apiKey", ""), "permission": permissions}

    def exchanges(self) -> list[Exchange]:
        """Return the kept requests of the browser and then of the server, with their answers."""
        return [*self._logins(), *self._exchanges]

    def preview(self, client_ip: str) -> str:
        """Return the next step's request as text, as it would be sent now.

        Return an empty string if there is no next step.
        """
        step = self.next_step
        return request_text(step.request(self._caller(client_ip))) if step else ""

    def come_back(self, request: Request) -> None:
        """Handle the browser's request for the redirect URL; do nothing if a code came before."""
        form = request.method == "POST"
        fields = parse_qs((request.body if form else request.query) or "")
        answer = (
            "(Your site's own page. Check first that the state is the one that you sent. Then "
            "exchange the code.)"
        )
        with self._lock:
            if "code" in self._known:
                return
            if fields.get("success") != ["false"] and fields.get("code"):
                self._known["code"] = fields["code"][0]
            else:
                answer = "(Your site's own page. The user has cancelled, so there is no code.)"
            sent = request_text(without_browser_headers(request))
            self._exchanges += [
                self._decision(request),
                Exchange("login", "The browser to your site", sent, answer),
            ]

    def send(self, name: str, client_ip: str) -> float:
        """Send the request of the next step, if `name` is that step; otherwise do nothing.

        So once a step has worked, another press of its button sends nothing.

        Returns:
            The seconds for which a fault holds the answer back.
        """
        with self._lock:
            step = self.next_step
            if step is None or step.name != name:
                return 0.0
            request = step.request(self._caller(client_ip))
            response = self._kucoin.answer(request)
            self._exchanges.append(
                Exchange(
                    step.name,
                    "Your server to KuCoin",
                    request_text(request),
                    answer_text(response, request),
                    recorded(response.result),
                )
            )
            found = _read(step, response)
            if found is not None:
                self._known |= found
                self._done += 1
            return response.delay

    def _caller(self, client_ip: str) -> Caller:
        state = self._kucoin.state
        return Caller(
            state.options,
            self._host,
            self._redirect_uri,
            self.fast_api,
            state.clock.now(),
            client_ip,
            self._known,
        )

    def _decision(self, request: Request) -> Exchange:
        """Return the `Exchange` before the callback: the form of the consent page, abridged."""
        if request.method == "POST":
            answer = "HTTP/1.1 200 OK\n\n(a page that posts a form to the redirect URL)"
        else:
            query = request.target.removeprefix(CALLBACK)
            answer = f"HTTP/1.1 303 See Other\nLocation: {self._redirect_uri}{query}"
        sent = f"POST /oauth/decision HTTP/1.1\nHost: {self._host}\n\n(the user's decision)"
        return Exchange("login", _BY_BROWSER, sent, answer)

    def _logins(self) -> list[Exchange]:
        """Return the browser's requests for the walk's login page that the journal has."""
        return [
            Exchange(
                "login",
                _BY_BROWSER,
                f"{record.method} {record.target} HTTP/1.1\nHost: {record.headers.get('host', '')}",
                _login_answer(record.status),
                record.refusal,
            )
            for record in self._kucoin.journal.records()
            if record.operation == "authorize" and record.target.endswith(f"state={self.state}")
        ]


def _read(step: Step, response: Response) -> dict[str, str] | None:
    """Return the values that the walk keeps; None if the answer was lost or lacks them."""
    if response.ending != "keep":
        return None
    try:
        return step.read(json.loads(response.body))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _login_answer(status: int | None) -> str:
    if status is None:
        return "(the connection ended here)"
    return f"HTTP/1.1 {status} {reason(status)}\n\n(the page that you have seen)"

"""The pages of "try it", which lead a user through the whole flow, one request at a time.

One pass through the flow is called a walk.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs

from . import _pages
from ._fast_api import VERSION_2
from ._forms import Form, see
from ._http import Request, Response
from ._refusal import place
from ._router import Router
from ._trial import CALLBACK, Exchange, Trial
from ._trial_requests import STEPS

#: The path of the page that begins a walk. The path of each walk's own page begins with it.
PATH: Final = "/sandbox/try"

_KEPT: Final = 100
_VERSIONS: Final = {"1": 1, "2": 2}
_LOGIN: Final = {
    "name": "login",
    "title": "Send the user to KuCoin",
    "section": place("7.1"),
    "text": "Your site redirects the browser to KuCoin's login page. The redirect URL stands in "
    "the query as it is, without percent-encoding. The user approves, and KuCoin sends the "
    "browser back to the redirect URL with a code. The code works once, within 10 minutes.",
}


class _UnknownWalkError(ValueError):
    """No walk has this id, or the walk was forgotten because there were too many."""


class TryPages:
    """Begins walks, shows them, and sends their requests."""

    def __init__(self, kucoin: Router) -> None:
        """Send the requests to `kucoin`."""
        self._kucoin = kucoin
        self._lock = threading.Lock()
        self._trials: OrderedDict[str, Trial] = OrderedDict()

    def answer(self, request: Request, base: str) -> Response:
        """Return a page, or redirect the browser to one."""
        try:
            if request.path == CALLBACK:
                return self._come_back(request)
            if request.path == PATH:
                return self._begin(request, base)
            return self._walk(request)
        except _UnknownWalkError as error:
            return self._first_page(str(error), 404)
        except ValueError as error:
            return self._first_page(str(error), 400)

    def _begin(self, request: Request, base: str) -> Response:
        if request.method == "GET":
            return self._first_page()
        version = _VERSIONS.get(Form(request).text("fast_api"))
        if version not in self._versions():
            raise ValueError("this sandbox does not offer this version of the Fast API")
        trial = Trial(self._kucoin, base, version)
        with self._lock:
            self._trials[trial.state] = trial
            if len(self._trials) > _KEPT:
                self._trials.popitem(last=False)
        return _see(trial)

    def _come_back(self, request: Request) -> Response:
        text = request.body if request.method == "POST" else request.query
        trial = self._find(parse_qs(text or "").get("state", [""])[0])
        trial.come_back(request)
        return _see(trial)

    def _walk(self, request: Request) -> Response:
        trial = self._find(request.path.removeprefix(f"{PATH}/"))
        if request.method == "GET":
            return self._walk_page(trial, request)
        delay = trial.send(Form(request).text("step"), request.client_ip)
        return replace(_see(trial), delay=delay)

    def _find(self, state: str) -> Trial:
        with self._lock:
            trial = self._trials.get(state)
        if trial is None:
            raise _UnknownWalkError("the sandbox does not know this walk any more; start a new one")
        return trial

    def _versions(self) -> tuple[int, ...]:
        offered = self._kucoin.state.options.fast_api
        return (2, 1) if offered == "both" else (offered,)

    def _first_page(self, problem: str | None = None, status: int = 200) -> Response:
        versions = self._versions()
        values = {
            "title": "Try it",
            "problem": problem,
            "versions": [{"number": each, "main": each == versions[0]} for each in versions],
            "steps": _steps(versions[-1]),
        }
        return _pages.own("try.html", values, status)

    def _walk_page(self, trial: Trial, request: Request) -> Response:
        exchanges, now = trial.exchanges(), trial.next_step
        current = now.name if now else "" if trial.is_finished else "login"
        values = {
            "title": "Try it: step by step",
            "path": f"{PATH}/{trial.state}",
            "login": trial.login_target,
            "host": request.headers.get("host", ""),
            "preview": trial.preview(request.client_ip),
            "finished": trial.is_finished,
            "key": trial.key,
            "steps": [
                step | _progress(step["name"], current, exchanges)
                for step in _steps(trial.fast_api)
            ],
        }
        return _pages.own("walk.html", values)


def _steps(fast_api: int) -> list[dict[str, Any]]:
    others = [
        {
            "name": step.name,
            "title": step.title,
            "section": VERSION_2 if (step.name, fast_api) == ("key", 2) else place(step.section),
            "text": step.text,
        }
        for step in STEPS
    ]
    return [_LOGIN, *others]


def _progress(name: str, current: str, exchanges: list[Exchange]) -> dict[str, Any]:
    """Return the progress of a step: its requests so far, and whether it is the next step."""
    own = [each for each in exchanges if each.step == name]
    return {
        "sent": [
            {
                "sender": each.sender,
                "request": each.request,
                "answer": each.answer,
                "last": each is exchanges[-1],
                "refusal": each.refusal
                and {"text": each.refusal.text, "advice": each.refusal.advice},
            }
            for each in own
        ],
        "current": name == current,
        "login_now": name == current == "login",
        "send_now": name == current != "login",
        "again": bool(own),
        "begun": bool(own) or name == current,
        "done": bool(own) and name != current,
    }


def _see(trial: Trial) -> Response:
    return see(f"{PATH}/{trial.state}#now")

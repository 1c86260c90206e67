"""KuCoin's own calls: find the route, check the method, play a fault if one is due, record."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from . import _checks, _consent, _endpoints
from ._endpoints import envelope
from ._faults import FaultQueue
from ._http import Request, Response
from ._journal import Journal
from ._refusal import Refusal
from ._state import State

logger: Final = logging.getLogger("authlib_kucoin.sandbox")


@dataclass(frozen=True, slots=True)
class Route:
    """One call: its name, the only method it takes, and the section that says so."""

    operation: str
    method: str
    section: str
    handle: Callable[[Request, State], Response]


#: The sandbox serves KuCoin's web host and REST host on one port, so these paths share a table.
ROUTES: Final = {
    "/oauth": Route("authorize", "GET", "7.1", _consent.authorize),
    "/oauth/decision": Route("decision", "POST", "7.1", _consent.decide),
    "/_oauth/access-token": Route("token", "GET", "7.2", _endpoints.token),
    "/_oauth/refresh-token": Route("refresh", "POST", "7.3", _endpoints.refresh),
    "/_oauth/validate-access-token": Route("validate", "POST", "7.4", _endpoints.validate),
    "/_oauth/resource/ucenter/outer/api-key/add": Route(
        "create_api_key", "POST", "4", _endpoints.create_api_key
    ),
    "/api/v1/user/api-key": Route(
        "api_key_info", "GET", "menu, Get Apikey Info", _endpoints.api_key_info
    ),
}


class Router:
    """Answers KuCoin's calls from a state, a queue of faults and a journal."""

    def __init__(self, state: State) -> None:
        """Start with no faults and an empty journal."""
        self.state = state
        self.faults = FaultQueue()
        self.journal = Journal()

    def answer(self, request: Request) -> Response:
        """Return the answer to a request, and record both."""
        route = ROUTES.get(request.path)
        if route is None:
            return self._recorded("unknown", request, _unknown_path())
        if request.method != route.method:
            return self._recorded(route.operation, request, _wrong_method(route))
        fault = self.faults.take(route.operation)
        if fault is None:
            response = self._act(route, request)
        else:
            response = fault.answer(request, lambda: self._act(route, request))
        return self._recorded(route.operation, request, response)

    def reset(self) -> None:
        """Forget everything."""
        self.state.reset()
        self.faults.clear()
        self.journal.clear()

    def _act(self, route: Route, request: Request) -> Response:
        try:
            if request.path.startswith("/_oauth/"):
                _checks.registered_ip(request.client_ip, self.state.options)
            return route.handle(request, self.state)
        except Refusal as refusal:
            logger.info("%s refused: %s", route.operation, refusal.text)
            return envelope(refusal.code, refusal.text)

    def _recorded(self, operation: str, request: Request, response: Response) -> Response:
        status = response.status if response.is_sent else None
        record = self.journal.record(operation, request, status)
        logger.info("%s %s -> %s", record.method, record.target, status or "no answer")
        return response


def _unknown_path() -> Response:
    text = (
        "there is no such path; KuCoin's Broker Fast API (document sections 4 and 7) has "
        + ", ".join(path for path in ROUTES if path != "/oauth/decision")
    )
    return envelope("sandbox.unknown_path", text, status=404)


def _wrong_method(route: Route) -> Response:
    refused = envelope(
        "sandbox.wrong_method",
        f"send this call with {route.method} (document section {route.section})",
        status=405,
    )
    return replace(refused, headers=(("Allow", route.method),))

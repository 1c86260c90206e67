"""KuCoin's own calls: finds the route, checks the method, plays a fault, records the request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from . import _checks, _consent, _fast_api, _rest
from ._answers import envelope
from ._fault_queue import FaultQueue
from ._http import Request, Response
from ._journal import Journal
from ._refusal import Refusal, cited, recorded
from ._state import State

logger: Final = logging.getLogger("authlib_kucoin.sandbox")


@dataclass(frozen=True, slots=True)
class Route:
    """One call of KuCoin: its operation, its only method, and the function that answers it.

    Attributes:
        section: The section of KuCoin's document, or the other source, that describes the call.
        fast_api: The only version of the Fast API that has this call; None if both versions have
            the call, or it is not one of the Fast API.
    """

    operation: str
    method: str
    section: str
    handle: Callable[[Request, State], Response]
    fast_api: int | None = None


#: KuCoin's calls and the form of its consent page, by path. The sandbox serves KuCoin's web host
#: and REST host on one port, so the paths of both are in one table.
ROUTES: Final = {
    "/oauth": Route("authorize", "GET", "7.1", _consent.authorize),
    "/oauth/decision": Route("decision", "POST", "7.1", _consent.decide),
    "/_oauth/access-token": Route("token", "GET", "7.2", _fast_api.token),
    "/_oauth/refresh-token": Route("refresh", "POST", "7.3", _fast_api.refresh),
    "/_oauth/validate-access-token": Route("validate", "POST", "7.4", _fast_api.validate),
    "/_oauth/resource/ucenter/outer/api-key/add": Route(
        "create_api_key", "POST", "4", _fast_api.create_api_key, fast_api=1
    ),
    "/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add": Route(
        "create_api_key",
        "POST",
        _fast_api.VERSION_2,
        _fast_api.create_api_key_v2,
        fast_api=2,
    ),
    "/api/v1/user/api-key": Route(
        "api_key_info", "GET", "document menu: Get Apikey Info", _rest.api_key_info
    ),
    **{
        path: Route("rest", "GET", "KuCoin's REST documentation", handle)
        for path, handle in _rest.CALLS.items()
    },
}


class Router:
    """Answers KuCoin's calls, plays the waiting faults, and records each request in a journal."""

    def __init__(self, state: State) -> None:
        """Start with no faults and an empty journal."""
        self.state = state
        self.faults = FaultQueue()
        self.journal = Journal()

    def answer(self, request: Request) -> Response:
        """Return the answer to a request, and record the request with the answer's status."""
        route = ROUTES.get(request.path)
        if route is None or not self._offers(route):
            return self._recorded("unknown", request, self._unknown_path(request))
        if request.method != route.method:
            return self._recorded(route.operation, request, _wrong_method(route))
        fault = self.faults.take(route.operation)
        if fault is None:
            return self._recorded(route.operation, request, self._act(route, request))
        response = fault.answer(request, lambda: self._act(route, request))
        return self._recorded(route.operation, request, response, str(fault.fault))

    def reset(self) -> None:
        """Forget what the state, the queue of faults and the journal hold."""
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
            return replace(envelope(refusal.code, refusal.text), result=refusal)

    def _offers(self, route: Route) -> bool:
        return route.fast_api is None or self.state.options.fast_api in {"both", route.fast_api}

    def _unknown_path(self, request: Request) -> Response:
        if request.path.startswith("/api/"):
            return _rest.unknown_path(request)
        paths = [
            path
            for path, route in ROUTES.items()
            if self._offers(route) and route.operation not in {"decision", "rest"}
        ]
        text = (
            "there is no such path; KuCoin's Broker Fast API (document sections 4 and 7) has "
            + ", ".join(paths)
        )
        return envelope("sandbox.unknown_path", text, status=404)

    def _recorded(
        self, operation: str, request: Request, response: Response, fault: str | None = None
    ) -> Response:
        status = response.status if response.is_sent else None
        refusal = recorded(response.result)
        record = self.journal.record(
            operation,
            request,
            status,
            received_at=self.state.clock.now(),
            refusal=refusal,
            fault=fault,
        )
        if logger.isEnabledFor(logging.INFO):
            fields = {
                "operation": operation,
                "method": record.method,
                "target": record.target,
                "status": status,
            }
            logger.info(
                "%s %s -> %s",
                record.method,
                record.target,
                status or "no answer",
                extra={"fields": fields},
            )
        return response


def _wrong_method(route: Route) -> Response:
    refused = envelope(
        "sandbox.wrong_method",
        f"send this call with {route.method} ({cited(route.section)})",
        status=405,
    )
    return replace(refused, headers=(("Allow", route.method),))

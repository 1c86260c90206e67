"""A server that gives KuCoin's usual answers and records each request."""

from __future__ import annotations

import json
import threading
from typing import Any

from tests.support.canaries import canaries
from tests.support.wire import Answer, Seen, Wire

TOKEN = {
    "access_token": canaries.new("an access token"),
    "token_type": "bearer",
    "expires_in": 3600,
    "refresh_token": canaries.new("a refresh token"),
    "scope": ["OAUTH_CREATE_API"],
}
REFRESHED = {
    **TOKEN,
    "access_token": canaries.new("an access token"),
    "refresh_token": canaries.new("a refresh token"),
}
_KEY = {
    "apiName": "broker-1",
    "apiKey": "key-id",
    "secret": canaries.new("a key's secret"),
    "passphrase": canaries.new("a key's passphrase"),
}
_INFO = {"uid": 165111215, "permission": "General,Spot", "createdAt": 1700000000000}
ANSWERS: dict[str, Any] = {
    "/_oauth/access-token": TOKEN,
    "/_oauth/refresh-token": REFRESHED,
    "/_oauth/validate-access-token": {"access_token": TOKEN["access_token"], "is_valid": True},
    "/_oauth/resource/ucenter/outer/api-key/add": {"success": True, "code": "200", "data": _KEY},
    "/_oauth/resource/cyber-truck-vault/v2/outer/api-key/add": {"success": True, "data": _KEY},
    "/api/v1/user/api-key": {"code": "200000", "data": _INFO},
}


class Recorder(Wire):
    """Chooses the answer by the request's path. Each answer sets a cookie, as KuCoin's edge does.

    Attributes:
        status: The status of every answer.
        go_on: While this event is cleared, answers are held back, for at most 60 s.
        asked: Set when a request arrives.
    """

    def __init__(self) -> None:
        super().__init__()
        self.status = 200
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.headers["Set-Cookie"] = "edge=1; Path=/"
        self.answer = self._by_path

    @property
    def requests(self) -> list[Seen]:
        """The requests so far."""
        return self.seen

    def __exit__(self, *_: object) -> None:
        """Stop, even while answers are held back."""
        self.go_on.set()
        super().__exit__()

    def _by_path(self, seen: Seen) -> Answer:
        self.asked.set()
        self.go_on.wait(60)
        return self.status, json.dumps(ANSWERS.get(seen.path, {}))

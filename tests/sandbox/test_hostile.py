"""Hostile requests: the sandbox answers, or ends the connection, and goes on serving."""

from __future__ import annotations

import random
from collections.abc import Iterator

from authlib_kucoin.sandbox import run_sandbox
from authlib_kucoin.sandbox._control import CALLS
from authlib_kucoin.sandbox._router import ROUTES
from tests.sandbox.broker import Wire

_WORDS = (
    *ROUTES,
    *CALLS,
    *(
        "GET",
        "POST",
        "HEAD",
        "TRACE",
        "é",
        "\x00",
        "\xff",
        "%",
        "%2",
        "%zz",
        "%00",
        "?",
        "&",
        "=",
        "#",
    ),
    *(" ", "\t", "//", "..", "{", "}", "[]", '{"url": 1}', '{"seconds": 1e308}', "[" * 2000),
    *(
        "code=",
        "redirect_uri=https://a/",
        "scope=OAUTH_CREATE_API",
        "grant_type=authorization_code",
    ),
    *("-1", "NaN", "null", "true", "0" * 300, "a" * 5000, "\U0001f600", "'", '"', "<script>", "\\"),
)
_HEADERS = (
    *("Content-Type", "Authorization", "Host", "Origin", "Cookie", "Content-Length", "Expect"),
    *("KC-API-KEY", "KC-API-SIGN", "KC-API-TIMESTAMP", "KC-API-PASSPHRASE", "KC-API-KEY-VERSION"),
    *("Connection", "Transfer-Encoding", "X-é", "", "A B", "Sec-Fetch-Site"),
)


def hostile_requests(count: int) -> Iterator[bytes]:
    """Yield requests from a fixed seed: real paths and words, joined at random."""
    dice = random.Random(20261126)  # noqa: S311 - repeatable, not secret

    def words(most: int) -> str:
        return "".join(dice.choice(_WORDS) for _ in range(dice.randint(0, most)))

    for _ in range(count):
        method = dice.choice(("GET", "POST", "POST", "PUT", "OPTIONS", words(1)))
        path = dice.choice((dice.choice([*ROUTES, *CALLS]), words(3)))
        query = dice.choice(("", f"?{words(5)}"))
        body = words(6).encode()
        lines = [f"{method} {path}{query} {dice.choice(('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'x'))}"]
        lines += [f"{dice.choice(_HEADERS)}: {words(2)}" for _ in range(dice.randint(0, 4))]
        kind = dice.choice(("application/json", "application/x-www-form-urlencoded", words(1)))
        lines += ["Host: localhost", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        yield "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + body


def bombard(count: int) -> None:
    """Check that each request gets a status below 500 or none, and the sandbox still works."""
    with run_sandbox() as sandbox:
        wire = Wire(sandbox)
        statuses: set[int] = set()
        for request in hostile_requests(count):
            try:
                wire.send(request)
                answer = wire.receive(bodyless=request.startswith(b"HEAD "))
                statuses.add(answer.status)
                ended = answer.headers["connection"] == "close"
            except ConnectionError:
                ended = True
            if ended:
                wire.close()
                wire = Wire(sandbox)
        wire.close()

        assert max(statuses) < 500
        assert {200, 400, 403, 404, 405} <= statuses
        with Wire(sandbox) as wire:
            assert wire.ask("GET", "/sandbox/health").status == 200


def test_a_thousand_hostile_requests() -> None:
    """The sandbox survives 1,000 hostile requests; `tests/nightly` sends ten times as many."""
    bombard(1000)

"""A connection is reused only if its last answer has certainly ended.

Alice asks for a key, and then Bob does, through the same app or client, or through social backends.
In each test, Bob gets his own key.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from authlib_kucoin import ApiKey, ApiKeyOutcomeUnknown
from tests.contract.stacks import CLIENTS, NewStack, Stack, everywhere, outcome_of
from tests.support.wire import Answer, Seen, Wire, whole

ADD = "/_oauth/resource/ucenter/outer/api-key/add"


def answer_to(user: str) -> bytes:
    """Return the answer with a user's key."""
    key = {"apiKey": user, "secret": f"{user}-secret", "passphrase": "phrase"}
    return whole(200, json.dumps({"success": True, "code": "200", "data": key}))


def good_answer(seen: Seen) -> bytes:
    """Return the answer that KuCoin would give: the user's key, or the description of a key."""
    if seen.path == ADD:
        return answer_to(seen.header("authorization").removeprefix("bearer "))
    data = {"uid": 1, "permission": "General", "apiKey": seen.header("kc-api-key")}
    return whole(200, json.dumps({"code": "200000", "data": data}))


def informational(*statuses: int) -> bytes:
    """Return informational answers with these statuses."""
    return b"".join(
        f"HTTP/1.1 {status} Info\r\nLink: </style.css>; rel=preload\r\n\r\n".encode()
        for status in statuses
    )


def in_chunks(answer: bytes) -> bytes:
    """Return the answer with its whole body in one chunk."""
    body = answer.partition(b"\r\n\r\n")[2]
    return b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        len(body),
        body,
    )


class Edge:
    """A server that can change the answer to Alice's request for a key.

    Attributes:
        wire: The server.
        to_alice: Returns what to send to Alice in place of the correct answer.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.to_alice: Callable[[bytes], Answer] = lambda answer: answer
        wire.answer = self._answer

    def _answer(self, seen: Seen) -> Answer:
        if seen.path == ADD and seen.header("authorization") == "bearer alice":
            return self.to_alice(good_answer(seen))
        return good_answer(seen)


def ask(stack: Stack, user: str) -> Any:
    """Ask for a user's key; return the key or the error."""
    return outcome_of(lambda: stack.create_api_key({"access_token": user}))


@pytest.fixture
def edge() -> Iterator[Edge]:
    """A server that can change the answer to Alice's request for a key."""
    with Wire() as wire:
        yield Edge(wire)


def _whole(before: bytes) -> Callable[[bytes], Answer]:
    return lambda answer: before + answer


def _in_pieces(before: bytes) -> Callable[[bytes], Answer]:
    def pieces(answer: bytes) -> Iterator[bytes]:
        yield before
        time.sleep(0.05)  # so that the answer is sent as a segment of its own
        yield answer

    return pieces


INFORMED = {
    "early hints": _whole(informational(103)),
    "early hints, then the answer": _in_pieces(informational(103)),
    "several": _whole(informational(100, 102, 103, 103)),
    "several, then the answer": _in_pieces(informational(100, 103, 199)),
}


@everywhere
@pytest.mark.parametrize("to_alice", INFORMED.values(), ids=INFORMED)
def test_informational_answers_are_skipped(
    new_stack: NewStack, edge: Edge, to_alice: Callable[[bytes], Answer]
) -> None:
    """Alice gets her key after the 1xx answers, and Bob gets his over Alice's connection."""
    edge.to_alice = to_alice
    stack = new_stack(site=edge.wire.url)
    assert [ask(stack, user).api_key for user in ("alice", "bob")] == ["alice", "bob"]
    assert edge.wire.connections == 1


SURPLUS = {
    "an answer twice": lambda answer: answer + answer,
    "another's answer": lambda answer: answer + answer_to("mallory"),
    "another's answer after chunks": lambda answer: in_chunks(answer) + answer_to("mallory"),
    "a new line": lambda answer: answer + b"\r\n",
}


@everywhere
@pytest.mark.parametrize("to_alice", SURPLUS.values(), ids=SURPLUS)
def test_bytes_after_an_answer_close_the_connection(
    new_stack: NewStack, edge: Edge, to_alice: Callable[[bytes], Answer]
) -> None:
    """Alice gets the first answer; Bob gets his own key, over a new connection."""
    edge.to_alice = to_alice
    stack = new_stack(site=edge.wire.url)
    assert [ask(stack, user).api_key for user in ("alice", "bob")] == ["alice", "bob"]
    assert edge.wire.connections == 2


@everywhere
def test_body_beyond_content_length_closes_the_connection(new_stack: NewStack, edge: Edge) -> None:
    """If the answer to Alice exceeds its Content-Length, Bob gets a new connection and his key."""
    edge.to_alice = lambda answer: answer.replace(b"Content-Length: 1", b"Content-Length: 0", 1)
    stack = new_stack(site=edge.wire.url)
    assert type(ask(stack, "alice")) is ApiKeyOutcomeUnknown
    assert ask(stack, "bob").api_key == "bob"
    assert edge.wire.connections == 2


@everywhere
@pytest.mark.parametrize("goes_on", [True, False])
def test_http_101_leaves_outcome_unknown(goes_on: bool, new_stack: NewStack, edge: Edge) -> None:
    """After HTTP 101, Alice's outcome is unknown, and Bob gets his key over a new connection.

    That holds whether or not more bytes follow the 101.
    """
    edge.to_alice = lambda answer: b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n" + answer * goes_on
    stack = new_stack(site=edge.wire.url)
    assert type(ask(stack, "alice")) is ApiKeyOutcomeUnknown
    assert ask(stack, "bob").api_key == "bob"
    assert edge.wire.connections == 2


@everywhere
def test_late_answer_is_dropped(new_stack: NewStack, edge: Edge) -> None:
    """Alice's request times out before its answer; Bob gets his key over a new connection."""
    given_up = edge.wire.ended

    def late(answer: bytes) -> Iterator[bytes]:
        given_up.wait(1)
        yield answer

    edge.to_alice = late
    stack = new_stack(site=edge.wire.url, timeout=0.5)
    assert type(ask(stack, "alice")) is ApiKeyOutcomeUnknown
    assert ask(stack, "bob").api_key == "bob"
    assert edge.wire.connections == 2


def _of_8_kib(answer: bytes) -> bytes:
    """Return the answer with spaces after its body: 8192 bytes, which fill http.client's buffer."""
    return whole(200, answer.partition(b"\r\n\r\n")[2].ljust(8192 - 40))


SURPLUS_IN_TLS = {
    # Over requests, the TLS layer has decrypted the surplus bytes, and nothing has read them.
    "in the answer's TLS record": lambda answer: _of_8_kib(answer) + answer_to("mallory"),
    "in another TLS record": lambda answer: [answer, answer_to("mallory")],
}


@pytest.mark.parametrize("row", CLIENTS)
@pytest.mark.parametrize("to_alice", SURPLUS_IN_TLS.values(), ids=SURPLUS_IN_TLS)
def test_bytes_after_an_answer_close_the_tls_connection(
    to_alice: Callable[[bytes], Answer], new_stack: NewStack, tls: ssl.SSLContext
) -> None:
    """Over TLS too, surplus bytes close the connection; without them, it is kept."""
    with Wire(tls) as wire:
        edge = Edge(wire)
        edge.to_alice = to_alice
        stack = new_stack(site=wire.url)
        assert [ask(stack, user).api_key for user in ("carol", "alice", "bob")] == [
            "carol",
            "alice",
            "bob",
        ]
        assert wire.connections == 2
        assert isinstance(ask(stack, "carol"), ApiKey)
        assert wire.connections == 2

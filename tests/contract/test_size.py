"""The memory for an answer is limited, even if the answer is endless, large or compressed."""

from __future__ import annotations

import functools
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from authlib_kucoin import ApiKey, ApiKeyOutcomeUnknown, KuCoinUnavailable, MalformedResponse
from tests.contract.stacks import CLIENTS, EVERYWHERE, NewStack, everywhere, outcome_of
from tests.support.wire import Wire, whole

TOKEN = {"access_token": "access"}
MEBIBYTE = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"
ANSWER = {"success": True, "code": "200", "data": {"apiKey": "k", "secret": "s", "passphrase": "p"}}
INFO = {"code": "200000", "data": {"uid": 1, "permission": "General"}}


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A recording server."""
    with Wire() as wire:
        yield wire


def endless(start: bytes, piece: bytes) -> Iterator[bytes]:
    """Yield the start, and then at most 64 MiB that consist of the piece."""
    yield start
    for _ in range(64):
        yield piece * (MEBIBYTE // len(piece))


def gzipped(answer: Any, *, times: int = 1, encoding: str = "gzip", filler: int = 0) -> bytes:
    """Return an answer whose body is compressed ``times`` times, with gzip or zlib.

    ``filler`` is the number of spaces that follow the JSON.
    """
    body = json.dumps(answer).encode() + b" " * filler
    for _ in range(times):
        body = gzip.compress(body) if "gzip" in encoding.lower() else zlib.compress(body)
    return whole(200, body, {"Content-Encoding": encoding})


ENDLESS = {
    "body": (OK + b"\r\n", b"x"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n"),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: " + b"y" * 99 + b"\r\n"),
    "headers": (OK, b"X: y\r\n"),
    "a header": (OK + b"X: ", b"x"),
    "early hints": (b"", b"HTTP/1.1 103 X\r\nLink: " + b"x" * 1000 + b"\r\n\r\n"),
}
CASES = [(row, name) for row in EVERYWHERE for name in ENDLESS if row in CLIENTS or name == "body"]


@pytest.mark.parametrize(("row", "name"), CASES)
def test_endless_answer_is_refused_within_8_mib(
    row: str, name: str, new_stack: NewStack, wire: Wire
) -> None:
    """The call raises and needs less than 8 MiB of memory, whichever part is endless."""
    wire.answer = lambda _seen: endless(*ENDLESS[name])
    # The async client skips early hints until the call's time is up; other clients count bytes.
    is_late = (row, name) == ("httpx-async", "early hints")
    stack = new_stack(site=wire.url, total_timeout=1 if is_late else 10)
    tracemalloc.start()
    error = outcome_of(lambda: stack.create_api_key(TOKEN))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert type(error) is ApiKeyOutcomeUnknown
    assert ("total_timeout" in str(error)) is is_late
    assert peak < 8 * MEBIBYTE


@functools.cache  # packing takes half a second
def bomb(times: int) -> bytes:
    """Return an answer that unpacks to 100 MiB."""
    encoding = ", ".join(["gzip"] * times)
    return gzipped(ANSWER, times=times, encoding=encoding, filler=100 * MEBIBYTE)


@everywhere
@pytest.mark.parametrize("times", [1, 2])
def test_decompression_bomb_is_refused_within_8_mib(
    times: int, new_stack: NewStack, wire: Wire
) -> None:
    """A body that unpacks to 100 MiB, in one layer or two, is refused within 8 MiB of memory."""
    packed = bomb(times)
    wire.answer = lambda _seen: packed
    stack = new_stack(site=wire.url)
    tracemalloc.start()
    error = outcome_of(lambda: stack.create_api_key(TOKEN))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert type(error) is ApiKeyOutcomeUnknown
    assert peak < 8 * MEBIBYTE


@pytest.mark.parametrize("row", CLIENTS)
def test_body_limit_is_1_mib_after_decoding(new_stack: NewStack, wire: Wire) -> None:
    """A body of exactly 1 MiB is read, compressed or not; a body one byte larger is refused."""
    stack = new_stack(site=wire.url)
    fills = MEBIBYTE - len(json.dumps(ANSWER))
    for packed in (False, True):
        for filler, is_read in ((fills, True), (fills + 1, False)):
            plain = whole(200, json.dumps(ANSWER) + " " * filler)
            answer = gzipped(ANSWER, filler=filler) if packed else plain
            wire.answer = lambda _seen, answer=answer: answer  # type: ignore[misc]  # binds the loop's value
            outcome = outcome_of(lambda: stack.create_api_key(TOKEN))
            assert isinstance(outcome, ApiKey) is is_read
            assert is_read or "larger than 1,048,576 bytes" in str(outcome)


@everywhere
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate", "identity"])
def test_unrequested_compression_is_decoded(encoding: str, new_stack: NewStack, wire: Wire) -> None:
    """An answer in each of these encodings is read, although the request asks for ``identity``."""

    def answer(seen: Any) -> bytes:
        fields = ANSWER if seen.line.startswith("POST") else INFO
        assert seen.header("accept-encoding") == "identity"
        return gzipped(fields, encoding=encoding, times=encoding != "identity")

    wire.answer = answer
    assert new_stack(site=wire.url).create_api_key(TOKEN).api_key == "k"


BROKEN = {
    "truncated": gzipped({"is_valid": True}).replace(b"Content-Length: 3", b"Content-Length: 2", 1),
    "not gzip": whole(200, '{"is_valid": true}', {"Content-Encoding": "gzip"}),
    "trailing bytes": whole(
        200, gzip.compress(b'{"is_valid": true}') + b"x", {"Content-Encoding": "gzip"}
    ),
    "unknown": whole(200, '{"is_valid": true}', {"Content-Encoding": "br"}),
}


@pytest.mark.parametrize("row", CLIENTS)
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_broken_or_unknown_encoding_is_malformed(
    answer: bytes, new_stack: NewStack, wire: Wire
) -> None:
    """Each answer in ``BROKEN`` raises ``MalformedResponse`` with the status 200."""
    wire.answer = lambda _seen: answer
    error = outcome_of(lambda: new_stack(site=wire.url).validate(TOKEN))
    assert (type(error), error.status) == (MalformedResponse, 200)


@pytest.mark.parametrize("row", CLIENTS)
def test_http_503_with_an_oversized_body_is_unavailable(new_stack: NewStack, wire: Wire) -> None:
    """HTTP 503 with a body that is too large raises ``KuCoinUnavailable``."""
    wire.answer = lambda _seen: whole(503, " " * (2 * MEBIBYTE))
    error = outcome_of(lambda: new_stack(site=wire.url).validate(TOKEN))
    assert (type(error), error.status, error.retry) == (KuCoinUnavailable, 503, True)

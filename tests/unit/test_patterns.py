"""Regular expressions, and other work on texts from outside, do not take quadratic time.

Each pattern is tried with many texts made from its own pieces and usual characters. The patterns
are collected from the package and the demo: those that are a global variable of a module, and those
that are written into a call of ``re`` as a constant.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import thread_time

import pytest

import authlib_kucoin
import flask_demo
from authlib_kucoin import KuCoinError, telemetry
from authlib_kucoin._protocol.callback import read_callback
from authlib_kucoin._protocol.calls import refresh_call
from authlib_kucoin._protocol.redaction import presentable, redact
from authlib_kucoin._protocol.sites import resolve_site
from authlib_kucoin._tools.rehearse.masks import Secrets

PACKAGES = (authlib_kucoin, flask_demo)
#: Characters of the usual classes, and those that patterns often begin or end with.
USUAL = " \n a0A_-+./:;=%&?#[]\"'\\<é\0"
#: Names of modules that are programs, and so are not imported here.
PROGRAMS = {"__main__", "wsgi"}
#: Modules that build a pattern when it is needed, from constants.
BUILT = {"authlib_kucoin/_tools/rehearse/masks.py"}
LENGTH = 4_000


def modules() -> Iterator[object]:
    """Import and yield every module of the packages, except programs."""
    for package in PACKAGES:
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not PROGRAMS & {*found.name.split(".")}:
                yield importlib.import_module(found.name)


def compiled() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield each pattern that is a global variable of a module, with the module's name."""
    for module in modules():
        for value in vars(module).values():
            if isinstance(value, re.Pattern):
                yield module.__name__, value  # type: ignore[attr-defined]  # of a module


def sources() -> Iterator[tuple[str, ast.Call]]:
    """Yield each call of ``re`` but ``compile`` and ``escape``, with the path of its file."""
    for package in PACKAGES:
        root = Path(package.__path__[0])
        for path in root.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and ast.unparse(node.func.value) == "re"
                    and node.func.attr not in {"compile", "escape"}
                ):
                    yield path.relative_to(root.parent).as_posix(), node


def written() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield each pattern that is a constant in a call of ``re``, with the path of its file."""
    for path, call in sources():
        if isinstance(call.args[0], ast.Constant):
            yield path, re.compile(str(call.args[0].value))


PATTERNS = sorted({(where, each.pattern, each.flags) for where, each in [*compiled(), *written()]})


def attacks(source: str) -> Iterator[str]:
    """Yield texts that may take long: pieces of the pattern and usual characters, repeated."""
    plain = re.sub(r"\\[A-Za-z]|\(\?\w*[:=!]", "\0", source)
    words = re.findall(r"[\w:/%=; .\"-]+", plain)
    joined = {"".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)}
    characters = sorted({*USUAL, *(word[0] for word in words), *(word[-1] for word in words)})
    units = [
        *("".join(pair) for pair in itertools.product(characters, repeat=2)),
        *(word + character for word in sorted(joined)[:40] for character in characters),
    ]
    for unit in units:
        yield unit * (LENGTH // len(unit))
    for word, character in itertools.product(sorted(joined)[:40], characters):
        yield word + character * LENGTH


def seconds(pattern: re.Pattern[str], text: str) -> float:
    """Return the CPU time in seconds that ``sub`` and ``fullmatch`` take together for a text."""
    began = thread_time()
    pattern.sub("", text)
    pattern.fullmatch(text)
    return thread_time() - began


def is_slow(pattern: re.Pattern[str], text: str) -> bool:
    """Tell whether a text takes 5 ms or more and, repeated four times, over eight times as long."""
    # Linear time is below 1 ms. The minimum of three, because one measurement may include a pause.
    if min(seconds(pattern, text) for _ in range(3)) < 0.005:
        return False
    once, four_times = seconds(pattern, text), seconds(pattern, text * 4)
    return four_times > 8 * once


def slow_texts(pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield the beginning of each text that takes more than linear time."""
    for text in attacks(pattern.pattern):
        if seconds(pattern, text) > 0.005 and is_slow(pattern, text):
            yield text[:20]


@pytest.mark.nightly
@pytest.mark.parametrize(("where", "source", "flags"), PATTERNS)
def test_a_pattern_takes_linear_time(where: str, source: str, flags: int) -> None:
    """Texts made of the pattern's own pieces and common characters take linear time."""
    assert next(slow_texts(re.compile(source, flags)), None) is None, where


@pytest.mark.parametrize(
    "source",
    [r"api\s*key\b.*\bmaximum", r"(\S+ ).+", r"\[.*\]", r"(?=[\w+/=-]*[0-9])[\w+/=-]{16,}"],
)
def test_quadratic_pattern_is_found(source: str) -> None:
    """The search finds these patterns, which take quadratic time."""
    assert next(slow_texts(re.compile(source, re.IGNORECASE)), None)


def test_search_covers_every_pattern() -> None:
    """Patterns of these four files are found.

    Apart from ``re.compile``, only files in ``BUILT`` pass ``re`` a pattern that is not constant.
    """
    found = {where for where, *_ in PATTERNS}
    assert {"authlib_kucoin._protocol.redaction", "authlib_kucoin.telemetry"} <= found
    assert {"authlib_kucoin.sandbox._guard", "flask_demo/gunicorn.conf.py"} <= found
    built = {path for path, call in sources() if not isinstance(call.args[0], ast.Constant)}
    assert built == BUILT


# --- other work on texts from outside ----------------------------------------------------------

ALMOST = "a" * 20_000 + "b"
LONG = "a" * 400_000
#: Work on texts from outside, each with a long text, for which quadratic code would be slow.
WORK = {
    "message with a long token": lambda: presentable(LONG, (ALMOST,)),
    "log record with a long token": lambda: redact(LONG, (ALMOST,)),
    "callback with an invalid success value": lambda: read_callback(
        [("state", "s"), ("success", "maybe"), ("code", ALMOST), ("msg", LONG)]
    ).code(),
    "log record of escapes": lambda: redact("%25" * 100_000, ("%25" * 1000,)),
    "report of a rehearsal": lambda: Secrets(ALMOST).clean(LONG),
    "telemetry": lambda: telemetry.redact(["&code=" * 50_000, "&code=a" * 50_000]),
    "answer of many numbers": lambda: answer(b"[" + b"1," * 200_000),
    "answer of one number": lambda: answer(b'{"expires_in":1.' + b"0" * LONGEST + b"1}"),
    "answer of duplicate members": lambda: answer(b'{"a":1,' * 200_000),
}
LONGEST = 1_000_000


def answer(body: bytes) -> object:
    """Read an answer to a refresh."""
    call = refresh_call(resolve_site("eu"), token={"refresh_token": "r"})
    return call.answer(200, body)


@pytest.mark.nightly
@pytest.mark.parametrize("work", WORK)
def test_long_texts_are_processed_quickly(work: str) -> None:
    """Each piece of work takes under 3 s of CPU time."""
    began = thread_time()
    with suppress(KuCoinError):
        WORK[work]()
    assert thread_time() - began < 3

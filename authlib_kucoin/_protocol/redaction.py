"""Masks secrets in error messages and log records.

KuCoin's error messages can repeat parts of a request, and the HTTP libraries log whole URLs. A
repeated secret can be escaped, by percent signs, JSON, HTML or Python's repr, and several times
over. So up to six layers of escapes are removed from a text, one at a time. The text itself and
each of the results are searched.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from string import ascii_lowercase, ascii_uppercase
from typing import Final, NamedTuple

MASK: Final = "***"
#: The longest message that is shown, in characters.
_LONGEST_MESSAGE: Final = 300
#: The most layers of escapes that are removed.
_MOST_LAYERS: Final = 6
#: The most characters that the escape of one character is assumed to take.
_LONGEST_ESCAPE: Final = 12
#: One escaped character, or a run of escaped bytes.
_ESCAPE: Final = re.compile(
    r"%[0-7][0-9a-f]|(?:%[89a-f][0-9a-f])+"
    r"|\\u[0-9a-f]{4}|(?:\\x[0-9a-f]{2})+|\\[^ux]"
    r"|&\#x?[0-9a-f]{1,7};|&[a-z]{2,31};",
    re.IGNORECASE,
)


#: How texts are compared: without the case of ASCII letters, and a plus sign is a space, as in a
#: query.
_FOLDED: Final = str.maketrans(f"{ascii_uppercase}+", f"{ascii_lowercase} ")


class _Layer(NamedTuple):
    """A text, perhaps unescaped, and where each of its characters is in the original."""

    text: str
    starts: list[int]
    ends: list[int]


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret masked, plain or behind up to six layers of escapes."""
    return _masked(text, _spans(text, secrets))


def presentable(text: str | None, secrets: Iterable[str] = ()) -> str | None:
    """Return a text from outside in a form that can be shown and logged; None if it is blank.

    Secrets are masked, and the text is cut off after 300 characters. Unprintable characters become
    spaces, because a line break could forge a log line.
    """
    if not text:
        return None
    secrets = tuple(secrets)
    # The text can be very long, so search only its beginning. Search ``margin`` characters more
    # than are shown, so that a secret whose beginning is shown is found as a whole.
    margin = _LONGEST_ESCAPE * max(map(len, secrets), default=0)
    shown = _LONGEST_MESSAGE + margin
    spans = _spans(text[: shown + margin], secrets)
    clean = "".join(c if c.isprintable() else " " for c in _masked(text[:shown], spans))
    return clean.strip()[:_LONGEST_MESSAGE] or None


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    pieces, shown = [], 0
    for start, end in sorted(spans):
        if shown <= start < len(text):
            pieces += [text[shown:start], MASK]
        shown = max(shown, min(end, len(text))) if start < len(text) else shown
    return "".join([*pieces, text[shown:]])


def _spans(text: str, secrets: Iterable[str]) -> set[tuple[int, int]]:
    """Return where secrets occur in a text, plain or escaped, as pairs of start and end."""
    # A secret can itself look escaped ("50%25"), so search for its unescaped forms too.
    layers = [layer for secret in secrets if secret for layer in _layers(secret)]
    wanted = {layer.text.translate(_FOLDED) for layer in layers} - {""}
    spans = set()
    for layer in _layers(text) if wanted else ():
        folded = layer.text.translate(_FOLDED)
        for each in wanted:
            # No regular expression: with a long secret, one could take quadratic time.
            end = 0
            while (start := folded.find(each, end)) >= 0:
                end = start + len(each)
                spans.add((layer.starts[start], layer.ends[end - 1]))
    return spans


def _layers(text: str) -> Iterator[_Layer]:
    """Yield a text unchanged, then with one layer of escapes removed, and so on up to six."""
    layer = _Layer(text, list(range(len(text))), list(range(1, len(text) + 1)))
    yield layer
    for _ in range(_MOST_LAYERS):
        if not _ESCAPE.search(layer.text):
            return
        layer = _unescaped(layer)
        yield layer


def _unescaped(layer: _Layer) -> _Layer:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for match in _ESCAPE.finditer(layer.text):
        start, end = match.span()
        plain = _plain(match[0])
        pieces += [layer.text[done:start], plain]
        starts += [*layer.starts[done:start], *[layer.starts[start]] * len(plain)]
        ends += [*layer.ends[done:start], *[layer.ends[end - 1]] * len(plain)]
        done = end
    return _Layer(
        "".join([*pieces, layer.text[done:]]),
        [*starts, *layer.starts[done:]],
        [*ends, *layer.ends[done:]],
    )


def _plain(escape: str) -> str:
    if escape[0] == "&":
        return html.unescape(escape)
    kind = escape[:2].lower()
    if kind == "\\u":
        return chr(int(escape.removeprefix(kind), 16))
    if escape[0] == "%" or kind == "\\x":
        digits = escape.lower().replace("%", "").replace("\\x", "")
        return bytes.fromhex(digits).decode(errors="replace")
    return escape[1]

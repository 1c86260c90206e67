"""Secrets are masked in text, and text from outside is made safe to show."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus

import pytest

from authlib_kucoin._protocol.redaction import presentable, redact

SECRET = 'a/b+c "d"&é'


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        quote_plus(SECRET),
        quote(quote(SECRET, safe=""), safe=""),
        quote(SECRET, safe="").lower(),
        SECRET.replace('"', '\\"').replace("é", "\\u00e9"),
        SECRET.replace('"', "&quot;").replace("&é", "&amp;é"),
        SECRET.replace("/", "\\/"),
        SECRET.replace("/", "&#x2F;").replace("+", "&#43;"),
        SECRET.replace("+", "\\u002B").replace("/", "\\u002f"),
        json.dumps(json.dumps(SECRET))[3:-3],
        repr(SECRET.encode())[2:-1],
        quote(quote(quote(SECRET, safe=""), safe=""), safe=""),
        "".join(f"%{byte:02x}" for byte in SECRET.encode()),
        "".join(f"\\u{ord(character):04x}" for character in SECRET),
        json.dumps(quote(html.escape(SECRET), safe=""))[1:-1],
    ],
)
def test_a_secret_is_masked_in_every_encoding(spelling: str) -> None:
    """A secret is masked whether it is plain, or escaped in one of these ways or several times."""
    assert redact(f"<{spelling}>", (SECRET,)) == "<***>"


@pytest.mark.parametrize("secret", ["50%25", "a\\u0041b", "&amp;x", "100%", "a\\"])
def test_a_secret_that_looks_escaped_is_masked(secret: str) -> None:
    """A secret that itself looks escaped is masked, as it is and percent-encoded."""
    assert redact(f"<{secret}> {quote(secret)} {secret}", (secret,)).count("***") == 3


@pytest.mark.parametrize("before", range(250, 300, 7))
def test_cutting_a_long_message_shows_no_part_of_a_secret(before: int) -> None:
    """No part of a secret is shown, wherever a long message is cut."""
    secret = "Zq" * 40
    message = f"{'x' * before}{secret}{quote(secret)}{' y' * 400_000}"
    shown = presentable(message, (secret,))
    assert shown is not None
    assert len(shown) <= 300
    assert "Z" not in shown
    assert "Z" not in (presentable(f"{secret} " * 10_000, (secret,)) or "")


def test_the_longest_secret_is_masked_whole() -> None:
    """If one secret is the beginning of another, the longer secret is masked whole."""
    assert redact("token-extended", ("token", "token-extended")) == "***"


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_secrets_a_text_stays_as_it_is(secrets: tuple[str, ...]) -> None:
    """Without secrets, or with an empty secret, a text is returned unchanged."""
    assert redact("text", secrets) == "text"


@pytest.mark.parametrize("text", [None, "\n \t"])
def test_empty_message_is_none(text: str | None) -> None:
    """A message that is missing or only white space becomes None."""
    assert presentable(text) is None


def test_a_secret_inside_another_is_masked_once() -> None:
    """A secret that looks escaped and ends with another secret is replaced by one mask."""
    assert redact("<%41bc>", ("%41bc", "bc")) == "<***>"

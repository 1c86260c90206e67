"""Secrets are masked in text, and text from outside is made safe to show."""

from __future__ import annotations

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
    ],
)
def test_a_secret_is_masked_in_every_usual_encoding(spelling: str) -> None:
    """KuCoin, a gateway or a library may repeat it in any of them."""
    assert redact(f"<{spelling}>", (SECRET,)) == "<***>"


def test_the_longest_secret_is_masked_whole() -> None:
    """One secret may be the beginning of another."""
    assert redact("token-extended", ("token", "token-extended")) == "***"


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_secrets_a_text_stays_as_it_is(secrets: tuple[str, ...]) -> None:
    """An empty string is not a secret."""
    assert redact("text", secrets) == "text"


@pytest.mark.parametrize("text", [None, "", "\n \t"])
def test_nothing_presentable_is_nothing(text: str | None) -> None:
    """An empty message counts as none."""
    assert presentable(text) is None

"""Which redirect URIs are accepted (document sections 7.1, 7.2), and which hosts are loopback."""

from __future__ import annotations

import pickle
import string

import pytest

from authlib_kucoin import UnsafeRedirectURI
from authlib_kucoin._protocol.redirect_uri import check_redirect_uri, is_loopback

TRAVELS = string.ascii_letters + string.digits + "-._~:/?@!$()*,="


@pytest.mark.parametrize(
    "uri",
    [
        "https://broker.example.com/callback",
        "https://broker.example.com",
        "https://broker.example.com:8443/cb?next=/a:b@c,d",
        f"https://broker.example.com/{TRAVELS}",
        "http://localhost:5000/kucoin/callback",
        "http://app.localhost:5000/kucoin/callback",
        "http://localhost.:5000/kucoin/callback",
        "http://127.0.0.1:5000/kucoin/callback",
        "http://127.8.9.10/cb",
    ],
)
def test_safe_redirect_uri_is_returned_unchanged(uri: str) -> None:
    """Each of these URIs is returned as given: nothing is encoded or normalised."""
    assert check_redirect_uri(uri) == uri


@pytest.mark.parametrize("character", [c for c in map(chr, range(0x21, 0x7F)) if c not in TRAVELS])
def test_every_other_printable_character_is_refused_by_name(character: str) -> None:
    """The error shows the printable ASCII character that cannot be sent unencoded."""
    with pytest.raises(UnsafeRedirectURI) as caught:
        check_redirect_uri(f"https://broker.example.com/a{character}b")
    assert repr(character) in str(caught.value)


@pytest.mark.parametrize(
    ("character", "name"),
    [(" ", "a space"), ("\n", "U+000A"), ("\0", "U+0000"), ("\x7f", "U+007F"), ("ü", "U+00FC")],
)
def test_space_control_and_non_ascii_are_refused_by_name(character: str, name: str) -> None:
    """The error names a space in words, and a control or non-ASCII character by code point."""
    with pytest.raises(UnsafeRedirectURI, match=name.replace("+", r"\+")):
        check_redirect_uri(f"https://broker.example.com/a{character}b")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (None, "no redirect URI"),
        ("", "no redirect URI"),
        (b"https://broker.example.com/cb", "the character"),
        ("/kucoin/callback", "not an absolute URL"),
        ("broker.example.com/callback", "not an absolute URL"),
        ("https:///callback", "not an absolute URL"),
        ("https://:443/callback", "not an absolute URL"),
        ("https://broker.example.com:port/cb", "not an absolute URL"),
        ("https://broker.example.com:99999/cb", "not an absolute URL"),
        ("http://broker.example.com/callback", "not https"),
        ("http://localhost.example.com/callback", "not https"),
        ("http://203.0.113.5/callback", "not https"),
        ("javascript://localhost/cb", "not https"),
        ("ftp://127.0.0.1/cb", "not https"),
    ],
)
def test_unsafe_redirect_uri_is_refused_with_the_reason(uri: str, reason: str) -> None:
    """The error says why: no URI, no absolute URL, a bad character, or a scheme that is refused."""
    with pytest.raises(UnsafeRedirectURI, match=reason):
        check_redirect_uri(uri)


def test_unsafe_redirect_uri_error_can_be_pickled() -> None:
    """``UnsafeRedirectURI`` is a ``ValueError``, and pickling keeps its text."""
    with pytest.raises(ValueError, match="not https") as caught:
        check_redirect_uri("http://broker.example.com/")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_loopback_is_this_machine_only() -> None:
    """localhost, names below it, 127.0.0.0/8 and ::1 are loopback; similar hosts are not."""
    names = ("localhost", "localhost.", "LocalHost", "app.localhost", "a.b.localhost.")
    assert all(map(is_loopback, (*names, "127.0.0.1", "127.1.2.3", "::1")))
    assert not any(
        map(is_loopback, ("localhost.example.com", "mylocalhost", "128.0.0.1", "0.0.0.0", ""))
    )

"""Numbers and addresses in the pages have the values that the code has.

A fact is a page, a part of a sentence with a gap, and the value for the gap. Most facts take the
value from the code: if it changes in the page or in the code alone, the test fails. The test also
fails if the page no longer has the sentence; then remove the fact.
"""

import inspect
import re
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest

from authlib_kucoin import ApiKey, KuCoinOAuth2Session
from authlib_kucoin._apps.logins import LOGINS_AT_ONCE
from authlib_kucoin._clients.flight import REMEMBER_SECONDS
from authlib_kucoin._clients.limits import (
    DEFAULT_TOTAL_TIMEOUT,
    KEEPALIVE_EXPIRY,
    LARGEST_BODY,
    POOL_MAXSIZE,
)
from authlib_kucoin._clients.refresh import REMEMBER_AT_MOST
from authlib_kucoin._models import ACCESS_TOKEN_LIFETIME, REFRESH_TOKEN_LIFETIME
from authlib_kucoin._protocol import calls, permissions
from authlib_kucoin._protocol.callback import _LONGEST_CODE
from authlib_kucoin._protocol.signing import signed_headers
from authlib_kucoin._protocol.sites import SITES, Site
from authlib_kucoin.sandbox import SandboxOptions
from tests.project.snippets import ROOT
from tests.project.vocabulary import makefile

NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 10: "ten"}
HOURS = ACCESS_TOKEN_LIFETIME // 3600
DAYS = timedelta(seconds=REFRESH_TOKEN_LIFETIME).days
MINUTES = int(REMEMBER_SECONDS // 60)
STEP = int(inspect.signature(KuCoinOAuth2Session).parameters["timeout"].default)
GLOBAL, EU = SITES["global"], SITES["eu"]
ONE = Site("https://kucoin.invalid")
TWO = Site("https://kucoin.invalid", fast_api=2)
PATHS = {
    name: getattr(ONE, name).removeprefix(ONE.web)
    for name in (
        "authorization_endpoint",
        "token_endpoint",
        "refresh_endpoint",
        "validation_endpoint",
        "api_key_endpoint",
    )
}
KEY_INFO = calls.api_key_info_call(ONE, key=ApiKey("n", "k", "s", "p"))
REFRESH = calls.refresh_call(ONE, token={"refresh_token": "r"})
VERSION = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
PORTS = dict(re.findall(r"^export (\w+_PORT) \?= (\d+)$", makefile(), re.MULTILINE))
assert VERSION

FACTS = [
    ("README.md", "Python {} or newer", VERSION[1]),
    ("README.md", "with a sandbox beside it: http://127.0.0.1:{}", PORTS["DEMO_PORT"]),
    ("README.md", "FLASK_KUCOIN_CLIENT_ID={}", SandboxOptions().client_id),
    ("docs/how-it-works.md", "| `GET {}` | the redirect URL", PATHS["authorization_endpoint"]),
    ("docs/how-it-works.md", "| `GET {}` | a GET", PATHS["token_endpoint"]),
    ("docs/how-it-works.md", "| `POST {}` | elsewhere", PATHS["refresh_endpoint"]),
    ("docs/how-it-works.md", "the grant type `{}`", dict(parse_qsl(REFRESH.body))["grant_type"]),
    ("docs/how-it-works.md", "| `POST {}` | the document calls", PATHS["validation_endpoint"]),
    ("docs/how-it-works.md", "| `GET {}` | on the REST host", KEY_INFO.url.removeprefix(ONE.web)),
    ("docs/errors.md", "older than its {} days", DAYS),
    ("docs/errors.md", "the timestamp is more than {} s off", 5),
    ("docs/storing.md", "the refresh token's {} days", DAYS),
    ("docs/storing.md", "After {} minutes, or in another process", NUMBERS[MINUTES]),
    (
        "docs/django.md",
        "session engine will do: {} logins at most wait in one session",
        NUMBERS[LOGINS_AT_ONCE],
    ),
    ("docs/flask.md", "without the user for {} days", NUMBERS[DAYS]),
    (
        "docs/workers.md",
        "largest time of a whole call, in seconds ({})",
        int(DEFAULT_TOTAL_TIMEOUT),
    ),
    ("docs/workers.md", "largest time of each step of a call, in seconds ({})", STEP),
    ("docs/workers.md", "`pool_maxsize` ({})", POOL_MAXSIZE),
    ("docs/workers.md", "until an idle connection is closed ({})", int(KEEPALIVE_EXPIRY)),
    ("docs/workers.md", "an answer is at most {} MiB", LARGEST_BODY >> 20),
    ("docs/many-workers.md", "within a deadline, {} s by default", int(DEFAULT_TOTAL_TIMEOUT)),
    ("docs/performance.md", "and at most {} of them", f"{REMEMBER_AT_MOST:,}"),
    ("docs/performance.md", "are kept\nfor {} minutes", NUMBERS[MINUTES]),
    ("docs/security.md", "more\n  than {} characters", _LONGEST_CODE),
    ("docs/known.md", "global, web | `{}`", GLOBAL.web),
    ("docs/known.md", "global, REST | `{}`", GLOBAL.rest),
    ("docs/known.md", "EU, web | `{}`", EU.web),
    ("docs/known.md", "EU, REST | `{}`", EU.rest),
    ("docs/known.md", "REST with `{}`", "X-SITE-TYPE: australia"),
    ("docs/known.md", "`GET {{web}}{}?response_type", PATHS["authorization_endpoint"]),
    ("docs/known.md", "&scope={}&", calls.SCOPE),
    ("docs/known.md", "`GET {{web}}{}` with", PATHS["token_endpoint"]),
    ("docs/known.md", "`POST {{web}}{}`, a form with `grant_type", PATHS["refresh_endpoint"]),
    ("docs/known.md", "`POST {{web}}{}`; ", PATHS["validation_endpoint"]),
    ("docs/known.md", "`POST {{web}}{}`, a form without", PATHS["api_key_endpoint"]),
    ("docs/known.md", "`POST {{web}}{}`, JSON", TWO.api_key_endpoint.removeprefix(TWO.web)),
    ("docs/known.md", "`GET {{rest}}{}`, signed", KEY_INFO.url.removeprefix(ONE.web)),
    ("docs/known.md", "An access token lives for {} hour", HOURS),
    ("docs/known.md", "a refresh token for {} days", DAYS),
    (
        "docs/known.md",
        "modified\n  {} (",
        re.findall(r"modified (\S+)\)", inspect.getdoc(calls) or "")[0],
    ),
    ("docs/going-live.md", "`permissions=[{}]`", ", ".join(f'"{p}"' for p in permissions._DEFAULT)),
    ("docs/going-live.md", "Signed requests may be {} s off", 5),
    ("docs/using-the-key.md", "| `{}` | the partner id |", "KC-API-PARTNER"),
]


@pytest.mark.parametrize(("page", "sentence", "value"), FACTS)
def test_a_fact_is_that_of_the_code(page: str, sentence: str, value: object) -> None:
    """Wherever the page has this part of a sentence, its gap holds the value."""
    before, _, after = sentence.partition("{}")
    before, after = (part.replace("{{", "{").replace("}}", "}") for part in (before, after))
    pattern = re.escape(before) + r"([^\n|]*?)" + (re.escape(after) if after else r"(?=[\s`,.;]|$)")
    found = re.findall(pattern, (ROOT / page).read_text())
    assert found
    assert set(found) == {str(value)}


def test_the_permissions_are_those_of_the_code() -> None:
    """The page lists all permissions that the code knows, and no other."""
    page = (ROOT / "docs" / "going-live.md").read_text()
    section = page.partition("(permissions)=")[2].partition("(key-life)=")[0]
    assert set(re.findall(r"API_[A-Z_]+", section)) == set(permissions._GROUPS)


def test_the_redirect_uris_characters_are_those_of_the_code() -> None:
    """The package accepts the characters that the page allows, and no other visible ASCII."""
    from authlib_kucoin import UnsafeRedirectURI
    from authlib_kucoin._protocol.redirect_uri import check_redirect_uri

    page = (ROOT / "docs" / "going-live.md").read_text()
    allowed = re.findall(r"letters, digits and `([^`]+)` only", page)[0]
    for character in set(map(chr, range(33, 127))):
        uri = f"https://broker.example.com/x{character}y"
        if character.isalnum() or character in allowed:
            check_redirect_uri(uri)
        else:
            with pytest.raises(UnsafeRedirectURI):
                check_redirect_uri(uri)


def test_the_attribution_headers_are_kucoins() -> None:
    """The headers that the page's program reads are in a signed request of the package."""
    headers = signed_headers(ApiKey("n", "k", "s", "p"), "GET", "/", timestamp_ms=1)
    page = (ROOT / "docs" / "using-the-key.md").read_text()
    code = page.partition("class Attribution")[2].partition("def after")[0]
    read = set(re.findall(r'req\.headers\["([\w-]+)"\](?! =)', code))
    assert read == {"KC-API-TIMESTAMP", "KC-API-KEY"}
    assert read <= set(headers)

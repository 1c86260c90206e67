"""The exact request of each call, the arguments it refuses, and reprs without secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import SplitResult

import pytest
from starlette.datastructures import Secret

from authlib_kucoin import (
    ApiKey,
    ApiKeyError,
    ConfigurationError,
    KuCoinError,
    ReauthorizationRequired,
    TokenError,
)
from authlib_kucoin._protocol import calls as protocol
from authlib_kucoin._protocol.signing import sign, signed_headers
from authlib_kucoin._protocol.sites import SITES, Site

SITE = SITES["eu"]
REDIRECT_URI = "https://broker.example.com/kucoin/callback?tenant=a:b@c,d"
JSON = {"Accept": "application/json", "Accept-Encoding": "identity"}
FORM = {**JSON, "Content-Type": "application/x-www-form-urlencoded"}
NOW = 1_800_000_000.9


def now() -> float:
    """Return the fixed time of these tests."""
    return NOW


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "none was given"),
        (object(), "got a object"),
        (asyncio.sleep(0), "got a coroutine, which has to be awaited"),
    ],
)
def test_error_names_the_type_of_a_wrong_argument(given: Any, said: str) -> None:
    """The error says what was given as token or key: nothing, an object, or a coroutine."""
    calls: list[Callable[[], Any]] = [
        lambda: protocol.access_token_of(given, "create_api_key"),
        lambda: protocol.refresh_call(SITE, token=given),
        lambda: protocol.api_key_info_call(SITE, key=given),
    ]
    for call in calls:
        with pytest.raises(KuCoinError, match=said):
            call()
    if asyncio.iscoroutine(given):
        given.close()


def test_login_url_has_documented_parameters_in_order() -> None:
    """The parameters are those of document section 7.1; only the redirect URI is unencoded."""
    assert protocol.authorization_url(
        SITE, client_id="broker one", redirect_uri=REDIRECT_URI, state="user/1&admin=yes"
    ) == (
        "https://www.kucoin.eu/oauth?response_type=code&client_id=broker%20one"
        f"&redirect_uri={REDIRECT_URI}&scope=OAUTH_CREATE_API&state=user%2F1%26admin%3Dyes"
    )


def test_exchange_is_a_get_without_body_or_authorization() -> None:
    """The call has no body, no ``Authorization`` and a raw redirect URI (document section 7.2)."""
    call = protocol.token_call(SITE, client_id="broker", code="c/o+de", redirect_uri=REDIRECT_URI)
    assert (call.method, call.body, dict(call.headers)) == (
        "GET",
        "",
        JSON,
    )
    assert call.url == (
        "https://www.kucoin.eu/_oauth/access-token?grant_type=authorization_code&code=c%2Fo%2Bde"
        f"&redirect_uri={REDIRECT_URI}&client_id=broker"
    )


def test_wrapped_client_secret_is_sent_and_masked() -> None:
    """The value inside Starlette's ``Secret`` is sent, and is one of the texts to mask."""
    secret: Any = Secret("s&1")
    call = protocol.token_call(
        SITE, client_id="b", client_secret=secret, code="c", redirect_uri=REDIRECT_URI
    )
    assert call.url.endswith("&client_secret=s%261")
    assert "s&1" in call.secrets


class _SecretStr:
    """Behaves like pydantic's ``SecretStr``: ``str()`` returns asterisks."""

    def get_secret_value(self) -> str:
        return "s&1"

    def __str__(self) -> str:
        return "**********"


def test_pydantic_secret_str_is_unwrapped() -> None:
    """What ``get_secret_value()`` returns is sent, rather than the asterisks of ``str()``."""
    secret: Any = _SecretStr()
    call = protocol.token_call(
        SITE, client_id="b", client_secret=secret, code="c", redirect_uri=REDIRECT_URI
    )
    assert call.url.endswith("&client_secret=s%261")


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
@pytest.mark.parametrize(
    ("value", "text"),
    [("***", "a mask"), ("broker\n", "white space"), (" broker", "white space"), ("a\tb", "line")],
)
def test_a_setting_with_stray_characters_is_refused(name: str, value: str, text: str) -> None:
    """The error names the client id or secret that is a mask or holds stray white space."""
    settings: Any = {"client_id": "b", "client_secret": "s", name: value}
    with pytest.raises(ConfigurationError, match=f"{name}.*{text}"):
        protocol.token_call(SITE, code="c", redirect_uri=REDIRECT_URI, **settings)


def test_redirect_uri_object_is_sent_as_text() -> None:
    """If the redirect URI is an object, such as a lazy string, its ``str()`` is sent."""
    uri = SplitResult("https", "broker.example.com", "/cb", "", "")
    lazy = type("Lazy", (), {"__str__": lambda _: uri.geturl()})()
    call = protocol.token_call(SITE, client_id="b", code="c", redirect_uri=lazy)
    assert f"&redirect_uri={uri.geturl()}&" in call.url


def test_clock_replaced_after_import_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a tool such as freezegun replaces ``time.time`` after the import, its clock is used."""
    call = protocol.token_call(SITE, client_id="b", code="c", redirect_uri=REDIRECT_URI)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    token = call.answer(200, b'{"access_token": "a"}')
    assert token["expires_at"] == 2_000_003_600
    info = protocol.api_key_info_call(SITE, key=ApiKey("n", "key", "secret", "passphrase"))
    assert info.headers["KC-API-TIMESTAMP"] == "2000000000000"


@pytest.mark.parametrize("stored", [1, 1.5, "1", "1.5", Decimal("1.5")])
def test_refresh_expires_at_may_be_number_text_or_decimal(stored: Any) -> None:
    """A ``refresh_expires_at`` in the past is noticed as a number, as text and as a Decimal."""
    token = {"refresh_token": "r", "refresh_expires_at": stored}
    with pytest.raises(ReauthorizationRequired, match="3 days"):
        protocol.refresh_call(SITE, token=token)


@pytest.mark.parametrize("asterisks", [("***", "p"), ("s", "*****")])
def test_masked_credential_is_refused(asterisks: tuple[str, str]) -> None:
    """Asterisks in place of a secret, a passphrase or an access token are refused."""
    with pytest.raises(ApiKeyError):
        protocol.api_key_info_call(SITE, key=ApiKey("n", "key", *asterisks))
    with pytest.raises(TokenError):
        protocol.access_token_of("***", "validate")


@pytest.mark.parametrize(
    ("secret", "passphrase"),
    [("\ud800cret", "p"), ("cret", None), ("s", "cret\ud800"), ("cret\n", "p")],
)
def test_unprintable_secret_or_passphrase_is_refused(secret: str, passphrase: str) -> None:
    """A secret or passphrase that is not printable text is refused, and the error hides it."""
    with pytest.raises(ApiKeyError) as caught:
        protocol.api_key_info_call(SITE, key=ApiKey("name", "key", secret, passphrase))
    assert "cret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_configured_client_secret_is_the_last_parameter() -> None:
    """A configured client secret is the last parameter, and is one of the texts to mask."""
    call = protocol.token_call(
        SITE, client_id="b", client_secret="s&1", code="c", redirect_uri=REDIRECT_URI
    )
    assert call.url.endswith("&client_id=b&client_secret=s%261")
    assert set(call.secrets) == {"c", "s&1"}


def test_refresh_is_a_form_with_grant_type_authorization_code() -> None:
    """The form has the grant type, refresh token and scope of document section 7.3."""
    call = protocol.refresh_call(SITE, token={"access_token": "a", "refresh_token": "r+1"})
    assert (call.method, call.url) == ("POST", "https://www.kucoin.eu/_oauth/refresh-token")
    assert dict(call.headers) == FORM
    assert call.body == ("grant_type=authorization_code&refresh_token=r%2B1&scope=OAUTH_CREATE_API")
    assert set(call.secrets) == {"a", "r+1"}


@pytest.mark.parametrize(
    ("given", "held", "sent"),
    [
        (None, None, "OAUTH_CREATE_API"),
        (None, "A B", "A+B"),
        (None, ["A", "B"], "A+B"),
        (None, 5, "OAUTH_CREATE_API"),
        ("C", "A", "C"),
    ],
)
def test_refresh_scope_is_the_given_held_or_default_one(given: Any, held: Any, sent: str) -> None:
    """The scope is the argument, or else the token's (text or list), or else the default."""
    call = protocol.refresh_call(
        SITE,
        token={"refresh_token": "r", "scope": held} if held else {"refresh_token": "r"},
        scope=given,
    )
    assert call.body.endswith(f"&scope={sent}")


@pytest.mark.parametrize(
    "token",
    [
        {},
        {"refresh_token": None},
        {"refresh_token": ""},
        {"refresh_token": "a\r\nb"},
        {"refresh_token": "r", "refresh_expires_at": int(NOW)},
    ],
)
def test_a_refresh_that_cannot_succeed_is_not_sent(token: dict[str, Any]) -> None:
    """Without a usable, unexpired refresh token, no call is built (document section 6.3)."""
    with pytest.raises(ReauthorizationRequired, match="authorize again") as caught:
        protocol.refresh_call(SITE, token=token, clock=now)
    assert caught.value.operation == "refresh"


def test_validation_is_a_form_with_the_access_token() -> None:
    """The access token is the only field of the form (document section 7.4)."""
    call = protocol.validate_call(SITE, access_token="a b")
    assert (call.method, call.url) == (
        "POST",
        "https://www.kucoin.eu/_oauth/validate-access-token",
    )
    assert (dict(call.headers), call.body, call.secrets) == (FORM, "access_token=a+b", ("a b",))


def test_key_request_has_lower_case_bearer_and_empty_body() -> None:
    """The request for a key in Fast API 1 is the one that document section 4 prints."""
    call = protocol.create_api_key_call(SITE, access_token="tok")
    assert (call.method, call.body) == ("POST", "")
    assert call.url == "https://www.kucoin.eu/_oauth/resource/ucenter/outer/api-key/add"
    assert dict(call.headers) == {**FORM, "Authorization": "bearer tok"}
    assert call.creates_key


def test_key_info_is_a_signed_get_at_the_rest_host() -> None:
    """The request has the key's signature and the headers of the site."""
    key = ApiKey("name", "the-key", "the-secret", "the-passphrase")
    call = protocol.api_key_info_call(SITES["australia"], key=key, clock=now)
    assert (call.method, call.url) == ("GET", "https://api.kucoin.com/api/v1/user/api-key")
    assert dict(call.headers) == {
        **JSON,
        "X-SITE-TYPE": "australia",
        "KC-API-KEY": "the-key",
        "KC-API-SIGN": sign("the-secret", "1800000000900GET/api/v1/user/api-key"),
        "KC-API-TIMESTAMP": "1800000000900",
        "KC-API-PASSPHRASE": sign("the-secret", "the-passphrase"),
        "KC-API-KEY-VERSION": "3",
    }
    signed = {call.headers["KC-API-SIGN"], call.headers["KC-API-PASSPHRASE"]}
    assert set(call.secrets) == {"the-secret", "the-passphrase", *signed}


def test_path_of_the_rest_host_is_signed() -> None:
    """The signed text contains the whole path of the URL, with the path of ``site.rest``."""
    key = ApiKey("name", "k", "s", "p")
    call = protocol.api_key_info_call(Site("https://x.example.com/k"), key=key, clock=now)
    assert call.url == "https://x.example.com/k/api/v1/user/api-key"
    assert call.headers["KC-API-SIGN"] == sign("s", "1800000000900GET/k/api/v1/user/api-key")


def test_signatures_equal_kucoins_published_examples() -> None:
    """Our signatures equal those in the example on KuCoin's authentication page."""
    key = ApiKey("", "6422da9c97b45100018c6e62", "cde06451-dbed", "1111111")
    body = (
        '{"symbol":"BTC-USDT","side":"buy","size":"0.0001","price":"30000","type":"limit",'
        '"clientOid":"2b802154-8d31-42e6-88ea-c8c18d3e4822","tradeType":"TRADE"}'
    )
    headers = signed_headers(key, "POST", "/api/v1/orders", timestamp_ms=1680885532722, body=body)
    assert headers["KC-API-SIGN"] == "ncPuAcZW8WYUZyvblRVVgMfYoVH+FlCTO6K45/FMLFQ="
    assert headers["KC-API-PASSPHRASE"] == "rl1Ki0WuwidRT48JnoGQo+AJ4UtZ6mQEKt6F5XYVnT4="
    assert sign("e8512b82-a4aa", f"1680885532722goodbroker{key.api_key}") == (
        "CN1imIGUz/USkPuhOtGWi5DlZ08VeuVfknJNOPqUEac="
    )


@pytest.mark.parametrize("api_key", ["a key", "k\N{LATIN SMALL LETTER E WITH ACUTE}y"])
def test_key_with_a_space_or_beyond_ascii_is_refused(api_key: str) -> None:
    """An API key with a space or a non-ASCII character is refused."""
    with pytest.raises(ApiKeyError) as caught:
        protocol.api_key_info_call(SITE, key=ApiKey("", api_key, "s", "p"))
    assert caught.value.operation == "api_key_info"


@pytest.mark.parametrize("token", [None, "", {}, {"access_token": None}, {"access_token": "a\nb"}])
def test_missing_or_invalid_access_token_is_refused(token: Any) -> None:
    """A missing or unusable access token raises an error that names the call and the next step."""
    with pytest.raises(TokenError, match="authorize first") as caught:
        protocol.access_token_of(token, "create_api_key")
    assert caught.value.operation == "create_api_key"


def test_access_token_may_be_text_or_in_a_mapping() -> None:
    """An access token is accepted alone, and inside the mapping of its token."""
    assert protocol.access_token_of("a", "validate") == "a"
    assert protocol.access_token_of({"access_token": "a"}, "validate") == "a"


@pytest.mark.parametrize("client_id", [None, ""])
def test_missing_client_id_is_refused(client_id: Any) -> None:
    """Without a client id, neither the login URL nor the token call can be built."""
    with pytest.raises(KuCoinError, match="KUCOIN_CLIENT_ID"):
        protocol.authorization_url(SITE, client_id=client_id, redirect_uri=REDIRECT_URI, state="s")
    with pytest.raises(KuCoinError, match="KUCOIN_CLIENT_ID"):
        protocol.token_call(SITE, client_id=client_id, code="c", redirect_uri=REDIRECT_URI)


def test_repr_of_a_call_hides_secrets() -> None:
    """No call's repr shows a code, a token, a client secret, a key's secret or a passphrase."""
    secrets = ("sec-code", "sec-token", "sec-client", "sec-key", "sec-phrase")
    calls = [
        protocol.token_call(
            SITE,
            client_id="c",
            client_secret="sec-client",
            code="sec-code",
            redirect_uri=REDIRECT_URI,
        ),
        protocol.refresh_call(SITE, token={"refresh_token": "sec-token"}),
        protocol.validate_call(SITE, access_token="sec-token"),
        protocol.create_api_key_call(SITE, access_token="sec-token"),
        protocol.api_key_info_call(SITE, key=ApiKey("n", "k", "sec-key", "sec-phrase")),
    ]
    for call in calls:
        assert not [secret for secret in secrets if secret in repr(call)]


def test_lone_surrogate_in_a_code_is_sent_as_question_mark() -> None:
    """A lone surrogate in the code, which UTF-8 cannot encode, is sent as a question mark."""
    call = protocol.token_call(SITE, client_id="c", code="\ud800", redirect_uri=REDIRECT_URI)
    assert "&code=%3F&" in call.url

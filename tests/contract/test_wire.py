"""The exact request of each call, the same for all frameworks, clients and the social backend."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from authlib_kucoin import ApiKey, KuCoinUnavailable, Site
from tests.contract.recorder import TOKEN, Recorder
from tests.contract.stacks import CLIENTS, REDIRECT_URI, NewStack, everywhere
from tests.support.wire import Seen

CLIENT_ID = "client/+ 1"
CODE = "a/b+c=&d?%23"
KEY = ApiKey("broker-1", "key-id", "key-secret", "phrase")

# The headers that every call has. Some of them are set by the HTTP library.
_BY_THE_LIBRARY = ("accept", "accept-encoding", "connection", "host", "user-agent")
_FORM = ("content-length", "content-type")
_SIGNED = (
    *("kc-api-key", "kc-api-key-version", "kc-api-passphrase", "kc-api-sign"),
    "kc-api-timestamp",
)


def sent(names: tuple[str, ...]) -> list[str]:
    """Return the sorted names of the given headers and of the headers that every call has."""
    return sorted((*_BY_THE_LIBRARY, *names))


@pytest.fixture
def requests(new_stack: NewStack, recorder: Recorder) -> dict[str, Seen]:
    """The request of each call of a row, by path."""
    stack = new_stack(site=recorder.url, client_id=CLIENT_ID)
    token = stack.finish_with(CODE)
    stack.refresh(token)
    if "validate" in stack.verbs:
        stack.validate(token)
    stack.create_api_key(token)
    if "api_key_info" in stack.verbs:
        stack.api_key_info(KEY)
    assert len(recorder.requests) == 4 + ("validate" in stack.verbs)
    return {request.path: request for request in recorder.requests}


@pytest.fixture(autouse=True)
def _netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point NETRC to a file that names the recording server."""
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(file))


@everywhere
def test_login_url_has_the_raw_redirect_uri(new_stack: NewStack) -> None:
    """The URL has the parameters of document section 7.1 in order; each login has a new state."""
    stack = new_stack(site="eu", client_id=CLIENT_ID)
    first, second = stack.login(), stack.login("bob")
    shape = (
        "https://www.kucoin.eu/oauth?response_type=code&client_id=client%2F%2B%201"
        f"&redirect_uri={REDIRECT_URI}&scope=OAUTH_CREATE_API&state="
    )
    for url in (first, second):
        assert re.fullmatch(re.escape(shape) + "[A-Za-z0-9]{20,}", url)
    assert first != second


@everywhere
def test_token_request_is_a_get_without_body_or_extra_header(requests: dict[str, Seen]) -> None:
    """The redirect URI is raw; there is no body and no extra header (document section 7.2)."""
    request = requests["/_oauth/access-token"]
    assert request.line == (
        "GET /_oauth/access-token?grant_type=authorization_code&code=a%2Fb%2Bc%3D%26d%3F%2523"
        f"&redirect_uri={REDIRECT_URI}&client_id=client%2F%2B%201 HTTP/1.1"
    )
    assert request.names() == sent(())
    assert request.body == b""


@everywhere
def test_client_secret_is_the_last_parameter_of_the_token_url(
    new_stack: NewStack, recorder: Recorder
) -> None:
    """A configured secret is sent in the query of the token request, and in no later request."""
    stack = new_stack(site=recorder.url, client_secret="s3cret/+=")
    token = stack.finish_with("code")
    stack.refresh(token)
    stack.create_api_key(token)
    assert recorder.requests[0].line == (
        "GET /_oauth/access-token?grant_type=authorization_code&code=code"
        f"&redirect_uri={REDIRECT_URI}&client_id=sandbox-client"
        "&client_secret=s3cret%2F%2B%3D HTTP/1.1"
    )
    assert recorder.requests[0].names() == sent(())
    assert "s3cret" not in str(recorder.requests[1:])


@everywhere
def test_refresh_request_is_the_documented_form(
    requests: dict[str, Seen],
) -> None:
    """The form is as document section 7.3 prints it, with ``grant_type=authorization_code``."""
    request = requests["/_oauth/refresh-token"]
    assert request.line == "POST /_oauth/refresh-token HTTP/1.1"
    assert request.names() == sent(_FORM)
    assert request.header("content-type") == "application/x-www-form-urlencoded"
    escaped = TOKEN["refresh_token"].replace("/+=", "%2F%2B%3D")
    assert request.body.decode() == (
        f"grant_type=authorization_code&refresh_token={escaped}&scope=OAUTH_CREATE_API"
    )


def test_validation_request_is_a_form_with_the_token_only(requests: dict[str, Seen]) -> None:
    """The access token is the only field of the form (document section 7.4)."""
    request = requests["/_oauth/validate-access-token"]
    assert request.line == "POST /_oauth/validate-access-token HTTP/1.1"
    assert request.names() == sent(_FORM)
    assert request.header("content-type") == "application/x-www-form-urlencoded"
    escaped = TOKEN["access_token"].replace("/+=", "%2F%2B%3D")
    assert request.body.decode() == f"access_token={escaped}"


@everywhere
def test_key_request_has_the_token_in_a_header(requests: dict[str, Seen]) -> None:
    """``bearer`` is in lower case and the body empty (document section 4); netrc is unused."""
    request = requests["/_oauth/resource/ucenter/outer/api-key/add"]
    assert request.line == "POST /_oauth/resource/ucenter/outer/api-key/add HTTP/1.1"
    assert request.names() == sent(("authorization", *_FORM))
    assert request.header("authorization") == f"bearer {TOKEN['access_token']}"
    assert request.header("content-type") == "application/x-www-form-urlencoded"
    assert request.header("content-length") == "0"
    assert request.body == b""


@everywhere
def test_key_info_request_is_signed(requests: dict[str, Seen]) -> None:
    """The signature headers are sent; no header's value is the secret or the passphrase."""
    request = requests["/api/v1/user/api-key"]
    assert request.line == "GET /api/v1/user/api-key HTTP/1.1"
    assert request.names() == sent(_SIGNED)
    assert request.header("kc-api-key") == "key-id"
    assert request.header("kc-api-key-version") == "3"
    assert not {"key-secret", "phrase"} & {value for _, value in request.fields}
    assert request.body == b""


@everywhere
def test_calls_share_one_connection(requests: dict[str, Seen]) -> None:
    """All calls of one app or client, or of social backends, are sent over one connection."""
    assert {request.connection for request in requests.values()} == {1}


@pytest.mark.parametrize("row", CLIENTS)
def test_a_client_keeps_no_cookie(row: str, new_stack: NewStack, recorder: Recorder) -> None:
    """A client keeps no cookie of an exchange, and over httpx2 none of ``client.get`` either."""
    stack: Any = new_stack(site=recorder.url)
    stack.finish_with(CODE)
    assert list(stack.client.cookies) == []
    if row != "requests":
        stack.settle(stack.client.get(recorder.url))
        inner = stack.settle(stack.client.pool.client())
        assert list(stack.client.cookies) == list(inner.cookies) == []


@everywhere
def test_rest_headers_of_a_site_are_sent_with_key_info_only(
    new_stack: NewStack, recorder: Recorder
) -> None:
    """A header in ``rest_headers`` is sent with the request for key info, and with no other."""
    site = Site(recorder.url, rest_headers={"X-SITE-TYPE": "australia"})
    stack = new_stack(site=site)
    stack.create_api_key(stack.finish_with(CODE))
    if "api_key_info" in stack.verbs:
        stack.api_key_info(KEY)
    with_it = [r.line for r in recorder.requests if "x-site-type" in r.names()]
    assert with_it == ["GET /api/v1/user/api-key HTTP/1.1"]
    assert recorder.requests[-1].header("x-site-type") == "australia"


@everywhere
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_proxy_of_the_environment_is_used(
    variable: str, new_stack: NewStack, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the proxy can be reached here, and it receives the requests for the site."""
    monkeypatch.setenv(variable, recorder.url)
    site = "http://127.0.0.2:1"
    stack = new_stack(site=site)
    stack.create_api_key(stack.finish_with("code"))
    assert [request.line for request in recorder.requests][:2] == [
        (
            f"GET {site}/_oauth/access-token?grant_type=authorization_code&code=code"
            f"&redirect_uri={REDIRECT_URI}&client_id=sandbox-client HTTP/1.1"
        ),
        f"POST {site}/_oauth/resource/ucenter/outer/api-key/add HTTP/1.1",
    ]


@everywhere
def test_refusing_proxy_makes_a_key_request_unavailable(
    new_stack: NewStack, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the proxy refuses CONNECT, a request for a key raises ``KuCoinUnavailable``."""
    monkeypatch.setenv("HTTPS_PROXY", recorder.url)
    recorder.status = 403
    stack = new_stack(site="eu")
    with pytest.raises(KuCoinUnavailable):
        stack.create_api_key({"access_token": "access"})
    (request,) = recorder.requests
    assert request.line.startswith("CONNECT www.kucoin.eu:443 HTTP/1.")
    assert "access" not in str(request.fields)

"""For generated callbacks, answers and URIs, the result is valid or one of our own errors.

``HYPOTHESIS_PROFILE=thorough`` tries up to 10,000 examples per test instead of up to 150.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from authlib_kucoin import ApiKey, ApiKeyInfo, KuCoinError, KuCoinToken, UnsafeRedirectURI
from authlib_kucoin._protocol import calls as protocol
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.callback import read_callback
from authlib_kucoin._protocol.redirect_uri import check_redirect_uri
from authlib_kucoin._protocol.sites import SITES
from tests.contract.recorder import Recorder
from tests.contract.stacks import FRAMEWORKS, NewStack, outcome_of

settings.register_profile("quick", max_examples=150)
settings.register_profile("thorough", max_examples=10_000)
PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "quick")
fuzzed = settings(
    settings.get_profile(PROFILE),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

CALLBACK: Final = "https://broker.example.com/callback"
SECRETS: Final = ("fuzzed-code/+=", "fuzzed-access/+=", "fuzzed-refresh/+=", "fuzzed-secret/+=")
CODE, ACCESS, REFRESH, SECRET = SECRETS
SITE = SITES["eu"]

CALLS: dict[str, tuple[Call[Any], type]] = {
    "token": (
        protocol.token_call(
            SITE, client_id="id", client_secret=SECRET, code=CODE, redirect_uri=CALLBACK
        ),
        KuCoinToken,
    ),
    "refresh": (
        protocol.refresh_call(SITE, token={"access_token": ACCESS, "refresh_token": REFRESH}),
        KuCoinToken,
    ),
    "validate": (protocol.validate_call(SITE, access_token=ACCESS), bool),
    "create_api_key": (protocol.create_api_key_call(SITE, access_token=ACCESS), ApiKey),
    "api_key_info": (
        protocol.api_key_info_call(SITE, key=ApiKey("name", "key-id", SECRET, SECRET)),
        ApiKeyInfo,
    ),
}

# --- strategies: anything, and often something nearly right --------------------------------------

_characters = st.characters()  # including lone surrogates
_texts = st.text(_characters, max_size=20) | st.sampled_from(
    ["", "true", "false", "200", "200000", "429000", "bearer", "A,B", *SECRETS]
)
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | _texts
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_KEY = dict.fromkeys(("apiName", "apiKey", "secret", "passphrase", "brokerId"), "word")
_KEY |= {"authGroup": "API_COMMON,API_SPOT", "ipWhiteList": []}
_INFO = {"permission": "General,Spot", "ipWhitelist": "", "createdAt": 1_700_000_000_000}
_INFO |= {"uid": 165111215, "isMaster": True, "subName": None, "remark": "word", "apiVersion": 3}
_FIELDS = {"access_token": "word", "token_type": "bearer", "expires_in": 3600, "scope": ["A"]}
_FIELDS |= {"refresh_token": "word", "is_valid": True, "success": True, "code": "200"}
_FIELDS |= {"msg": "word", "retry": False, "error": None, "error_description": "word"}
_FIELDS |= {"data": _KEY | _INFO}


def _nearly(fields: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Generate objects with these fields, each of which is right, wrong or missing."""
    return st.fixed_dictionaries(
        {},
        optional={
            name: (_nearly(good) if isinstance(good, dict) else st.just(good)) | _json
            for name, good in fields.items()
        },
    )


def _encoded(content: Any) -> st.SearchStrategy[bytes]:
    """Generate the content as JSON in one of four encodings, or in UTF-8 and cut off anywhere."""
    text = json.dumps(content)
    whole = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]).map(text.encode)
    return whole | st.integers(0, len(text)).map(lambda end: text[:end].encode())


_bodies = (_nearly(_FIELDS) | _json).flatmap(_encoded) | st.binary(max_size=50)
_statuses = st.just(200) | st.integers(100, 999)
_names = st.sampled_from(["code", "state", "success", "error", "msg", "retry", "data"]) | _texts
_pairs = st.lists(st.tuples(_names, _texts), max_size=6)


def texts_of(result: Any) -> list[str]:
    """Return every text in a result."""
    if isinstance(result, bool):
        return []
    values = result if isinstance(result, dict) else dataclasses.asdict(result)
    return [text for value in values.values() for text in _texts_in(value)]


def _texts_in(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, frozenset | tuple) else ()


# --- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", CALLS)
@fuzzed
@given(status=_statuses, body=_bodies)
@example(status=400, body=json.dumps({"code": "1", "msg": " ".join(SECRETS)}).encode())
@example(status=200, body=b"[" * 100_000)
@example(status=200, body=b'{"data":' * 100_000)
@example(status=200, body=b'{"expires_in":' + b"9" * 5000 + b"}")
@example(status=200, body=b'{"access_token": "a", "scope": ["\\ud800"]}')
@example(
    status=200, body=b'{"data": {"uid": "\\ud800", "permission": "\\ud800", "remark": "\\ud800"}}'
)
@example(
    status=200,
    body=b'{"success": true, "data": {"apiKey": "k", "secret": "s", "passphrase": "p",'
    b' "apiName": "\\ud800", "authGroup": ["\\ud800"]}}',
)
@example(status=200, body=b'{"createdAt": 1e999, "is_valid": NaN}')
def test_any_answer_is_a_result_or_our_error(operation: str, status: int, body: bytes) -> None:
    """Any status and bytes give a result of the right type, or an error that shows no secret."""
    call, kind = CALLS[operation]
    outcome = outcome_of(lambda: call.answer(status, body))
    if isinstance(outcome, KuCoinError):
        assert outcome.operation == operation
        assert str(outcome).isprintable()
        assert not [secret for secret in call.secrets if secret in f"{outcome}{vars(outcome)}"]
        assert outcome.__context__ is outcome.__cause__ is None
    else:
        assert type(outcome) is kind
        for text in texts_of(outcome):
            text.encode()  # fails for a lone surrogate, which databases reject


# --- callbacks ---------------------------------------------------------------------------------


@fuzzed
@given(_pairs)
@example([("state", "s"), ("code", "c\n")])
def test_any_callback_is_a_code_or_a_denial(pairs: list[tuple[str, str]]) -> None:
    """Any parameters give a code of visible ASCII, or an error about the callback."""
    outcome = outcome_of(lambda: read_callback(pairs).code())
    if isinstance(outcome, KuCoinError):
        assert outcome.operation == "callback"
        assert str(outcome).isprintable()
    else:
        assert re.fullmatch("[!-~]+", outcome)


@pytest.mark.parametrize("row", FRAMEWORKS)
def test_any_framework_callback_is_a_token_or_our_error(
    row: str, new_stack: NewStack, recorder: Recorder
) -> None:
    """Any query and form give a token or an error of ours; with an unknown state, an error."""
    stack = new_stack(site=recorder.url, redirect_uri=CALLBACK)
    names = st.sampled_from([b"code", b"success", b"error"]) | st.binary(max_size=5)
    queries = st.lists(st.tuples(names, st.binary(max_size=20)), max_size=4)
    plain = st.text(max_size=10)
    forms = st.dictionaries(st.sampled_from(["code", "state", "success"]) | plain, plain)

    # In a short run, all frameworks but Flask get a quarter of the examples.
    part = 4 if PROFILE == "quick" and row != "flask" else 1

    @settings(fuzzed, max_examples=fuzzed.max_examples // part)
    @given(query=queries, form=st.none() | forms, state_first=st.booleans(), knows=st.booleans())
    def check(
        query: list[tuple[bytes, bytes]],
        form: dict[str, str] | None,
        *,
        state_first: bool,
        knows: bool,
    ) -> None:
        state = stack.login().rpartition("&state=")[2] if knows else "unknown"
        pairs = [f"{quote_from_bytes(name)}={quote_from_bytes(value)}" for name, value in query]
        pairs.insert(0 if state_first else len(pairs), f"state={state}")
        url = f"{CALLBACK}?{'&'.join(pairs)}"
        if form is None:
            outcome = outcome_of(lambda: stack.finish(url))
        else:
            outcome = outcome_of(lambda: stack.finish_by_post(url, form))
        assert isinstance(outcome, KuCoinError if not knows else KuCoinError | KuCoinToken)

    check()


# --- redirect URIs -----------------------------------------------------------------------------


@fuzzed
@given(st.text(_characters) | st.text(_characters).map(f"{CALLBACK}{{}}".format))
@example("https://[::1")
@example("https://broker.example.com:port/")
@example("https://broker.example.com:99999/")
def test_any_redirect_uri_is_sent_raw_or_refused(uri: str) -> None:
    """A URI that is accepted appears byte for byte in the authorization URL."""
    try:
        checked = check_redirect_uri(uri)
    except UnsafeRedirectURI:
        return
    assert checked == uri
    url = protocol.authorization_url(SITE, client_id="id", redirect_uri=uri, state="s")
    assert f"&redirect_uri={uri}&" in url
    assert url.isascii()

"""Errors, tokens, keys as values (reprs, copies, pickles); what the package exports and loads."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from typing import Any

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.oauth2.rfc6749 import OAuth2Token

import authlib_kucoin
from authlib_kucoin import KuCoinToken, _errors

PUBLIC = {
    *("register_kucoin", "Site", "ApiKey", "ApiKeyInfo", "KuCoinToken"),
    *("KuCoinOAuth2Session", "KuCoinOAuth2Client", "AsyncKuCoinOAuth2Client"),
    *("KuCoinError", "AuthorizationDenied", "TokenError", "ReauthorizationRequired"),
    *("ApiKeyError", "ApiKeyNameTaken", "ApiKeyLimitReached", "PermissionMismatch"),
    *("ApiKeyOutcomeUnknown", "KuCoinUnavailable", "MalformedResponse", "ConfigurationError"),
    *("ApiKeyInvalid", "AddressNotAllowed", "ClockSkewed", "ApiKeyPermissionDenied"),
    *("MismatchingState", "MissingCode", "MissingToken"),
    "UnsafeRedirectURI",
}
ERRORS = [
    value
    for value in vars(_errors).values()
    if isinstance(value, type) and issubclass(value, _errors.KuCoinError)
]


def test_all_lists_exactly_the_public_names() -> None:
    """``__all__`` lists exactly the public names, and each of them loads."""
    assert set(authlib_kucoin.__all__) == PUBLIC
    assert set(dir(authlib_kucoin)) >= PUBLIC
    for name in PUBLIC:
        assert getattr(authlib_kucoin, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that does not exist raises ``AttributeError``, as in any module."""
    with pytest.raises(AttributeError, match="nonsense"):
        _ = authlib_kucoin.nonsense


def test_import_loads_no_framework_or_http_library() -> None:
    """Importing the package and its pytest plugin loads no library of ``heavy``.

    Using three classes and ``register_kucoin`` loads no framework and no HTTP library either.
    """
    code = (
        "import sys, authlib_kucoin, authlib_kucoin.pytest_plugin\n"
        "heavy = {'authlib.integrations', 'flask', 'starlette', 'django', 'requests', 'urllib3',"
        " 'httpx', 'httpx2', 'joserfc', 'social_core', 'cryptography'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "authlib_kucoin.KuCoinError, authlib_kucoin.ApiKey, authlib_kucoin.Site\n"
        "authlib_kucoin.register_kucoin\n"
        "heavy -= {'authlib.integrations', 'joserfc', 'cryptography'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "[]"]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_is_an_oauth_error_and_can_be_pickled(kind: Any) -> None:
    """Each ``KuCoinError`` is an ``OAuthError``, and its copies and pickles have its attributes."""
    error = kind(
        "what is wrong", operation="token", code="1", msg="m", retry=True, status=400, retry_after=7
    )
    for other in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is kind
        assert isinstance(other, OAuthError)
        assert str(other) == other.description == other.args[0] == "what is wrong"
        assert vars(other) == vars(error)
    assert error.error == kind.error
    assert kind.error in repr(error)


def test_each_error_class_has_its_own_error_value() -> None:
    """No two error classes have the same ``error``."""
    assert len({kind.error for kind in ERRORS}) == len(ERRORS)


def test_token_repr_is_masked_and_given_dict_is_unchanged() -> None:
    """The repr shows no token, the given dict stays unchanged, ``OAuth2Token`` is the base."""
    given = {"access_token": "sec-a", "refresh_token": "sec-r", "id": "sec-x", "expires_in": 3600}
    before = dict(given)
    token = KuCoinToken(given)
    assert given == before
    assert isinstance(token, OAuth2Token)
    assert token["access_token"] == "sec-a"
    assert isinstance(token["expires_at"], int)
    for shown in (repr(token), str(token), f"{token}", f"{token!r}"):
        assert "sec-" not in shown
        assert "'expires_in': 3600" in shown


def test_key_repr_is_masked_and_key_is_frozen() -> None:
    """No repr shows the secret or the passphrase, and no field can be changed."""
    key = authlib_kucoin.ApiKey("name", "key-id", "sec-1", "sec-2")
    assert "sec-" not in repr(key)
    assert "sec-" not in repr([key])
    assert "key-id" in repr(key)
    with pytest.raises(dataclasses.FrozenInstanceError):
        key.secret = "x"  # type: ignore[misc]
    info = authlib_kucoin.ApiKeyInfo("1", frozenset({"General"}))
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.uid = "2"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("requests", "KuCoinOAuth2Session"),
        ("httpx2", "KuCoinOAuth2Client"),
        ("httpx2", "AsyncKuCoinOAuth2Client"),
    ],
)
def test_missing_library_error_says_what_to_install(library: str, name: str) -> None:
    """Using a class without its library says what to install; inspecting the package works."""
    extra = library.rstrip("2")
    program = f"""
import inspect, pydoc, sys
sys.modules[{library!r}] = None
import authlib_kucoin
try:
    authlib_kucoin.{name}
except AttributeError as error:
    assert "pip install 'authlib-kucoin[{extra}]'" in str(error), error
try:
    from authlib_kucoin import {name}
except ModuleNotFoundError as error:
    assert "pip install 'authlib-kucoin[{extra}]'" in str(error), error
    assert error.name == {library!r}
assert not hasattr(authlib_kucoin, {name!r})
assert {name!r} not in dir(authlib_kucoin)
inspect.getmembers(authlib_kucoin)
pydoc.render_doc(authlib_kucoin)
from authlib_kucoin import *
assert KuCoinError and {name!r} not in globals()
del authlib_kucoin.KuCoinError
sys.modules["authlib_kucoin._errors"] = None
try:
    authlib_kucoin.KuCoinError
except AttributeError as error:
    assert "pip" not in str(error), error
"""
    subprocess.run([sys.executable, "-c", program], check=True)

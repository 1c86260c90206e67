"""The error class and the advice for the known codes of the REST gateway; ``Retry-After``."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import pytest

from authlib_kucoin import (
    AddressNotAllowed,
    ApiKeyError,
    ApiKeyInvalid,
    ApiKeyPermissionDenied,
    ClockSkewed,
    KuCoinError,
    KuCoinUnavailable,
)
from tests.unit.answers import CALLS


def refused(code: str, status: int, headers: dict[str, str] | None = None) -> KuCoinError:
    """Return the error that this answer of the gateway to a request for key info raises."""
    body = json.dumps({"code": code, "msg": "no"}).encode()
    with pytest.raises(KuCoinError) as caught:
        CALLS["api_key_info"].answer(status, body, headers or {})
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "kind", "advice"),
    [
        ("400001", 400, ApiKeyError, "proxy on the way that removes headers"),
        ("400002", 400, ClockSkewed, "Set this machine's clock"),
        ("400003", 401, ApiKeyInvalid, "it was deleted or is another site's"),
        ("400004", 401, ApiKeyInvalid, "passphrase is wrong. Have the user connect"),
        ("400005", 401, ApiKeyInvalid, "secret is wrong. Have the user connect"),
        ("400006", 403, AddressNotAllowed, "Ask KuCoin to add the address of this server"),
        ("400007", 403, ApiKeyPermissionDenied, "lacks the permission"),
        ("400008", 400, ApiKeyError, "version that KuCoin does not serve"),
        ("400009", 400, ApiKeyError, "newer release of this package"),
        ("400010", 400, ApiKeyError, "ask KuCoin what it means"),
        ("400200", 400, ApiKeyError, "does not know the partner id"),
        ("400201", 400, ApiKeyError, "check the broker key"),
        ("400202", 403, AddressNotAllowed, "partner id is bound to other addresses"),
        ("400301", 400, ApiKeyError, "does not serve the region"),
        ("411100", 400, ApiKeyError, "frozen the account"),
        ("404000", 404, ApiKeyError, "check the REST address"),
        ("429000", 429, KuCoinUnavailable, "Trying again later does no harm"),
        ("123456", 400, ApiKeyError, "Ask KuCoin what the code means"),
    ],
)
def test_each_code_decides_error_class_and_advice(
    code: str, status: int, kind: type[KuCoinError], advice: str
) -> None:
    """Each of these codes, with its status, gives this error class and this advice in the text."""
    error = refused(code, status)
    assert type(error) is kind
    assert (error.code, error.status) == (code, status)
    assert advice in str(error)


@pytest.mark.parametrize(("seconds", "text"), [(31, "31 s behind"), (-3600, "3600 s ahead")])
def test_clock_skew_error_gives_the_difference(seconds: int, text: str) -> None:
    """The error says by how many seconds this clock differs from the answer's ``Date``."""
    date = formatdate(time.time() + seconds, usegmt=True)
    # The header has whole seconds, so the difference may be off by one.
    near = {text, text.replace("31", "30"), text.replace("3600", "3601")}
    said = str(refused("400002", 400, {"Date": date}))
    assert any(each in said for each in near)


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}, {"date": ""}])
def test_clock_skew_without_date_gives_no_difference(headers: dict[str, str]) -> None:
    """Without a usable ``Date``, ``ClockSkewed`` does not say by how much the clock differs."""
    error = refused("400002", 400, headers)
    assert type(error) is ClockSkewed
    assert "This machine's clock is" not in str(error)


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("9" * 30, None),
        (None, None),
    ],
)
def test_retry_after_is_kept(
    operation: str, status: int, given: str | None, seconds: int | None
) -> None:
    """``retry_after`` is the header's number of seconds; None if that is missing or unusable."""
    headers = {} if given is None else {"Retry-After": given}
    with pytest.raises(KuCoinError) as caught:
        CALLS[operation].answer(status, b"", headers)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(("ahead", "most"), [(120, 120), (-120, 0)])
def test_retry_after_may_be_a_date(ahead: int, most: int) -> None:
    """``Retry-After`` may be a date; a date in the past means 0 seconds."""
    headers = {"retry-after": formatdate(time.time() + ahead, usegmt=True)}
    seconds: Any = refused("1", 503, headers).retry_after
    assert max(0, most - 2) <= seconds <= most

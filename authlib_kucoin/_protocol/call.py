"""One request to KuCoin and what its answer means, without the means to send it.

A client performs a :class:`Call`. It hands status and body to :meth:`Call.answer` or, if no
answer came, calls :meth:`Call.unanswered`. Both decide which failure gets which error class.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, NoReturn, TypeGuard, TypeVar
from urllib.parse import urlsplit

from authlib_kucoin._errors import (
    ApiKeyError,
    ApiKeyLimitReached,
    ApiKeyNameTaken,
    ApiKeyOutcomeUnknown,
    KuCoinError,
    KuCoinUnavailable,
    MalformedResponse,
    PermissionMismatch,
    ReauthorizationRequired,
    TokenError,
)

from .redaction import presentable

T = TypeVar("T")

#: The REST gateway's code for "too many requests" (HTTP 429).
_RATE_LIMITED: Final = "429000"
#: Default headers of the HTTP library that would turn the request into another one.
_NOT_TAKEN_OVER: Final = {"authorization", "cookie", "content-type"}
#: The characters of a code or token (RFC 6749 appendix A) without the space: any other character
#: could not travel in a header unchanged.
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


class Unreadable(ValueError):
    """The answer is not what the document describes; the text says why, without values."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request, and how to read its answer.

    Attributes:
        operation: Its name, as in :attr:`KuCoinError.operation`.
        action: The same in words, for error texts: "exchange the authorization code".
        method: The HTTP method.
        url: The exact URL; it must reach the wire unchanged.
        headers: The headers that the document asks for.
        body: The request body; empty for none.
        secrets: Texts that must not appear in any log, error or traceback.
        read: Turns the fields of a JSON answer into the result, or raises :class:`Unreadable`.
        refused: Chooses the error class for a refusal, by KuCoin's code and message.
        creates_key: Whether a lost answer may mean a lost key. Such a call is never sent twice.
    """

    operation: str
    action: str
    method: str
    url: str = dataclasses.field(repr=False)
    headers: Mapping[str, str] = dataclasses.field(repr=False)
    body: str = dataclasses.field(default="", repr=False)
    secrets: tuple[str, ...] = dataclasses.field(repr=False)
    read: Callable[[dict[str, Any]], T] = dataclasses.field(repr=False)
    refused: Callable[[str | None, str | None], type[KuCoinError]] = dataclasses.field(repr=False)
    creates_key: bool = False

    def headers_among(self, others: Mapping[str, str]) -> dict[str, str]:
        """Return the headers to send.

        Args:
            others: What the HTTP library sends with every request, such as ``User-Agent``.
        """
        left_out = _NOT_TAKEN_OVER.union(map(str.lower, self.headers))
        kept = {name: value for name, value in others.items() if name.lower() not in left_out}
        return {**kept, **self.headers}

    def answer(self, status: int, body: bytes) -> T:
        """Return the result that an answer holds.

        Args:
            status: The HTTP status.
            body: The whole body.

        Raises:
            KuCoinError: For any other answer.
        """
        try:
            fields, unreadable = _json_object(body), ""
        except Unreadable as error:
            fields, unreadable = {}, f"{error} (HTTP {status})"
        if status == 429:  # Too Many Requests, whatever the body says
            self._fail(KuCoinUnavailable, "too many requests", fields, status)
        if 300 <= status < 400:  # never followed: the request is for KuCoin alone
            where = f"it redirected us (HTTP {status}), so {self._host} may be the wrong host"
            self._distrust(MalformedResponse, where, fields, status)
        if status >= 500:
            self._distrust(KuCoinUnavailable, f"it failed with HTTP {status}", fields, status)
        if unreadable:
            self._distrust(MalformedResponse, unreadable, fields, status)
        if _says_no(fields, status):
            self._refuse(fields, status)
        try:
            if not isinstance(fields.get("success", True), bool):
                raise Unreadable("its success is neither true nor false")
            return self.read(fields)
        except Unreadable as error:
            unreadable = str(error)
        # Quote nothing: apart from one bad field it may be a valid token or key.
        self._distrust(MalformedResponse, unreadable, {}, status)

    def unanswered(self, failure: str, *, sent: bool) -> NoReturn:
        """Raise the error for a request that got no answer.

        Args:
            failure: The name of the error, without its text, which may hold the URL.
            sent: Whether any of the request may have reached KuCoin.
        """
        reason = f"{self._host} gave no answer ({failure})"
        if sent:
            self._distrust(KuCoinUnavailable, reason, {}, None)
        self._fail(KuCoinUnavailable, reason, {}, None)

    @property
    def _host(self) -> str:
        return urlsplit(self.url).netloc

    def _refuse(self, fields: Mapping[str, Any], status: int) -> NoReturn:
        """Raise for an answer in which KuCoin says no."""
        if self.creates_key and _says_yes(fields):
            self._distrust(MalformedResponse, "its answer contradicts itself", fields, status)
        code, msg = _said(fields)
        if code == _RATE_LIMITED:
            self._fail(KuCoinUnavailable, "too many requests", fields, status)
        self._fail(self.refused(code, msg), "it refused", fields, status)

    def _distrust(
        self, kind: type[KuCoinError], reason: str, fields: Mapping[str, Any], status: int | None
    ) -> NoReturn:
        """Raise for a request that was sent and whose answer cannot be trusted."""
        self._fail(ApiKeyOutcomeUnknown if self.creates_key else kind, reason, fields, status)

    def _fail(
        self, kind: type[KuCoinError], reason: str, fields: Mapping[str, Any], status: int | None
    ) -> NoReturn:
        code, msg = (presentable(text, self.secrets) for text in _said(fields))
        quoted = ": ".join(filter(None, (f"code {code}" if code else None, msg)))
        is_unknown = kind is ApiKeyOutcomeUnknown
        what = "It is not known whether KuCoin did" if is_unknown else "KuCoin did not"
        next_ = _NEXT.get((kind, self.operation)) or _NEXT.get(kind, "")
        raise kind(
            f"{what} {self.action}: {reason}{f' ({quoted})' if quoted else ''}. {next_}".rstrip(),
            operation=self.operation,
            code=code,
            msg=msg,
            # Never for a key that may exist, whatever KuCoin's "retry" says.
            retry=kind is KuCoinUnavailable or (fields.get("retry") is True and not is_unknown),
            status=status,
        )


def _said(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return code and message of a failure: KuCoin's envelope, or RFC 6749 section 5.2."""
    return (
        _text(fields.get("error")) or _text(fields.get("code")),
        _text(fields.get("error_description")) or _text(fields.get("msg")),
    )


def _says_no(fields: Mapping[str, Any], status: int) -> bool:
    """Tell whether an answer is a refusal: ``success`` and ``error`` are read first."""
    return (
        fields.get("success") is False
        or bool(fields.get("error"))
        or not 200 <= status < 300
        # The REST gateway's envelope has no "success"; its good code is 200000.
        or ("success" not in fields and _text(fields.get("code")) not in (None, "200", "200000"))
    )


def _says_yes(fields: Mapping[str, Any]) -> bool:
    """Tell whether a refusal may hold a result all the same."""
    success = fields.get("success")
    return success is True or (success is not False and bool(fields.get("data")))


_AGAIN: Final = "Have the user authorize again."
_AT_KUCOIN: Final = "on KuCoin's API management page"
#: What to do next, by the kind of error, or by kind and operation.
_NEXT: Final[dict[type[KuCoinError] | tuple[type[KuCoinError], str], str]] = {
    KuCoinUnavailable: "Trying again later does no harm.",
    (KuCoinUnavailable, "token"): (
        "Trying again later does no harm; a web application starts the login again."
    ),
    MalformedResponse: "Nothing of the answer was used.",
    TokenError: (
        f"{_AGAIN} If that does not help, ask KuCoin about the client id, the redirect URL and the "
        "addresses that are registered (section 2)."
    ),
    ReauthorizationRequired: _AGAIN,
    ApiKeyError: "No key was created.",
    (ApiKeyError, "api_key_info"): (
        f"The key may have been deleted {_AT_KUCOIN}, or not be allowed from this address."
    ),
    ApiKeyNameTaken: f"Have the user delete the key of that name {_AT_KUCOIN}, and connect again.",
    ApiKeyLimitReached: (f"Have the user delete an unused key {_AT_KUCOIN}, and connect again."),
    PermissionMismatch: "Have the user connect again and grant what is asked for.",
    ApiKeyOutcomeUnknown: (
        f"If it did, the secret is lost: have the user look {_AT_KUCOIN}, and delete the key there "
        "before asking for another."
    ),
}


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        fields = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except RecursionError:
        fields, why = None, "it answered with absurdly nested JSON"
    except ValueError:
        fields, why = None, "it answered with something that is not JSON"
    else:
        why = "it answered with JSON that is not an object"
    if not isinstance(fields, dict):
        raise Unreadable(why)
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


#: Made once: json.loads would make one for each answer.
_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


def _text(value: object) -> str | None:
    """Return a code or message as a string; KuCoin writes codes as strings and as numbers."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None


def is_visible(value: object) -> TypeGuard[str]:
    """Tell whether a value is a string that can be a code, token or credential."""
    return isinstance(value, str) and _VISIBLE.fullmatch(value) is not None

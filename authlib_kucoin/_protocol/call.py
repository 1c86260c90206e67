"""One request to KuCoin and the meaning of its answer, without any I/O.

A client sends the request of a :class:`Call`. Then it passes the answer to :meth:`Call.answer`, or
calls :meth:`Call.unanswered` if no answer came or it broke off. These methods choose the error to
raise. The client can raise another error itself if it blames a setting (such as a proxy without its
password) or the application (such as a signal handler).
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, NoReturn, TypeGuard, TypeVar
from urllib.parse import urlsplit

from authlib_kucoin._errors import (
    ApiKeyError,
    ApiKeyLimitReached,
    ApiKeyNameTaken,
    ApiKeyOutcomeUnknown,
    ClockSkewed,
    KuCoinError,
    KuCoinUnavailable,
    MalformedResponse,
    PermissionMismatch,
    ReauthorizationRequired,
    TokenError,
)
from authlib_kucoin._models import whole_seconds

from .error_codes import RATE_LIMITED
from .redaction import presentable

T = TypeVar("T")

#: Default headers of an HTTP client that are not sent with a call: they could change its meaning.
_NOT_TAKEN_OVER: Final = {"authorization", "cookie", "content-type"}
#: The characters of a code or token: VSCHAR of RFC 6749 appendix A without the space. A header does
#: not reliably carry other characters unchanged.
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Unreadable(ValueError):
    """An answer is not as documented. The text quotes no value of the answer."""


class _Answer(NamedTuple):
    """An answer of KuCoin. The defaults stand for a request without an answer."""

    status: int | None = None
    fields: Mapping[str, Any] = MappingProxyType({})
    headers: Mapping[str, str] = _NO_HEADERS
    failure: str | None = None

    @property
    def said(self) -> tuple[str | None, str | None]:
        """The error code and the message, each None if there is no usable one.

        An OAuth error (RFC 6749 section 5.2) has them in ``error`` and ``error_description``.
        KuCoin's envelope ``{success, code, msg, …}`` has them in ``code`` and ``msg``.
        """
        fields = self.fields
        return (
            _text(fields.get("error")) or _text(fields.get("code")),
            _text(fields.get("error_description")) or _text(fields.get("msg")),
        )

    @property
    def says_no(self) -> bool:
        """Whether the answer is a refusal. If it has ``success``, its ``code`` does not count."""
        return (
            self.fields.get("success") is False
            or bool(self.fields.get("error"))
            or not 200 <= (self.status or 0) < 300
            # The REST API's envelope has no "success"; its code for success is 200000. A code of
            # 200 is accepted as well.
            or (
                "success" not in self.fields
                and _text(self.fields.get("code")) not in (None, "200", "200000")
            )
        )

    @property
    def says_yes(self) -> bool:
        """Whether KuCoin's envelope claims a result. ``says_no`` can be true of the same answer."""
        success = self.fields.get("success")
        return success is True or (success is not False and bool(self.fields.get("data")))

    @property
    def retry_after(self) -> int | None:
        """The seconds to wait by ``Retry-After`` (RFC 9110 section 10.2.3); None if unknown."""
        given = self._header("retry-after")
        if given is None or given.isdecimal():
            return whole_seconds(given)
        moment = _moment(given)
        return None if moment is None else max(0, math.ceil(moment - time.time()))

    @property
    def clock_skew(self) -> str:
        """This machine's clock compared with the header ``Date``, such as "7 s ahead".

        The result is empty if the header is missing or is no date.
        """
        moment = _moment(self._header("date") or "")
        if moment is None:
            return ""
        skew = round(time.time() - moment)
        return f"{abs(skew)} s {'ahead' if skew > 0 else 'behind'}"

    def _header(self, wanted: str) -> str | None:
        return next((v for name, v in self.headers.items() if name.lower() == wanted), None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request to KuCoin, and how to read the answer to it.

    Attributes:
        operation: The name of the call, which becomes :attr:`KuCoinError.operation`.
        action: What the call does, for error texts, such as "exchange the authorization code".
        method: The HTTP method.
        url: The exact URL, which must be sent unchanged.
        headers: The headers of this call. They replace the HTTP library's headers of the same
            names.
        body: The request body; empty if there is none.
        secrets: Texts that must not appear in any log, error or traceback.
        read: Turns the fields of a JSON answer into the result, or raises :class:`Unreadable`.
        refused: Chooses the error class for a refusal, by KuCoin's code and message.
        advice: What the developer or the user should do after a refusal, by KuCoin's code.
        creates_key: Whether this request creates an API key. If its answer is lost, so is the
            key's secret, so the request must not be repeated automatically.
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
    advice: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    creates_key: bool = False

    def headers_among(self, others: Mapping[str, str]) -> dict[str, str]:
        """Return the headers to send: those of the call, and the suitable ones of ``others``.

        Args:
            others: The default headers of the HTTP client, such as ``User-Agent``. A header is left
                out if the call has one of that name, or if it is ``Authorization``, ``Cookie`` or
                ``Content-Type``.
        """
        left_out = _NOT_TAKEN_OVER.union(map(str.lower, self.headers))
        kept = {name: value for name, value in others.items() if name.lower() not in left_out}
        return {**kept, **self.headers}

    def answer(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] = _NO_HEADERS,
        *,
        unusable: str = "",
    ) -> T:
        """Return the result that an answer holds.

        Args:
            status: The HTTP status.
            body: The whole body.
            headers: The HTTP headers, by names in upper or lower case.
            unusable: Why the body could not be read; empty if it could. If this is given,
                ``body`` is ignored.

        Raises:
            KuCoinError: If the HTTP status is not a success, or if the body is a refusal or holds
                no result that can be used.
        """
        try:
            fields, unreadable = {} if unusable else _json_object(body), unusable
        except Unreadable as error:
            fields, unreadable = {}, f"{error} (HTTP {status})"
        answer = _Answer(status, fields, headers)
        if status == 429:  # Too Many Requests, whatever the body says
            self._fail(KuCoinUnavailable, "too many requests", answer)
        if 300 <= status < 400:  # redirects are not followed: no other host must get the request
            where = f"it redirected us (HTTP {status}), so {self.host} may be the wrong host"
            self._distrust(MalformedResponse, where, answer)
        if status >= 500:
            self._distrust(KuCoinUnavailable, f"it failed with HTTP {status}", answer)
        if unreadable:
            self._distrust(MalformedResponse, unreadable, answer)
        if answer.says_no:
            self._refuse(answer)
        try:
            if not isinstance(fields.get("success", True), bool):
                raise Unreadable("its success is neither true nor false")
            return self.read(fields)
        except Unreadable as error:
            unreadable = str(error)
        # Quote nothing of the answer: beside the bad field, it may hold a valid token or key.
        self._distrust(MalformedResponse, unreadable, answer._replace(fields={}))

    def unanswered(self, error: str, *, sent: bool, failure: str = "connection") -> NoReturn:
        """Raise the error for a request that got no answer.

        Args:
            error: What happened, without the text of the HTTP library's error, which can hold the
                URL.
            sent: Whether any part of the request may have reached KuCoin.
            failure: The kind of error, as in :attr:`KuCoinError.failure`.

        Raises:
            ApiKeyOutcomeUnknown: If ``sent`` is true and the call creates a key.
            KuCoinUnavailable: Otherwise.
        """
        reason, nothing = f"{self.host} gave no answer ({error})", _Answer(failure=failure)
        if sent:
            self._distrust(KuCoinUnavailable, reason, nothing)
        self._fail(KuCoinUnavailable, reason, nothing)

    @property
    def host(self) -> str:
        """The host of the URL, with its port if the URL has one."""
        return urlsplit(self.url).netloc

    def _refuse(self, answer: _Answer) -> NoReturn:
        """Raise the error for a refusal.

        If the refusal of a key claims a result as well, a key was perhaps created, so the error is
        :class:`ApiKeyOutcomeUnknown`.
        """
        if self.creates_key and answer.says_yes:
            self._distrust(MalformedResponse, "its answer contradicts itself", answer)
        code, msg = answer.said
        if code == RATE_LIMITED:
            self._fail(KuCoinUnavailable, "too many requests", answer)
        self._fail(self.refused(code, msg), "it refused", answer)

    def _distrust(self, kind: type[KuCoinError], reason: str, answer: _Answer) -> NoReturn:
        """Raise the error for a request that perhaps reached KuCoin and got no usable answer.

        Its class is ``kind``, or :class:`ApiKeyOutcomeUnknown` for a call that creates a key.
        """
        kind = ApiKeyOutcomeUnknown if self.creates_key else kind
        self._fail(kind, reason, answer, in_doubt=self.operation in _CHANGE_SOMETHING)

    def _fail(
        self, kind: type[KuCoinError], reason: str, answer: _Answer, *, in_doubt: bool = False
    ) -> NoReturn:
        said_code, said_msg = answer.said
        code, msg = presentable(said_code, self.secrets), presentable(said_msg, self.secrets)
        quoted = ": ".join(filter(None, (f"code {code}" if code else None, msg)))
        what = "It is not known whether KuCoin did" if in_doubt else "KuCoin did not"
        advice = self.advice.get(said_code or "") if issubclass(kind, ApiKeyError) else None
        if kind is ClockSkewed and (skew := answer.clock_skew):
            advice = f"This machine's clock is {skew}. {advice}"
        if in_doubt and self.operation == "refresh":
            advice = "Try once more. If that is refused, have the user authorize again."
        next_ = advice or _NEXT.get((kind, self.operation)) or _NEXT.get(kind, "")
        raise kind(
            f"{what} {self.action}: {reason}{f' ({quoted})' if quoted else ''}. {next_}".rstrip(),
            operation=self.operation,
            code=code,
            msg=msg,
            # False if a key may have been created, whatever KuCoin's "retry" says.
            retry=kind is KuCoinUnavailable
            or (answer.fields.get("retry") is True and kind is not ApiKeyOutcomeUnknown),
            status=answer.status,
            retry_after=answer.retry_after,
            failure=answer.failure,
        )


#: The operations that can use up a code or a refresh token, or create a key, even if the answer
#: is lost.
_CHANGE_SOMETHING: Final = {"token", "refresh", "create_api_key"}
_AGAIN: Final = "Have the user authorize again."
_AT_KUCOIN: Final = "on KuCoin's API management page"
#: The end of an error text: what to do or what follows, by error class, or by class and operation.
#: Advice for KuCoin's code, or for a refresh in doubt, takes its place.
_NEXT: Final[dict[type[KuCoinError] | tuple[type[KuCoinError], str], str]] = {
    KuCoinUnavailable: "Trying again later does no harm.",
    (KuCoinUnavailable, "token"): (
        "Trying again later does no harm. A web application should start the login again."
    ),
    MalformedResponse: "Nothing of the answer was used.",
    TokenError: (
        f"{_AGAIN} If that does not help, ask KuCoin about the client id, the redirect URL and the "
        "addresses that are registered (section 2)."
    ),
    ReauthorizationRequired: _AGAIN,
    ApiKeyError: "No key was created.",
    (ApiKeyError, "api_key_info"): "Ask KuCoin what the code means.",
    ApiKeyNameTaken: f"Have the user delete the key of that name {_AT_KUCOIN}, and connect again.",
    ApiKeyLimitReached: (f"Have the user delete an unused key {_AT_KUCOIN}, and connect again."),
    PermissionMismatch: (
        "The user has not granted these permissions, or has not opened futures trading at "
        "KuCoin: ask for fewer permissions, or have the user open futures trading, and connect "
        "again."
    ),
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
    except Unreadable as error:
        fields, why = None, str(error)
    except ValueError:
        fields, why = None, "it answered with something that is not JSON"
    else:
        why = "it answered with JSON that is not an object"
    if not isinstance(fields, dict):
        raise Unreadable(why)
    return fields


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object without its null members, which count as absent.

    Raises:
        Unreadable: If the object has a member twice.
    """
    if len(dict(pairs)) != len(pairs):
        raise Unreadable("it answered with JSON that has a member twice")
    return {name: value for name, value in pairs if value is not None}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


#: Made once, because json.loads would make a decoder for each answer.
_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_members)


def _text(value: object) -> str | None:
    """Return a code or message as a string; None if it is empty, or neither a string nor an int."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None


def _moment(date: str) -> float | None:
    """Return an HTTP date in seconds since the epoch; None for a text that is no date."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def is_visible(value: object) -> TypeGuard[str]:
    """Tell whether a value is a string that can be a code, token or credential.

    It can if it is printable ASCII without spaces, not empty, and not only asterisks, which are a
    mask in the place of a value.
    """
    return isinstance(value, str) and bool(_VISIBLE.fullmatch(value) and value.strip("*"))

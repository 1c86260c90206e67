"""Decides which parts of an answer a report shows.

The report's list of members has the values of a few that hold no secret. Of any other value, it has
at most the type, the length or size, and the kind of characters. Known secrets are masked in the
shown values, too, because a message of KuCoin's can repeat a secret from the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from string import digits
from typing import Any, Final

from authlib_kucoin._protocol.redaction import MASK, presentable, redact

#: The members whose values are shown, unless the value is an object.
SHOWN: Final = frozenset(
    {
        "apiVersion",
        "authGroup",
        "code",
        "error",
        "error_description",
        "expires_in",
        "isMaster",
        "is_valid",
        "msg",
        "permission",
        "retry",
        "scope",
        "siteType",
        "success",
        "token_type",
    }
)
#: Members that describe an account or a key, and whose values are not shown.
_DESCRIPTIONS: Final = frozenset(
    {
        "apiName",
        "brokerId",
        "createdAt",
        "expiredAt",
        "ipWhiteList",
        "ipWhitelist",
        "kycStatus",
        "parentUid",
        "region",
        "remark",
        "subName",
        "thirdPartyApp",
        "uid",
    }
)
#: Secrets with fewer characters are not masked: they could match ordinary words of a report.
_SHORTEST_MASKED: Final = 6
_LONGEST_NAME: Final = 40
_NAME: Final = re.compile(rf"[A-Za-z_$][\w.$-]{{0,{_LONGEST_NAME - 1}}}", re.ASCII)
# _RUN matches 16 or more characters that can be a token. They are masked if one of them is a digit.
# _ADDRESS matches an IPv4 address, or an IPv6 address with three or more colons or with `::` after
# its first group; a time of day, such as 12:30:45, has just two colons.
_RUN: Final = re.compile(r"[\w+/=-]{16,}")
_ADDRESS: Final = re.compile(
    r"\b\d{1,3}(?:\.\d{1,3}){3}\b"
    r"|(?<![\w:])(?:[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,7}|[0-9a-f]{1,4}::[0-9a-f]{0,4})(?!\w)",
    re.IGNORECASE,
)


class Secrets:
    """The values that the report must not show, as far as they are known.

    Credentials are masked in the whole report. A value that describes an account or a key, such as
    the key's name, can be an ordinary word, so it is masked only in texts that come from an answer.
    Values of fewer than six characters are masked nowhere.
    """

    def __init__(self, *known: str | None) -> None:
        self._credentials: set[str] = set()
        self._descriptions: set[str] = set()
        self.add(*known)

    def add(self, *values: object) -> None:
        """Add credentials. Values that are no strings, or empty, are ignored."""
        self._credentials.update(value for value in values if isinstance(value, str) and value)

    def add_all_of(self, content: object) -> None:
        """Add all texts and numbers of an answer, except for members that the report shows."""
        for name, value in _hidden_values(content):
            known = self._descriptions if name in _DESCRIPTIONS else self._credentials
            known.add(value)

    def masked(self, text: str) -> str:
        """Return a text with the known credentials masked."""
        return redact(text, _long(self._credentials))

    def shown(self, value: object) -> str:
        """Return a value from KuCoin as a text that can be shown.

        Known credentials and descriptions are masked, and the text is cut off at 300 characters.
        Then long runs of characters with a digit, and IP addresses (as far as ``_ADDRESS`` matches
        them), are masked.
        """
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return _without_lookalikes(presentable(text, self._all) or "")

    def clean(self, text: str) -> str:
        """Return a text about an answer, masked as by :meth:`shown` but not shortened."""
        return _without_lookalikes(redact(text, self._all))

    @property
    def _all(self) -> list[str]:
        return _long(self._credentials | self._descriptions)


def _long(known: Iterable[str]) -> list[str]:
    return [each for each in known if len(each) >= _SHORTEST_MASKED]


def _without_lookalikes(text: str) -> str:
    masked = _RUN.sub(lambda run: MASK if _is_random(run[0]) else run[0], text)
    return _ADDRESS.sub("(an address)", masked)


def _is_random(run: str) -> bool:
    return not set(digits).isdisjoint(run)


def _hidden_values(content: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and, as text, the value of each member that the report does not show.

    Booleans and nulls are left out.
    """
    if isinstance(content, Mapping):
        for each, value in content.items():
            if each not in SHOWN or isinstance(value, Mapping):
                yield from _hidden_values(value, each)
    elif isinstance(content, list):
        for value in content:
            yield from _hidden_values(value, name)
    elif content is not None and not isinstance(content, bool):
        yield name, str(content)


def member_name(name: str) -> str:
    """Return the name of a member, or a substitute if it does not look like a name."""
    return (
        name
        if _NAME.fullmatch(name) and not any(map(_is_random, _RUN.findall(name)))
        else "(an odd name)"
    )


def header_names(headers: Iterable[str]) -> list[str]:
    """Return the names of headers, sorted, in lower case, with a substitute for odd ones."""
    return sorted({member_name(name.lower()) for name in headers})


def alphabet(text: str) -> str:
    """Return the length of a text and its kind of characters, which reveal little of a secret.

    For an empty text, the result is "empty".
    """
    if not text:
        return "empty"
    kinds: dict[str, Any] = {
        "digits": "0-9",
        "hexadecimal": "0-9a-fA-F",
        "letters and digits": "0-9a-zA-Z",
        "base64": r"0-9a-zA-Z+/=_\-",
        "printable": r"\x20-\x7e",
    }
    kind = next((k for k, chars in kinds.items() if re.fullmatch(f"[{chars}]+", text)), "Unicode")
    return f"{len(text)} characters, {kind}"

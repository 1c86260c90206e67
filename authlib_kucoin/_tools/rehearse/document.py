"""The form of each answer, as the document describes it.

Sections are those of KuCoin's page "Broker Fast API Service" (modified 2026-01-29). The form of key
info is from KuCoin's page on its REST API. The optional members of key info, except ``subName``,
are known only from one published client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

STRING: Final = "string"
NUMBER: Final = "number"
BOOLEAN: Final = "boolean"
LIST: Final = "list of strings"
OBJECT: Final = "object"
NULL: Final = "null"


class Page(NamedTuple):
    """What the document says about one answer.

    Attributes:
        section: The section that describes the answer.
        members: The type of each required member, by its path.
        values: Values that the document prints and that each answer should have, by path.
        optional: The types of members that an answer may lack, by path.
    """

    section: str
    members: Mapping[str, str]
    values: Mapping[str, Any] = {}
    optional: Mapping[str, str] = {}


_ENVELOPE: Final = {"success": BOOLEAN, "code": STRING, "msg": STRING, "retry": BOOLEAN}
_TOKEN: Final = {
    "access_token": STRING,
    "token_type": STRING,
    "expires_in": NUMBER,
    "refresh_token": STRING,
    "scope": LIST,
}
_TOKEN_VALUES: Final = {
    "token_type": "bearer",
    "expires_in": 3600,
    "scope": ["OAUTH_CREATE_API"],
}
_KEY: Final = ("apiName", "apiKey", "secret", "passphrase", "brokerId", "ipWhiteList")
#: The form of each answer with a result, by operation.
PAGES: Final = {
    "token": Page("7.2", _TOKEN, _TOKEN_VALUES),
    "refresh": Page("7.3", _TOKEN, _TOKEN_VALUES),
    "validate": Page("7.4", {"access_token": STRING, "is_valid": BOOLEAN}),
    "create_api_key": Page(
        "4",
        {
            **_ENVELOPE,
            "data": OBJECT,
            **{f"data.{name}": STRING for name in _KEY},
            # The document prints a bare comma list, which is not JSON.
            "data.authGroup": f"{STRING} or {LIST}",
        },
        {"success": True, "code": "200", "msg": "success", "retry": False},
    ),
    "api_key_info": Page(
        "REST API",
        {
            "code": STRING,
            "data": OBJECT,
            "data.remark": STRING,
            "data.apiKey": STRING,
            "data.apiVersion": NUMBER,
            "data.permission": STRING,
            "data.ipWhitelist": STRING,
            "data.createdAt": NUMBER,
            "data.uid": NUMBER,
            "data.isMaster": BOOLEAN,
        },
        {"code": "200000"},
        {
            "data.subName": STRING,
            "data.expiredAt": NUMBER,
            "data.siteType": STRING,
            "data.region": STRING,
            "data.kycStatus": NUMBER,
            "data.parentUid": NUMBER,
            "data.thirdPartyApp": STRING,
        },
    ),
}
#: The form of a refusal by the Fast API (document section 4), and of one by the REST API.
_REFUSAL: Final = Page("4", _ENVELOPE, {"success": False}, {"data": NULL})
_REST_REFUSAL: Final = Page("REST API", {"code": STRING, "msg": STRING})


def page_of(operation: str, *, is_refusal: bool) -> Page:
    """Return what the document says about a result of an operation, or about a refusal."""
    if not is_refusal:
        return PAGES[operation]
    return _REST_REFUSAL if operation == "api_key_info" else _REFUSAL

"""What a rehearsal shows: answers to open questions, and differences from the document.

``QUESTIONS`` and ``DEVIATIONS`` hold functions that read a :class:`Record`. Each function answers
one question or describes one difference. Its result is an empty text if the record does not answer
the question, or does not show the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, Final

from .answer import Answer, kind_of
from .masks import member_name
from .record import Record

#: The names that key info may give to the permission to withdraw. "Transfer" is such a name, and
#: "InnerTransfer" is not: it moves funds between the user's own accounts.
_WITHDRAWALS: Final = {"Transfer", "Withdrawal", "Withdraw"}

# --- answers to open questions -------------------------------------------------------------------


def _callback_form(record: Record) -> str:
    if (landing := record.landing) is None:
        return ""
    names = ", ".join(map(member_name, landing.names))
    form = "enveloped (section 7.1)" if "success" in landing.names else "plain"
    return f"{form}, in the {landing.place}, with {names}; the code: {landing.code}"


def _client_secret(record: Record) -> str:
    exchange = record.of("exchange")
    if exchange is None or exchange.answer is None:
        return ""
    way = "with a client secret" if record.sent_secret else "without a client secret"
    return f"the exchange {way} was {'refused' if exchange.error else 'accepted'}"


def _scope_form(record: Record) -> str:
    return _form(record.fields("exchange"), "scope")


def _form(fields: Any, name: str) -> str:
    if name not in fields:
        return ""
    value = fields[name]
    if isinstance(value, list):
        return f"a JSON list of {len(value)}"
    if isinstance(value, str):
        return f"a string of {len(value.replace(',', ' ').split())} words" if value else "empty"
    return f"a {kind_of(value)}"


def _validation(record: Record) -> str:
    exchange = record.of("validation")
    if exchange is None or exchange.answer is None:
        return ""
    if exchange.error is not None:
        return "the answer cannot be used"
    return f"it works: a new token is {'valid' if exchange.result else 'invalid'}"


def _rotation(record: Record) -> str:
    old, fresh = record.result("exchange"), record.result("refresh")
    if not old or not fresh:
        return ""
    if "refresh_token" not in record.fields("refresh"):
        return "no: the answer has no refresh token, so the old one still applies"
    same = old.get("refresh_token") == fresh.get("refresh_token")
    return "no: the refresh token stays the same" if same else "yes: there is a new refresh token"


def _old_access_token(record: Record) -> str:
    return _validity(record, "validation of the old token", "dead at once", "still alive")


def _reuse(record: Record) -> str:
    exchange = record.of("second refresh")
    if exchange is None or exchange.answer is None:
        return ""
    if exchange.error is None:
        return "yes: it gave a pair a second time"
    return f"no: {_refusal(exchange.answer)}"


def _family(record: Record) -> str:
    return _validity(
        record, "validation after the second refresh", "yes", "no: the new pair is still valid"
    )


def _validity(record: Record, name: str, if_dead: str, if_alive: str) -> str:
    exchange = record.of(name)
    if exchange is None or exchange.error is not None:
        return ""
    return if_alive if exchange.result else if_dead


def _code_reuse(record: Record) -> str:
    exchange = record.of("second exchange")
    if exchange is None or exchange.answer is None:
        return ""
    return "yes" if exchange.error is None else f"no: {_refusal(exchange.answer)}"


def _refusal(answer: Answer) -> str:
    return answer.refusal_form or answer.trouble or "an answer that cannot be read"


def _version(record: Record) -> str:
    exchange = record.of("key")
    if exchange is None or exchange.answer is None:
        return ""
    said = _refusal(exchange.answer) if exchange.error else "it made a key"
    return f"Fast API {record.fast_api}: {said}"


def _auth_group(record: Record) -> str:
    return _form(record.fields("key").get("data") or {}, "authGroup")


def _ip_whitelist(record: Record) -> str:
    return _form(record.fields("key").get("data") or {}, "ipWhiteList")


def _permissions(record: Record) -> str:
    key, info = record.result("key"), record.result("key info")
    if not key or not info:
        return ""
    granted, reported = sorted(key.permissions), sorted(info.permissions)
    return f"authGroup {', '.join(granted)}; key info {', '.join(reported)}"


def _expiry(record: Record) -> str:
    info = record.result("key info")
    if not info:
        return ""
    if info.expires_at is None or info.created_at is None:
        return "key info has no expiry date"
    return f"{(info.expires_at - info.created_at).days} days after KuCoin made it"


def _account(record: Record) -> str:
    info = record.result("key info")
    if not info:
        return ""
    whose = {True: "a master account", False: "a sub-account", None: "key info does not say"}
    site = f", siteType {member_name(info.site_type)}" if info.site_type else ""
    return whose[info.is_master] + site


def _errors(record: Record) -> str:
    refusals = {
        f"{exchange.name}: {exchange.answer.refusal_form}"
        for exchange in record.exchanges
        if exchange.answer and exchange.answer.refusal_form
    }
    return "; ".join(sorted(refusals))


def _clock(record: Record) -> str:
    for exchange in record.exchanges:
        heard = exchange.answer and exchange.answer.heard
        if heard and heard.header("date"):
            try:
                theirs = parsedate_to_datetime(heard.header("date")).timestamp()
            except ValueError:
                return "not known: the header Date holds no date"
            return f"{heard.began - theirs:+.0f} s (a difference of 1 s is not significant)"
    return ""


def _cookies(record: Record) -> str:
    with_cookies = [
        exchange.name
        for exchange in record.exchanges
        if exchange.answer and exchange.answer.heard.header("set-cookie")
    ]
    if not any(exchange.answer for exchange in record.exchanges):
        return ""
    return f"yes, on {', '.join(with_cookies)}" if with_cookies else "no"


#: The questions that a rehearsal may answer, and for each the function that answers it. If the
#: function returns an empty text, the question stays open.
QUESTIONS: Final[dict[str, Callable[[Record], str]]] = {
    "In which form does the callback come?": _callback_form,
    "Does KuCoin want a client secret?": _client_secret,
    "Which form does scope have?": _scope_form,
    "Does the validation call work (section 7.4, work in progress)?": _validation,
    "Does a refresh give a new refresh token?": _rotation,
    "Is the old access token dead after a refresh?": _old_access_token,
    "Can a refresh token be used twice?": _reuse,
    "Does the second use invalidate the new pair?": _family,
    "Can a code be used twice?": _code_reuse,
    "Which version of the Fast API is the client id for?": _version,
    "Which form does authGroup have?": _auth_group,
    "Which form does ipWhiteList have?": _ip_whitelist,
    "Which permissions does the key have?": _permissions,
    "When does the key expire?": _expiry,
    "Which kind of account does the key belong to?": _account,
    "Which form do errors have?": _errors,
    "How far is this machine's clock ahead of KuCoin's?": _clock,
    "Do answers set cookies?": _cookies,
}

# --- what differs from the document -------------------------------------------------------------


def _state_changed(record: Record) -> str:
    landing = record.landing
    if landing is None or landing.same_state:
        return ""
    return "The callback's state is not the one that was sent (section 7.1)."


def _code_doubled(record: Record) -> str:
    names = record.landing.names if record.landing else ()
    doubled = sorted({member_name(name) for name in names if names.count(name) > 1})
    return f"The callback has {', '.join(doubled)} twice." if doubled else ""


def _still_alive(record: Record) -> str:
    if record.result("validation of the old token") is not True:
        return ""
    return "The old access token is valid after a refresh, where section 6.3 says it is dead."


def _born_dead(record: Record) -> str:
    names = ("validation", "validation of the new token")
    dead = [name for name in names if record.result(name) is False]
    return f"{dead[0].capitalize()}: a token that was just issued is not valid." if dead else ""


def _same_token(record: Record) -> str:
    old, fresh = record.result("exchange"), record.result("refresh")
    if not old or not fresh or old["access_token"] != fresh["access_token"]:
        return ""
    return "A refresh returns the old access token, where section 6.3 says that it gives a new one."


def _code_twice(record: Record) -> str:
    exchange = record.of("second exchange")
    if exchange is None or exchange.error is not None:
        return ""
    return "A code can be used twice, which RFC 6749 section 4.1.2 forbids."


def _withdrawals(record: Record) -> str:
    info = record.result("key info")
    if not info or not _WITHDRAWALS & info.permissions:
        return ""
    return "The key can withdraw, and section 3 says that no key can."


def _other_key(record: Record) -> str:
    key, info = record.result("key"), record.result("key info")
    if not key or not info or {*key.ip_whitelist} == {*info.ip_whitelist}:
        return ""
    return "ipWhiteList of the key call and ipWhitelist of key info differ."


#: Each function looks for one difference, from the document or from RFC 6749, that the form of a
#: single answer does not show. Its text is empty if the record shows no such difference.
DEVIATIONS: Final = (
    _state_changed,
    _code_doubled,
    _born_dead,
    _same_token,
    _still_alive,
    _code_twice,
    _withdrawals,
    _other_key,
)

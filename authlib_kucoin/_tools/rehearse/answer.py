"""The form of one raw answer: its members and their types, compared with the document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from authlib_kucoin._tools.watched import Heard

from .document import BOOLEAN, LIST, NULL, NUMBER, OBJECT, STRING, Page, page_of
from .masks import SHOWN, Secrets, alphabet, member_name

#: The number of levels down to which members are listed.
_DEEPEST: Final = 4
#: In an answer without ``success``, any ``code`` but these means a refusal.
_GOOD_CODES: Final = (None, "", 200, "200", 200000, "200000")


class Member(NamedTuple):
    """One member of an answer.

    Attributes:
        path: Its path, such as ``data.apiKey``.
        kind: Its JSON type.
        value: Its value if the report shows it. Otherwise the length and the kind of characters of
            a text, the number of items, members or digits, or nothing for a boolean or null.
        documented: Its type in the document, or for some optional members in a published client;
            empty if neither has the member.
    """

    path: str
    kind: str
    value: str
    documented: str


class Answer:
    """The form of one raw answer.

    Attributes:
        heard: The raw answer.
        content: The JSON in its body; None if there is none.
        trouble: What came instead of a JSON object; empty if the body is one.
        doubled: The names of members that one object has more than once.
    """

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.doubled: list[str] = []
        self.content: Any = None
        self.trouble = ""
        if heard.status is None:
            self.trouble = f"no answer ({heard.failure})"
            return
        try:
            self.content = json.loads(heard.body, object_pairs_hook=self._object)
        except (ValueError, RecursionError):
            self.trouble = _no_json(heard.body)
        else:
            if not isinstance(self.content, dict):
                self.trouble = f"JSON that is no object, but a {kind_of(self.content)}"

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            names = [name for name, _ in pairs]
            self.doubled += sorted({member_name(n) for n in names if names.count(n) > 1})
        return content

    @property
    def fields(self) -> dict[str, Any]:
        """The members of the JSON object; empty if the answer is not one."""
        return self.content if isinstance(self.content, dict) else {}

    @property
    def refusal_form(self) -> str:
        """HTTP status, form and code of the refusal; empty if the answer is not a refusal."""
        fields, status = self.fields, self.heard.status or 0
        form = ""
        if fields.get("success") is False:
            form = "KuCoin's envelope"
        elif fields.get("error"):
            form = "an OAuth error (RFC 6749 section 5.2)"
        elif fields.get("success") is None and fields.get("code") not in _GOOD_CODES:
            form = "an envelope without success"
        elif status >= 400:
            form = self.trouble or "another JSON object"
        if not form:
            return ""
        code = fields.get("error") or fields.get("code")
        return f"HTTP {status}, {form}{f', code {json.dumps(code)}' if code else ''}"

    def page(self) -> Page:
        """Return what the document says of a refusal if the answer is one, or else of a result."""
        return page_of(self.heard.call.operation, is_refusal=bool(self.refusal_form))

    def members(self, secrets: Secrets) -> list[Member]:
        """Return the members down to four levels, without the values that must not be shown."""
        page = self.page()
        known = {**page.members, **page.optional}
        return [
            Member(
                ".".join(map(member_name, path)),
                kind_of(value),
                _shown(path[-1], value, secrets),
                known.get(".".join(path), ""),
            )
            for path, value in _flat(self.fields)
        ]

    def differences(self, secrets: Secrets) -> Iterator[str]:
        """Yield the differences between the answer and the document.

        Members are compared only if the answer is a JSON object, and not a refusal of another form
        than the document's.
        """
        heard = self.heard
        if heard.status is None or (heard.failure and not heard.body):
            yield f"No complete answer came: {heard.failure}."
            return
        if 300 <= heard.status < 400:
            target = urlsplit(heard.header("location")).hostname or "the same host"
            yield f"It redirects (HTTP {heard.status}) to {target}."
        elif heard.status != 200 and (heard.status >= 500 or not self.refusal_form):
            yield f"HTTP status {heard.status}, where 200 is usual."
        content_type = heard.header("content-type").partition(";")[0].strip().lower()
        if content_type != "application/json":
            yield f"Content-Type {secrets.shown(content_type) or 'is missing'}, not JSON's type."
        if self.trouble:
            yield f"The body is {self.trouble}."
            return
        for name in self.doubled:
            yield f"One object has the member {name} twice."
        yield from self._member_differences(secrets)

    def _member_differences(self, secrets: Secrets) -> Iterator[str]:
        page = self.page()
        found = {".".join(path): value for path, value in _flat(self.fields)}
        if self.refusal_form and not page.members.keys() <= found.keys():
            yield f"The refusal has another form than in the document: {self.refusal_form}."
            return
        inner = self.fields.get("data")
        if "data" not in page.members and isinstance(inner, dict):
            yield "The answer is in an envelope: its members are below data."
        yield from _of_other_kinds(page, found)
        for path, value in page.values.items():
            if path in found and kind_of(found[path]) == kind_of(value) and found[path] != value:
                shown = secrets.shown(found[path])
                yield f"{path} is {shown}, where the document has {json.dumps(value)}."
        for path in sorted(found.keys() - page.members.keys() - page.optional.keys()):
            name = ".".join(map(member_name, path.split(".")))
            yield f"{name} is not in the document ({kind_of(found[path])})."


def _of_other_kinds(page: Page, found: Mapping[str, Any]) -> Iterator[str]:
    for path, kind in page.members.items():
        if path not in found:
            yield f"{path} is missing."
        elif kind_of(found[path]) not in kind.split(" or "):
            yield f"{path} is a {kind_of(found[path])}, where the document has a {kind}."
    for path, kind in page.optional.items():
        if path in found and kind_of(found[path]) not in (kind, NULL):
            yield f"{path} is a {kind_of(found[path])}, where other clients expect a {kind}."


#: The first class that fits counts: bool comes before int, because in Python a bool is an int.
_KINDS: Final = ((type(None), NULL), (bool, BOOLEAN), ((int, float), NUMBER), (str, STRING))


def kind_of(value: object) -> str:
    """Return the JSON type of a value.

    A list of strings, or an empty list, has another type than other lists.
    """
    if isinstance(value, list):
        return LIST if all(isinstance(each, str) for each in value) else "list"
    return next((kind for classes, kind in _KINDS if isinstance(value, classes)), OBJECT)


def _flat(
    content: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each member with its path, down to four levels; do not look into lists."""
    for name, value in content.items():
        path = (*above, name)
        yield path, value
        if isinstance(value, dict) and len(path) < _DEEPEST:
            yield from _flat(value, path)


def _shown(name: str, value: object, secrets: Secrets) -> str:
    if name in SHOWN and not isinstance(value, dict):
        return secrets.shown(value)
    if isinstance(value, str):
        return alphabet(value)
    if isinstance(value, (list, dict)):
        return f"{len(value)} {'items' if isinstance(value, list) else 'members'}"
    return f"{len(json.dumps(value))} digits" if kind_of(value) == NUMBER else ""


def _no_json(body: bytes) -> str:
    start = body[:200].lstrip().lower()
    if not start:
        return "empty"
    return "HTML" if start.startswith((b"<!doctype", b"<html", b"<")) else "no JSON"

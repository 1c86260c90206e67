"""Templates for the pages, in the part of Mustache that the pages need. Each value is escaped.

``{{name}}`` inserts a value. ``{{#name}}…{{/name}}`` inserts its content for each item of a list,
and once for any other true value, such as a mapping. Inside, a name is looked up in the item
first and then outside it, and ``{{.}}`` is the item itself. ``{{^name}}…{{/name}}`` inserts its
content if the value is empty or false. ``{{>file.html}}`` inserts another template. To look up an
unknown name is an error.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final

_TAG: Final = re.compile(r"\{\{([#^/>]?)([\w.]+)\}\}")
_FOLDER: Final = "files"

#: A piece of a template: text, or a tag with its kind, its name and what it encloses.
_Node = str | tuple[str, str, tuple[Any, ...]]


def render(name: str, values: Mapping[str, Any]) -> str:
    """Return a template of the folder ``files``, filled with `values`.

    Raises:
        KeyError: A name that is looked up is unknown.
        ValueError: A section is not closed, or a closing tag does not fit the section.
    """
    return "".join(_filled(_parsed(name), (values,)))


@functools.cache
def read(name: str) -> str:
    """Return a file of the folder ``files``."""
    from importlib.resources import files  # noqa: PLC0415 - loaded only here, to keep the usual start quick

    return files(__package__).joinpath(_FOLDER, name).read_text("utf-8")


@functools.cache
def _parsed(name: str) -> tuple[_Node, ...]:
    pieces = iter(_TAG.split(read(name)))
    return _nodes(pieces, "")


def _nodes(pieces: Iterator[str], until: str) -> tuple[_Node, ...]:
    found: list[_Node] = []
    while True:
        found.append(next(pieces))
        # The end of the file counts as a closing tag without a name.
        kind, name = next(pieces, "/"), next(pieces, "")
        if kind == "/":
            if name != until:
                raise ValueError(f"the section {until!r} ends with {name!r}")
            return tuple(found)
        if kind == ">":
            found += _parsed(name)
        else:
            found.append((kind, name, _nodes(pieces, name) if kind else ()))


def _filled(nodes: tuple[_Node, ...], scopes: tuple[Any, ...]) -> Iterable[str]:
    for node in nodes:
        if isinstance(node, str):
            yield node
            continue
        kind, name, inner = node
        value = _look_up(name, scopes)
        if not kind:
            yield escape(str(value))
        elif kind == "^":
            if not value:
                yield from _filled(inner, scopes)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from _filled(inner, (item, *scopes))
        elif value:
            yield from _filled(inner, (value, *scopes))


def _look_up(name: str, scopes: tuple[Any, ...]) -> Any:
    if name == ".":
        return scopes[0]
    for scope in scopes:
        if isinstance(scope, Mapping) and name in scope:
            return scope[name]
    raise KeyError(name)

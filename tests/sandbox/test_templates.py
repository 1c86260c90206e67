"""Templates: what they can do, and that no value is ever inserted unescaped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from authlib_kucoin.sandbox import _templates

Render = Callable[..., str]


@pytest.fixture
def render(monkeypatch: pytest.MonkeyPatch) -> Render:
    """A function that renders a template given as text; keywords give other template files."""

    def render(text: str, values: dict[str, Any], **others: str) -> str:
        texts = {"page.html": text} | {f"{name}.html": other for name, other in others.items()}
        monkeypatch.setattr(_templates, "read", texts.__getitem__)
        _templates._parsed.cache_clear()
        return _templates.render("page.html", values)

    return render


@pytest.fixture(autouse=True)
def fresh_templates() -> Any:
    """Forget a test's templates when the test ends."""
    yield
    _templates._parsed.cache_clear()


def test_values_are_escaped(render: Render) -> None:
    """Markup in a value shows as text, in attributes as well."""
    assert render('<a b="{{x}}">{{x}}', {"x": "\"'<&>"}) == (
        '<a b="&quot;&#x27;&lt;&amp;&gt;">&quot;&#x27;&lt;&amp;&gt;'
    )


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"x": [{"n": 1}, {"n": 2}], "n": 0}, "[1][2]"),
        ({"x": {"n": 3}}, "[3]"),
        ({"x": True, "n": 4}, "[4]"),
        ({"x": [], "n": 0}, "none"),
        ({"x": None, "n": 0}, "none"),
        ({"x": "", "n": 0}, "none"),
    ],
)
def test_sections(render: Render, values: dict[str, Any], shown: str) -> None:
    """A section appears for each item of a list, or once for a true value; else ``{{^x}}`` does."""
    assert render("{{#x}}[{{n}}]{{/x}}{{^x}}none{{/x}}", values) == shown


def test_items_without_a_name(render: Render) -> None:
    """A dot is the item itself; names outside the section can still be used."""
    assert render("{{#x}}{{.}}{{y}}{{/x}}", {"x": ["a", "b"], "y": "-"}) == "a-b-"


def test_templates_include_others(render: Render) -> None:
    """An included template sees the same values."""
    assert render("{{>head.html}}!", {"t": "<"}, head="<h1>{{t}}</h1>") == "<h1>&lt;</h1>!"


def test_name_without_a_value(render: Render) -> None:
    """A misspelt name is an error, not a gap in the page."""
    with pytest.raises(KeyError, match="titel"):
        render("{{titel}}", {"title": "x"})


@pytest.mark.parametrize("text", ["{{#x}}a", "{{#x}}a{{/y}}", "a{{/x}}"])
def test_sections_are_closed(render: Render, text: str) -> None:
    """A section that is not closed by its own name is an error, and so is a stray closing tag."""
    with pytest.raises(ValueError, match="the section"):
        render(text, {"x": True})

"""Draws pictures from text, as SVG in the page. They follow the theme, and need no other program.

``sequence`` draws the messages between participants, one line for each message::

    ```{sequence} A text for people who cannot see the picture
    Browser, Your app, KuCoin
    Browser -> Your app: POST /connect
    Your app --> Browser: 302 to the login page
    ```

``layers`` draws layers from top to bottom, one line for each layer. ``|`` separates the boxes of a
layer; after its name and a colon, each box has a description::

    ```{layers} A text for people who cannot see the picture
    flask_client: an app for Flask | social: a backend
    _protocol: no I/O
    ```
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

_MESSAGE = re.compile(r"(?P<sender>.+?) (?P<arrow>-->|->) (?P<receiver>.+?): (?P<text>.+)")
_WIDTH = 720


class _Picture(SphinxDirective):
    """Base of the two directives: puts the shapes from :meth:`draw` into a page."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        height, shapes = self.draw()
        label = escape(" ".join(self.arguments[0].split()), quote=True)
        # On a narrow screen the picture scrolls; tabindex lets the keyboard reach it.
        html = (
            f'<div class="picture" role="group" aria-label="Picture" tabindex="0">'
            f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {height}" '
            f'xmlns="http://www.w3.org/2000/svg">{"".join(shapes)}</svg></div>'
        )
        return [nodes.raw("", html, format="html")]

    def draw(self) -> tuple[int, list[str]]:
        """Return the height in pixels, and the shapes in SVG. Each directive overrides this."""
        raise NotImplementedError


class Sequence(_Picture):
    """The messages between participants."""

    def draw(self) -> tuple[int, list[str]]:
        """Draw a column for each name, and a row for each message."""
        people = [name.strip() for name in self.content[0].split(",")]
        at = {name: (2 * i + 1) * _WIDTH // (2 * len(people)) for i, name in enumerate(people)}
        height = 56 + 40 * (len(self.content) - 1)
        return height, [*_people(at, height), *self._messages(at)]

    def _messages(self, at: dict[str, int]) -> Iterator[str]:
        for row, line in enumerate(self.content[1:]):
            found = _MESSAGE.fullmatch(line)
            if not found or {found["sender"], found["receiver"]} - at.keys():
                raise ExtensionError(f"{self.env.docname}: cannot draw {line!r}")
            start, end, y = at[found["sender"]], at[found["receiver"]], 76 + 40 * row
            head = end - 8 if end > start else end + 8
            middle, answer = (start + end) // 2, " answer" if found["arrow"] == "-->" else ""
            yield f'<text x="{middle}" y="{y - 7}">{escape(found["text"])}</text>'
            yield f'<path class="arrow{answer}" d="M{start} {y}H{end}"/>'
            yield f'<path class="head" d="M{head} {y - 4}L{end} {y}L{head} {y + 4}z"/>'


class Layers(_Picture):
    """Boxes from top to bottom."""

    def draw(self) -> tuple[int, list[str]]:
        """Draw a row for each line."""
        shapes = []
        for row, line in enumerate(self.content):
            boxes = [box.partition(":") for box in line.split("|")]
            width = (_WIDTH + 12) // len(boxes) - 12
            top = 6 + 84 * row
            if row:
                shapes.append(
                    f'<path class="arrow" d="M360 {top - 30}V{top - 4}"/>'
                    f'<path class="head" d="M356 {top - 10}L360 {top - 2}L364 {top - 10}z"/>'
                )
            for column, (name, _, text) in enumerate(boxes):
                left = column * (width + 12)
                shapes.append(
                    f'<rect x="{left + 1}" y="{top}" width="{width - 2}" height="52" rx="6"/>'
                    f'<text class="name" x="{left + width // 2}" y="{top + 22}">'
                    f"{escape(name.strip())}</text>"
                    f'<text x="{left + width // 2}" y="{top + 41}">{escape(text.strip())}</text>'
                )
        return 84 * len(self.content) - 24, shapes


def _people(at: dict[str, int], height: int) -> Iterator[str]:
    for name, x in at.items():
        yield f'<path class="line" d="M{x} 36V{height}"/>'
        yield f'<rect x="{x - 70}" y="4" width="140" height="32" rx="6"/>'
        yield f'<text class="name" x="{x}" y="25">{escape(name)}</text>'


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the two directives with Sphinx."""
    app.add_directive("sequence", Sequence)
    app.add_directive("layers", Layers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

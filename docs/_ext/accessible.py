"""Changes furo's pages for people who use a keyboard or a screen reader.

A text to replace that is in none of the pages gives a warning, so ``make docs`` fails.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

_MENDED = {
    # Headings need a level, and landmarks of the same kind need names.
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer': '<aside aria-label="This page" class="toc-drawer',
    # The keyboard has to reach each part that scrolls.
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" role="group" aria-label="Table" '
    'class="table-wrapper',
    # Each page needs a heading of the first level.
    '<div id="search-results"></div>': "<h1>Search</h1>\n"
    '<div id="search-results" role="region" aria-label="Results"></div>',
}


def _mend(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.name != "html":
        return
    missing = set(_MENDED)
    for page in Path(app.outdir).glob("*.html"):
        text = page.read_text("utf-8")
        for found, mended in _MENDED.items():
            if found in text or mended in text:
                missing.discard(found)
                text = text.replace(found, mended)
        page.write_text(text, "utf-8")
    for found in missing:
        logging.getLogger(__name__).warning("furo no longer writes %s", found)


def setup(app: Sphinx) -> dict[str, bool]:
    """Change the pages after Sphinx has written them."""
    app.connect("build-finished", _mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

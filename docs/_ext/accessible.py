"""Mends what furo leaves out for people who use a keyboard or a screen reader.

A change of furo's that takes one of these places away is a warning, and so ends the build.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

_MENDED = {
    # A heading says which level it has, and landmarks of one kind have names.
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer': '<aside aria-label="This page" class="toc-drawer',
    # What scrolls can be reached with the keyboard.
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" role="group" aria-label="Table" '
    'class="table-wrapper',
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
    """Mend the pages when they are written."""
    app.connect("build-finished", _mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

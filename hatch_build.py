"""Makes the long description for the package index: the README without relative links.

The README's relative links lead to files of the repository, which the package index does not have.
If pyproject.toml has the project URL ``Source``, the relative links become absolute links to that
address. Otherwise only the text of each relative link remains. Pictures with a relative address,
and comments, are left out.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"^!\[[^]]*\]\((?!\w+:)[^)]+\)\n+", re.MULTILINE)
_LINK = re.compile(r"\[([^]]+)\]\((?!\w+:)([^)]+)\)")
_COMMENT = re.compile(r"^<!--.*?-->\n+", re.MULTILINE | re.DOTALL)


class LongDescription(MetadataHookInterface):
    """The hook that Hatchling finds in this file."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the long description."""
        readme = (Path(self.root) / "README.md").read_text("utf-8")
        source = metadata.get("urls", {}).get("Source", "").rstrip("/")
        text = _COMMENT.sub("", _PICTURE.sub("", readme))
        text = _LINK.sub(rf"[\1]({source}/blob/HEAD/\2)" if source else r"\1", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}

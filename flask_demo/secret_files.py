"""Secrets that the demo makes for itself and keeps in files. Only the sandbox uses them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in a file, making it first if there is none.

    Workers that start at the same moment all get the same secret: the file is written under
    another name and then linked, so it appears at once and complete, or not at all.

    Args:
        path: The file. Only the user who runs the demo can read it.
        make: Makes a new secret.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # mode 0600
            file.write(make())
            file.flush()
            with suppress(FileExistsError):  # another worker was faster
                path.hardlink_to(file.name)
    return path.read_text()

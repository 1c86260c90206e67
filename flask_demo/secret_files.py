"""Secrets that the demo makes for itself and keeps in files. Only the sandbox uses them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .errors import SettingsError


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in a file, making it first if there is none.

    Workers that start at the same moment all get the same secret: the file is written under
    another name and then linked, so it appears at once and complete, or not at all.

    Args:
        path: The file. Only the user who runs the demo can read it.
        make: Makes a new secret.

    Raises:
        SettingsError: If the file is empty, or somebody else may have read or written it.
    """
    if not os.path.lexists(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # mode 0600
            file.write(make())
            file.flush()
            with suppress(FileExistsError):  # another worker was faster
                path.hardlink_to(file.name)
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW)) as kept:
            owner = os.fstat(kept.fileno())
            secret = kept.read().strip()
    except OSError as error:  # with O_NOFOLLOW, a symbolic link is one, too
        raise SettingsError(f"{path} cannot be read: {error.strerror}. Delete it.") from None
    if owner.st_uid != os.geteuid() or owner.st_mode & 0o077:
        raise SettingsError(f"Others can read {path} or have made it. Delete it.")
    if not secret:
        raise SettingsError(f"{path} is empty. Delete it.")
    return secret

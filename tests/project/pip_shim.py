"""Stands in for ``pip install`` in the pages: checks each requirement, and installs nothing."""

from __future__ import annotations

import re
import sys
from importlib import metadata

from packaging.requirements import Requirement


def main(arguments: list[str]) -> None:
    """Exit with an error if a requirement is not met by what is installed here.

    Of a requirement's extras, only the names are checked. Options of pip are not supported.
    """
    if arguments[:1] != ["install"]:
        sys.exit(f"pip shim: {arguments} is not an installation")
    for argument in arguments[1:]:
        wanted = Requirement(re.sub(r"^(\.|<path>)(?=\[|$)", "authlib-kucoin", argument))
        extras = set(metadata.metadata(wanted.name).get_all("Provides-Extra") or ())
        if unknown := wanted.extras - extras:
            sys.exit(f"{wanted.name} has no extra {', '.join(sorted(unknown))}")
        if not wanted.specifier.contains(metadata.version(wanted.name), prereleases=True):
            sys.exit(f"{argument} is not what the tests run with")


if __name__ == "__main__":
    main(sys.argv[1:])

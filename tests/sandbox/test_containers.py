"""The files in ``containers/``: what can be tested without a container engine."""

from __future__ import annotations

import re
from pathlib import Path

from authlib_kucoin.sandbox._arguments import parse

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "containers"


def variables(text: str) -> dict[str, str]:
    """Return the sandbox's environment variables that a file sets."""
    found = re.findall(r"(KUCOIN_SANDBOX_\w+)(?:=(\S+)|: (.+))", text)
    return {name: (value or rest).strip() for name, value, rest in found}


def test_image_listens_and_lets_containers_call() -> None:
    """The image's variables are options of the sandbox, and let other containers call it."""
    options = parse([], variables((FOLDER / "sandbox.Dockerfile").read_text())).options

    assert options.host == "0.0.0.0"
    assert options.allowed_ips == ("0.0.0.0/0",)


def test_compose_file_sets_options_that_exist() -> None:
    """A misspelt variable would stop the container at its start."""
    options = parse([], variables((FOLDER / "compose.yaml").read_text())).options
    assert [account.name for account in options.accounts] == [
        "alice@example.com",
        "bob@example.com",
    ]


def test_images_copy_files_that_exist() -> None:
    """Each file that a Dockerfile copies is in the repository, and not ignored."""
    for name in ("sandbox.Dockerfile", "demo.Dockerfile"):
        lines = re.findall(r"^COPY (.+) \S+$", (FOLDER / name).read_text(), re.MULTILINE)
        ignored = (FOLDER / f"{name}.dockerignore").read_text()
        for copied in " ".join(lines).split():
            assert (ROOT / copied).exists()
            assert f"!{copied}\n" in ignored

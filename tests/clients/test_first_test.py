"""The first test that the documentation prints, for pytest, for Node and as a shell script."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.clients.conftest import CHECKOUT, run


def printed(page: str, language: str, marker: str) -> str:
    """Return a page's first program in this language that contains the marker."""
    page = (CHECKOUT / page).read_text()
    blocks = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    found: str = next(block for block in blocks if marker in block)
    return found


def test_in_pytest(installed: Path, tmp_path: Path) -> None:
    """The README's test of five lines passes with only ``authlib-kucoin[requests]`` and pytest."""
    program = printed("README.md", "python", "def test_a_user_connects")
    assert program == printed("docs/sandbox.md", "python", "def test_a_user_connects")
    (tmp_path / "test_connect.py").write_text(program)

    assert "1 passed" in run(
        installed / "python", "-I", "-m", "pytest", "-W", "error", cwd=tmp_path
    )


def test_in_node(installed: Path, tmp_path: Path) -> None:
    """The test for Node passes without Node packages; the charset that fetch adds is accepted."""
    if shutil.which("node") is None:
        pytest.skip("no Node.js: apt-get install nodejs")
    shutil.copy(Path(__file__).parent / "node" / "first.test.mjs", tmp_path)

    said = run("node", "--test", cwd=tmp_path, path=installed)
    assert re.search(r"pass 1\b", said)


def test_in_a_shell(installed: Path, tmp_path: Path) -> None:
    """The script with curl prints a new key."""
    if shutil.which("curl") is None:
        pytest.skip("no curl: apt-get install curl")
    script = printed("docs/sandbox.md", "sh", "curl")
    (tmp_path / "connect.sh").write_text(script)

    said = run("bash", "-eu", "connect.sh", cwd=tmp_path, path=installed)
    assert re.search(r'"apiKey": "[0-9a-f]{24}"', said)

"""The tests, files, labels and classes that the documentation names exist; its programs compile."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "CONTRIBUTING.md"
PAGES = [ROOT / "README.md", GUIDE, ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize(("page", "at_least"), [("security.md", 30), ("comparison.md", 7)])
def test_every_claim_names_a_test_that_exists(page: str, at_least: int) -> None:
    """The page names at least ``at_least`` tests, and each of these tests exists."""
    tests = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        tests.update(re.findall(r"def (test_\w+)", path.read_text()))
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text()))
    assert len(named) >= at_least
    assert named <= tests, sorted(named - tests)


def test_the_guide_to_changes_names_what_exists() -> None:
    """Where CONTRIBUTING.md gives a name after a file, the file contains the name."""
    places = re.findall(r"`([\w/]+\.py)` `(\w+)`", GUIDE.read_text())
    assert len(places) >= 24
    for file, name in places:
        folder = "tests" if name.startswith("test_") else "authlib_kucoin"
        assert re.search(rf"\b{name}\b", (ROOT / folder / file).read_text()), (file, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    """Each file that the page includes, or links to without an anchor, exists."""
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    included = re.findall(r"\{literalinclude\} (\S+)", page.read_text())
    assert [link for link in links + included if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_program_on_a_page_is_python(page: Path) -> None:
    """Each Python block that is not indented compiles."""
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        compile(block, page.name, "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_reference_has_its_target(page: Path) -> None:
    """Each label, page and class that a page refers to exists."""
    docs = {path.stem: path.read_text() for path in (ROOT / "docs").glob("*.md")}
    labels = {
        label
        for text in docs.values()
        for label in re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE)
    }
    known = {"ref": labels, "doc": set(docs)}
    for role, given in re.findall(r"\{(ref|doc|class)\}`([^`]+)`", page.read_text()):
        target = given.partition("<")[2].rstrip(">") or given
        if role == "class":
            module, _, name = target.lstrip("~").rpartition(".")
            assert hasattr(importlib.import_module(module), name), target
        else:
            assert target in known[role], target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_definition_is_below_its_term(page: Path) -> None:
    """Above each definition is a line with its term, and a blank line above that."""
    blocks = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
    lines = ["", *blocks.sub("", page.read_text()).splitlines()]
    for number, line in enumerate(lines):
        if line.startswith(": "):
            assert lines[number - 1]
            assert not lines[number - 2], lines[number - 2]

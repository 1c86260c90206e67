"""Every Python and shell block in the README and the documentation works, unless it is skipped."""

import re
from pathlib import Path
from types import MappingProxyType

import pytest

from authlib_kucoin import Site
from authlib_kucoin._protocol import sites
from authlib_kucoin.sandbox import Sandbox
from tests.project.snippets import ROOT, reader
from tests.project.walker import walk, walk_signed_in

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: The languages of blocks that are not run.
OTHER = {"nginx", "text", "json", "yaml", "ini", "html", "toml"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_runs(
    page: Path,
    tmp_path: Path,
    kucoin_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Each Python and shell block works. In this process, the site "global" is the sandbox."""
    here = {**sites.SITES, "global": Site(kucoin_sandbox.url, name="global")}
    monkeypatch.setattr(sites, "SITES", MappingProxyType(here))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    filled = {"CLIENT_ID=…": f"CLIENT_ID={kucoin_sandbox.client_id}"}
    if "postgresql://…" in text:
        filled["postgresql://…"] = f"'{request.getfixturevalue('postgres_database')}'"
    if "flask_demo" in text:  # the page is for a checkout
        (tmp_path / "flask_demo").symlink_to(ROOT / "flask_demo")
    with reader(tmp_path, filled) as one:
        names = {"kucoin_sandbox": kucoin_sandbox, "tmp_path": tmp_path}
        names["EXAMPLES"] = ROOT / "docs" / "examples"
        names["walk"] = lambda *urls: walk(*map(one.here, urls))
        names["walk_signed_in"] = lambda *given: walk_signed_in(*map(one.here, given))
        marked = r"(?:```|invisible-code: )(?:python|console|sh)$|^<!--+ skip: "
        assert one.read(page, names) == len(re.findall(marked, text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is(page: Path) -> None:
    """Each block, except directives, has a language that the tests run or that `OTHER` lists."""
    fences = re.findall(r"^ *(`{3,})(.*)\n(?:.*\n)*? *\1$", page.read_text(), re.MULTILINE)
    odd = (
        {info for _, info in fences if not info.startswith("{")}
        - OTHER
        - {"python", "console", "sh"}
    )
    assert odd == set()

"""Checks names, settings, options, faults, commands and addresses that pages show as code."""

import inspect
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import authlib_kucoin
from authlib_kucoin import KuCoinError
from authlib_kucoin._protocol.error_codes import RATE_LIMITED, gateway_refusal
from authlib_kucoin._protocol.sites import SITES
from authlib_kucoin.flask_client import KuCoinFlaskApp
from authlib_kucoin.sandbox import Fault, Sandbox, run_sandbox
from tests.project import vocabulary
from tests.project.snippets import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def prose(page: Path) -> str:
    """Return the text of a page without its code blocks and comments."""
    text = re.sub(r"^ *(`{3,}).*\n(?:.*\n)*? *\1$", "", page.read_text(), flags=re.MULTILINE)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def spans(page: Path) -> list[str]:
    """Return the code spans of a page, without those of Sphinx's roles."""
    text = re.sub(r"\{[a-z]+\}`[^`]*`", "", prose(page))
    return [code.strip() for _, code in re.findall(r"(`{1,2})([^`]+)\1", text)]


def test_every_word_in_code_exists() -> None:
    """Each word in a code span of a page is known: see `vocabulary`."""
    codes = [(page.name, code) for page in PAGES for code in spans(page)]
    assert [
        (name, code, word) for name, code in codes for word in vocabulary.unknown_words(code)
    ] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_command_of_make_exists(page: Path) -> None:
    """Each `make` command in a code span of a page is a target of the Makefile."""
    targets = set(re.findall(r"^(\w[\w-]*):", vocabulary.makefile(), re.MULTILINE))
    assert set(re.findall(r"`make (?:[A-Z]+=\S+ )*(\w[\w-]*)", page.read_text())) <= targets


@EACH_PAGE
def test_every_fault_exists(page: Path) -> None:
    """The sandbox accepts the arguments of each call `fail_next("…", "…")` on the page."""
    with run_sandbox() as sandbox:
        for operation, fault in re.findall(r'fail_next\("(\w+)", "([^"]+)"\)', page.read_text()):
            sandbox.fail_next(operation, fault)
        sandbox.reset()


def test_every_fault_is_described() -> None:
    """The table in docs/sandbox.md has all faults without a value; each fault in it is accepted."""
    page = (ROOT / "docs" / "sandbox.md").read_text()
    table = page.partition("| fault | what comes |")[2].partition("\n\n")[0]
    from authlib_kucoin.sandbox._faults import PLAIN_FAULTS

    named = re.findall(r'"([a-z_]+)"', table)
    assert set(named) == set(PLAIN_FAULTS)
    for fault in re.findall(r'^\| `"([^"]+)"`', table, re.MULTILINE):
        Fault.parse(fault.replace("CODE", "400003").replace("SECONDS", "1"))


@EACH_PAGE
def test_every_call_has_its_arguments(page: Path) -> None:
    """If `owners` have functions of the name that a code span calls, one takes its keywords."""
    for code in spans(page):
        call = re.fullmatch(r"(?:\w+\.)*(\w+)\((.*)\)", code)
        owners = (KuCoinFlaskApp, authlib_kucoin.KuCoinOAuth2Session, Sandbox, authlib_kucoin)
        found = [getattr(owner, call[1]) for owner in owners if call and hasattr(owner, call[1])]
        if not call or not callable(found and found[0]):
            continue
        named = set(re.findall(r"(\w+)=", call[2]))
        parameters = [inspect.signature(one).parameters for one in found]
        assert any(
            named <= set(one) or any(p.kind is p.VAR_KEYWORD for p in one.values())
            for one in parameters
        ), code


@EACH_PAGE
def test_every_extra_exists(page: Path) -> None:
    """Each extra that a page names in ``authlib-kucoin[…]`` exists."""
    from importlib.metadata import metadata

    extras = set(metadata("authlib-kucoin").get_all("Provides-Extra") or ())
    for named in re.findall(r"authlib-kucoin\[[\w,]+\]", page.read_text()):
        assert Requirement(named).extras <= extras


def errors() -> set[type[KuCoinError]]:
    """Return `KuCoinError` and its subclasses in the package."""
    found, new = set(), {KuCoinError}
    while new:
        found |= new
        new = {child for parent in new for child in parent.__subclasses__()} - found
    return {error for error in found if error.__module__.startswith("authlib_kucoin")}


@pytest.mark.parametrize("name", ["errors.md", "reference.md"])
def test_every_error_is_described(name: str) -> None:
    """The page contains the name of each class that `errors` returns."""
    page = (ROOT / "docs" / name).read_text()
    assert {error.__name__ for error in errors() if error.__name__ not in page} == set()


def test_the_gateways_codes_have_their_class() -> None:
    """Except for rate limits, each code in docs/errors.md has the class that its row names."""
    page = (ROOT / "docs" / "errors.md").read_text()
    rows = re.findall(r"^\| ((?:`\d{6}`(?:, )?)+) \| `(\w+)` \|", page, re.MULTILINE)
    assert len(rows) >= 6
    for codes, name in rows:
        for code in re.findall(r"\d{6}", codes):
            if code != RATE_LIMITED:
                assert gateway_refusal(code, None).__name__ == name, code


@pytest.mark.parametrize("name", ["README.md", "docs/going-live.md"])
def test_the_sites_have_their_addresses(name: str) -> None:
    """Each site has a row. Its addresses and version are the site's; no header is missing."""
    rows = dict(re.findall(r'^\| `"(\w+)"` \| (.+) \|$', (ROOT / name).read_text(), re.MULTILINE))
    assert set(rows) == set(SITES)
    for site_name, row in rows.items():
        site = SITES[site_name]
        said = set(re.findall(r"\b(?:www|api)\.[\w.]+\w", row))
        assert said <= {site.web.removeprefix("https://"), site.rest.removeprefix("https://")}
        if version := re.search(r"\| (\d)$", row):
            assert int(version[1]) == site.fast_api
        for header, value in site.rest_headers.items():
            assert f"{header}: {value}" in row

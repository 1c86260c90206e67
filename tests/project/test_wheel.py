"""The wheel works in environments that contain nothing else of ours; the sdist has the tests.

uv makes the environments, because pip is much slower. Their Python runs with `-I`, so
that it sees neither the checkout nor PYTHONPATH.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
#: For each extra, modules that together import each package that pyproject.toml lists for it.
_EXTRAS = {
    "flask": "authlib_kucoin.flask_client",
    "starlette": "authlib_kucoin.starlette_client, starlette.middleware.sessions",
    "django": "authlib_kucoin.django_client",
    "social": "authlib_kucoin.social",
    "requests": "authlib_kucoin.requests_client",
    "httpx": "authlib_kucoin.httpx_client",
    "sandbox": "trustme",
}
_NOT_OURS_TO_IMPORT = {
    "django",
    "fastapi",
    "flask",
    "httpx",
    "httpx2",
    "joserfc",
    "requests",
    "social_core",
    "starlette",
    "urllib3",
    "werkzeug",
}
_IMPORTED = "import authlib_kucoin, json, sys; print(json.dumps(sorted(sys.modules)))"
_SANDBOX = """
import urllib.error, urllib.request
from authlib_kucoin.sandbox import run_sandbox

with run_sandbox() as sandbox:
    try:
        status = urllib.request.urlopen(sandbox.url + "/oauth", timeout=10).status
    except urllib.error.HTTPError as refusal:
        status = refusal.code
print(status)
"""


def _run(*command: str | Path) -> str:
    """Run a program outside the checkout. It must succeed; return its output."""
    done = subprocess.run(
        command,
        cwd="/",
        # Without these variables, uv may use another environment, or download a Python.
        env={**os.environ, "VIRTUAL_ENV": "", "UV_PYTHON_DOWNLOADS": "never"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def _uv(*arguments: str | Path) -> str:
    return _run(sys.executable, "-m", "uv", *arguments)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of this checkout and the wheel built from it."""
    folder = tmp_path_factory.mktemp("dist")
    _uv("build", "--quiet", "--python", sys.executable, "--out-dir", folder, _CHECKOUT)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The path of the wheel."""
    return next(built.glob("*.whl"))


@pytest.fixture
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that installs the wheel with extras into a new environment.

    The environment is not in `tmp_path`, because files in `tmp_path` are searched for secrets.
    """

    def install(extras: str) -> Path:
        folder = tmp_path_factory.mktemp("venv")
        python = folder / "bin" / "python"
        _uv("venv", "--quiet", "--python", sys.executable, folder)
        requirement = f"authlib-kucoin{extras} @ {wheel.as_uri()}"
        _uv("pip", "install", "--quiet", "--python", python, requirement)
        return python

    return install


def test_wheel_has_what_runs_and_nothing_else(wheel: Path) -> None:
    """The wheel has the package with py.typed, and no other folder but its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "authlib_kucoin/py.typed" in names
    folders = {name.split("/")[0] for name in names}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"authlib_kucoin"}


def test_the_long_description_has_no_relative_link(wheel: Path) -> None:
    """The long description of the wheel has only absolute links, and no comments."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        text = archive.read(name).decode().partition("\n\n")[2]
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert "Your own app, in five minutes" in text
    assert "https://authlib.org" in links
    assert [link for link in links if not link.startswith("https://")] == []
    assert "<!--" not in text


def test_sdist_can_be_tested(built: Path) -> None:
    """The sdist contains the tests, so that distributions can run them."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "tests/conftest.py"} <= names


def test_base_install(install: Callable[[str], Path]) -> None:
    """With Authlib alone, the import loads no web or HTTP library; sandbox and doctor start."""
    python = install("")
    modules = {name.partition(".")[0] for name in json.loads(_run(python, "-I", "-c", _IMPORTED))}
    assert "authlib_kucoin" in modules
    assert modules & _NOT_OURS_TO_IMPORT == set()
    assert int(_run(python, "-I", "-c", _SANDBOX)) < 500
    assert "--port" in _run(python, "-I", "-m", "authlib_kucoin.sandbox", "--help")
    assert "--offline" in _run(python, "-I", "-m", "authlib_kucoin", "doctor", "--help")


@pytest.mark.nightly
@pytest.mark.parametrize("extra", _EXTRAS)
def test_each_extra_is_complete(extra: str, install: Callable[[str], Path]) -> None:
    """If the wheel is installed with an extra, the extra's modules in `_EXTRAS` can be imported."""
    python = install(f"[{extra}]")
    _run(python, "-I", "-W", "error", "-c", f"import {_EXTRAS[extra]}")

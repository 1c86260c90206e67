"""What is shipped: the wheel and the sdist, installed where there is nothing else of ours.

Every environment here is a fresh one, made by uv because it takes a second where pip takes ten.
Its Python runs with `-I`, so that neither the checkout nor PYTHONPATH is seen.
"""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
_EXTRAS = {
    "flask": "authlib_kucoin.requests_client",
    "starlette": "authlib_kucoin.httpx_client",
    "django": "authlib_kucoin.requests_client",
    "social": "authlib_kucoin.social",
    "sandbox": "authlib_kucoin.sandbox",
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
    """Run a program away from the checkout and return what it printed."""
    done = subprocess.run(
        command,
        cwd="/",
        # uv looks for an environment to use in the first, and would fetch a Python by the second.
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
    """A folder with the sdist of this checkout, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    _uv("build", "--quiet", "--python", sys.executable, "--out-dir", folder, _CHECKOUT)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    return next(built.glob("*.whl"))


@pytest.fixture
def install(wheel: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Install the wheel with some extras into a fresh environment and return its Python."""

    def install(extras: str) -> Path:
        python = tmp_path / "venv" / "bin" / "python"
        _uv("venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
        requirement = f"authlib-kucoin{extras} @ {wheel.as_uri()}"
        _uv("pip", "install", "--quiet", "--python", python, requirement)
        return python

    return install


def test_wheel_has_what_runs_and_nothing_else(wheel: Path) -> None:
    """The marker for type checkers is in; the demo, the tests and the docs are not."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "authlib_kucoin/py.typed" in names
    folders = {name.split("/")[0] for name in names}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"authlib_kucoin"}


def test_sdist_can_be_tested(built: Path) -> None:
    """Who packages this for a distribution finds the tests in the sdist."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "tests/conftest.py"} <= names


def test_base_install(install: Callable[[str], Path]) -> None:
    """With Authlib alone: the import brings no framework or HTTP library; the sandbox runs."""
    python = install("")
    modules = {name.partition(".")[0] for name in json.loads(_run(python, "-I", "-c", _IMPORTED))}
    assert "authlib_kucoin" in modules
    assert modules & _NOT_OURS_TO_IMPORT == set()
    assert int(_run(python, "-I", "-c", _SANDBOX)) < 500
    assert "--port" in _run(python, "-I", "-m", "authlib_kucoin.sandbox", "--help")


@pytest.mark.parametrize("extra", _EXTRAS)
def test_each_extra_is_complete(extra: str, install: Callable[[str], Path]) -> None:
    """The extra brings all that its module imports."""
    python = install(f"[{extra}]")
    _run(python, "-I", "-W", "error", "-c", f"import {_EXTRAS[extra]}")

"""Install the wheel of this checkout, and Node packages, into temporary folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
_NODE_PACKAGES = ("ccxt@^4.5", "kucoin-node-sdk@^1.1", "kucoin-universal-sdk@^1.3")


def run(*command: str | Path, cwd: Path, path: Path | None = None, timeout: int = 300) -> str:
    """Run a program in a folder, and return its output. Fail if its exit status is not 0.

    Args:
        command: The program and its arguments.
        cwd: The folder.
        path: A folder to put first on ``PATH``.
        timeout: How many seconds it may take.
    """
    environment = {**os.environ, "VIRTUAL_ENV": "", "UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("PYTHONPATH", None)
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program folder of a new virtual environment with pytest and this checkout's wheel."""
    folder = tmp_path_factory.mktemp("installed")
    uv = (sys.executable, "-m", "uv")
    run(
        *uv,
        "build",
        "--quiet",
        "--wheel",
        "--python",
        sys.executable,
        "-o",
        folder,
        CHECKOUT,
        cwd=folder,
    )
    wheel = next(folder.glob("*.whl"))
    run(*uv, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    programs = folder / "venv" / "bin"
    requirement = f"authlib-kucoin[requests] @ {wheel.as_uri()}"
    run(
        *uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        programs / "python",
        requirement,
        "pytest",
        cwd=folder,
    )
    return programs


@pytest.fixture(scope="session")
def node_clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the Node programs of these tests and the packages that they import."""
    if shutil.which("npm") is None:
        pytest.skip("no Node.js: apt-get install nodejs npm")
    folder = tmp_path_factory.mktemp("node")
    for program in (Path(__file__).parent / "node").glob("*.mjs"):
        shutil.copy(program, folder)
    (folder / "package.json").write_text('{"private": true}')
    flags = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--silent")
    run("npm", "install", *flags, *_NODE_PACKAGES, cwd=folder)
    return folder

"""Each import contract in pyproject.toml fails the lint when a module breaks it."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
#: A contract's id, a module, and an import in it that breaks the contract. A module without a layer
#: breaks "layers" without an import.
_BROKEN = [
    ("layers", "_clients/failures.py", "import authlib_kucoin._apps.base_app"),
    ("layers", "new_module.py", ""),
    ("protocol", "_protocol/sites.py", "import requests"),
    ("protocol", "_errors.py", "import flask"),
    ("frameworks", "_apps/base_app.py", "import django.http"),
    ("sandbox", "sandbox/_state.py", "from authlib_kucoin import KuCoinError"),
    ("sandbox-users", "_clients/failures.py", "import authlib_kucoin.sandbox"),
    ("circles", "_protocol/redaction.py", "from . import call"),
    ("circles", "_errors.py", "from ._models import ApiKey"),
]


_SETTINGS = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text())
_CONTRACTS = {
    contract["id"]: contract for contract in _SETTINGS["tool"]["importlinter"]["contracts"]
}


def test_each_contract_is_tested() -> None:
    """Each import contract has a violation in `_BROKEN`."""
    assert set(_CONTRACTS) == {contract for contract, *_ in _BROKEN}


def test_the_sandbox_may_import_none_of_our_modules() -> None:
    """The contract "sandbox" forbids all our modules but the sandbox and the main ``__init__``."""
    package = (_CHECKOUT / "authlib_kucoin").iterdir()
    modules = {
        path.stem for path in package if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    forbidden = {
        name.removeprefix("authlib_kucoin.") for name in _CONTRACTS["sandbox"]["forbidden_modules"]
    }
    assert modules - forbidden == {"__init__", "sandbox"}


@pytest.mark.parametrize(("contract", "module", "line"), _BROKEN)
def test_a_broken_contract_fails_the_lint(
    tmp_path: Path, contract: str, module: str, line: str
) -> None:
    """A module that breaks a contract fails the lint, which names the contract and the module."""
    shutil.copy(_CHECKOUT / "pyproject.toml", tmp_path)
    package = shutil.copytree(_CHECKOUT / "authlib_kucoin", tmp_path / "authlib_kucoin")
    with (package / module).open("a") as file:
        file.write(f"{line}\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={"COLUMNS": "1000"},  # wide enough to print a name on one line
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    verdicts, _, details = done.stdout.partition("Broken contracts")
    assert f"{_CONTRACTS[contract]['name']} BROKEN" in verdicts
    assert Path(module).stem in details

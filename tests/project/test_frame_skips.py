"""With `CI_NO_SKIP` set, a skipped test or an expected failure fails the run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[1]
_NOT_RUN = {
    "test_mark.py": "import pytest\n\n@pytest.mark.skip(reason='why')\ndef test_it():\n    pass\n",
    "test_module.py": "import pytest\n\npytest.skip('why', allow_module_level=True)\n",
    "test_xfail.py": "import pytest\n\n@pytest.mark.xfail\ndef test_it():\n    assert False\n",
    "test_xpass.py": "import pytest\n\n@pytest.mark.xfail\ndef test_it():\n    pass\n",
}


@pytest.mark.parametrize(("ci", "workers", "status"), [("", "0", 0), ("1", "0", 1), ("1", "2", 1)])
def test_skips_fail_in_ci(tmp_path: Path, ci: str, workers: str, status: int) -> None:
    """A run with skips, xfail and xpass passes; with `CI_NO_SKIP`, it fails and lists them."""
    frame = tmp_path / "tests"
    frame.mkdir()
    shutil.copy(_TESTS / "support" / "no_skips.py", frame / "conftest.py")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (frame / "test_passes.py").write_text("def test_it():\n    pass\n")
    for name, source in _NOT_RUN.items():
        (frame / name).write_text(source)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "xdist",
            "-n",
            workers,
            frame,
        ],
        env={**os.environ, "CI_NO_SKIP": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    *_, verdict = done.stdout.partition("these count as failures")
    assert [name for name in _NOT_RUN if name in verdict] == (list(_NOT_RUN) if status else [])
    assert "test_passes.py" not in verdict

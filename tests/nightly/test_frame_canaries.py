"""The watch for leaked secrets fails a test that shows one, unless the test may do so."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]
_EXAMPLES = Path(__file__).with_name("canary_examples.py")


def test_a_secret_that_is_shown_fails_the_test(tmp_path: Path) -> None:
    """Each example `test_shown_…` gets an error, and no other example does, in parallel workers.

    For a log and for a page, the error names the place, and quotes what stands before the secret.
    """
    frame = tmp_path / "tests"
    shutil.copytree(_TESTS / "support", frame / "support")
    shutil.copy(_TESTS / "conftest.py", frame)
    shutil.copy(_EXAMPLES, frame / "test_examples.py")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\npythonpath = .\naddopts = --strict-markers -p no:schemathesis\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "-rA", frame],
        env={**os.environ, "CI_NO_SKIP": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    tests = re.findall(r"^def (test_\w+)", _EXAMPLES.read_text(), re.MULTILINE)
    summary = done.stdout.rpartition("short test summary info")[2]
    failed = re.findall(r"^ERROR \S+::(\w+)", summary, re.MULTILINE)
    assert sorted(failed) == sorted(t for t in tests if t.startswith("test_shown_")), done.stdout
    assert f"{len(tests)} passed, {len(failed)} errors" in summary
    assert re.search(rf"(?m)^{len(tests)} secrets were looked for in: error \d+, ", done.stdout)
    assert "a code in record of any, after 'it is sandbox-code/'" in done.stdout
    assert "a sandbox's code in page of /shown, after '<p>'" in done.stdout

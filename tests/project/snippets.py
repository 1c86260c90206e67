"""Runs the blocks of a page as a reader would: in order, in one folder, with one environment.

* Each program that the page includes with a caption is saved under its caption first.
* A Python block that starts with ``# name.py`` is saved under that name. Other Python blocks are
  executed, and share their variables.
* Tests that an executed block defines are called. Each parameter of a test gets the page's variable
  of that name.
* An ``sh`` block is a script, run as a whole, which must succeed.
* In a ``console`` block, each ``$ command`` is run and must succeed. If lines follow it, they must
  be its output, where ``…`` and ``...`` stand for anything. Commands that serve run until the end
  of the page, and their output is not checked.
* ``pip`` and ``make`` are checked and not run: the requirement must be met, the target must exist.
  ``python3 -m venv`` makes a folder with an empty ``bin/activate``.
* The ports in ``PORTS`` are replaced by free ones, so that pages can run in parallel.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from unittest import mock

from sybil import Document, Example
from sybil.evaluators.python import pad
from sybil.parsers.myst import CodeBlockParser, SkipParser

from tests.support.ports import free_port, wait_for_port

ROOT: Final = Path(__file__).parents[2]
_BASH: Final = shutil.which("bash") or "bash"
PORTS: Final = re.compile(r"\b(?:5000|8000|8443|9400)\b")
#: Commands that serve until they are stopped.
_SERVES: Final = re.compile(
    r"(flask .*\brun|uvicorn|gunicorn|hypercorn|uwsgi|nginx|python -m authlib_kucoin\.sandbox"
    r"|kucoin-sandbox|python -m flask_demo|django-admin runserver|python \S+\.py runserver"
    r"|celery|rq worker|dramatiq)\b(?!.*--(help|version))"
)
#: Environment variables that replace a program's default port.
_PORT_SETTINGS: Final = ("PORT", "FLASK_RUN_PORT", "UVICORN_PORT", "DEMO_PORT")
_FILE: Final = re.compile(r"# ([\w/.-]+\.py)\n")
_PROGRAM: Final = re.compile(r"^```\{literalinclude\} (\S+)\n:caption: (\S+)$", re.MULTILINE)
_SHIMS: Final = {
    "pip": f"exec {sys.executable} -m tests.project.pip_shim",
    "kucoin-sandbox": f"exec {sys.executable} -m authlib_kucoin.sandbox",
    "make": f"exec {shutil.which('make')} --dry-run --no-print-directory -C {ROOT}",
    "python3": 'if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin"; : > "$3/bin/activate"; '
    f"exit; fi; exec {sys.executable}",
}


class Reader:
    """Runs the Python and shell blocks of one page."""

    def __init__(self, folder: Path, filled: Mapping[str, str]) -> None:
        self.folder = folder
        self._filled = filled
        self.env = dict(os.environ)
        self._ports: dict[str, str] = {}
        self._servers: list[subprocess.Popen[bytes]] = []
        self._open = ExitStack()
        shims = folder / ".shims"
        shims.mkdir()
        for name, line in _SHIMS.items():
            (shims / name).write_text(f'#!/bin/sh\n{line} "$@"\n')
            (shims / name).chmod(0o755)
        self.env["PATH"] = f"{shims}:{Path(sys.executable).parent}:{self.env['PATH']}"
        # The shim of pip runs the checkout's module tests.project.pip_shim.
        self.env["PYTHONPATH"] = f"{ROOT}:{self.env.get('PYTHONPATH', '')}"

    def read(self, page: Path, names: dict[str, Any]) -> int:
        """Run the Python and shell blocks; return their number plus that of the skip comments."""
        document = Document.parse(
            str(page),
            CodeBlockParser("python", self._python),
            CodeBlockParser("console", self._console),
            CodeBlockParser("sh", self._script),
            SkipParser(),
        )
        document.namespace.update(names, __name__=page.stem)
        self._save_programs(page)
        for block in document.examples():
            block.evaluate()
        return len(document.regions)

    def _save_programs(self, page: Path) -> None:
        """Save each program that the page includes with a caption, under that caption."""
        for source, name in _PROGRAM.findall(page.read_text()):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.here((page.parent / source).read_text()))

    def here(self, text: str) -> str:
        """Fill the gaps that a text leaves to the reader, and replace its ports by free ones."""
        for left_open, value in self._filled.items():
            text = text.replace(left_open, value)
        return PORTS.sub(lambda found: self._port(found[0]), text)

    def close(self) -> None:
        """Stop the servers that the page has started."""
        with self._open:
            for server in self._servers:
                with suppress(ProcessLookupError):
                    os.killpg(server.pid, signal.SIGTERM)
                server.wait(20)

    def _port(self, named: str) -> str:
        return self._ports.setdefault(named, str(free_port()))

    def _python(self, example: Example) -> None:
        source = self.here(example.parsed)
        if name := _FILE.match(source):
            path = self.folder / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
            compile(source, name[1], "exec")
            return
        code = compile(
            pad(source, example.line + example.parsed.line_offset),
            example.path,
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        with mock.patch.dict(os.environ, self.env, clear=True):
            if code.co_flags & inspect.CO_COROUTINE:
                asyncio.run(eval(code, example.namespace))  # noqa: S307 - the page's own code
            else:
                exec(code, example.namespace)  # noqa: S102 - the page's own code
            for test in re.findall(r"^def (test_\w+)", source, re.MULTILINE):
                function = example.namespace[test]
                fixtures = inspect.signature(function).parameters
                function(**{name: example.namespace[name] for name in fixtures})

    def _script(self, example: Example) -> None:
        self._run(self.here(example.parsed))

    def _console(self, example: Example) -> None:
        source = self.here(example.parsed).replace("\\\n", "")
        for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", source, re.MULTILINE):
            if _SERVES.match(command):
                self._serve(command.removesuffix("&"))
                continue
            output = self._run(command)
            expected = re.escape(printed.strip()).replace(re.escape("..."), ".*")
            if not re.fullmatch(expected.replace("…", ".*") or ".*", output.strip(), re.DOTALL):
                raise AssertionError(f"{command} printed\n{output}\nand not\n{printed}")

    def _run(self, command: str) -> str:
        kept = self.folder / ".env"
        done = subprocess.run(
            [_BASH, "-ec", f"{command}\nenv -0 > {shlex.quote(str(kept))}"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise AssertionError(f"{command} failed:\n{done.stdout}")
        for line in kept.read_text().split("\0"):
            name, _, value = line.partition("=")
            if name not in {"", "_", "SHLVL", "PWD", "OLDPWD"}:
                self.env[name] = value
        return done.stdout

    def _serve(self, command: str) -> None:
        named = re.search(r"(?:--port |:)(\d{4,5})\b", command)
        port = int(named[1]) if named else free_port()
        # Files in the folder are searched for secrets, and development servers log the callback's
        # query. So the log is outside the folder.
        log = self._open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - it is closed there
        server = subprocess.Popen(
            [_BASH, "-c", command if "=" in command.split(maxsplit=1)[0] else f"exec {command}"],
            cwd=self.folder,
            env={**self.env, **dict.fromkeys(_PORT_SETTINGS, str(port))},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._servers.append(server)
        try:
            wait_for_port(port, server)
        except AssertionError as error:
            log.seek(0)
            raise AssertionError(f"{error}\n{log.read().decode()}") from error


@contextmanager
def reader(folder: Path, filled: Mapping[str, str]) -> Iterator[Reader]:
    """Yield a reader for one page, and then stop the servers that the page has started."""
    page_reader = Reader(folder, filled)
    try:
        yield page_reader
    finally:
        page_reader.close()

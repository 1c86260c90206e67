"""``rehearse``: leads through the first live sign-in, and reports what KuCoin answers."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from authlib_kucoin._errors import KuCoinError, UnsafeRedirectURI
from authlib_kucoin._models import ApiKey
from authlib_kucoin._protocol.calls import checked_setting
from authlib_kucoin._protocol.sites import Site, resolve_site
from authlib_kucoin._tools.doctor.sources import add_setting_arguments, subject_of
from authlib_kucoin._tools.doctor.subject import Settings
from authlib_kucoin._tools.watched import Heard, installed_library, watched_client

from .masks import Secrets
from .record import Record
from .report import as_json, as_markdown, content, metadata_of
from .steps import Rehearsal
from .terminal import Terminal

_CANNOT: Final = 2


def run(options: argparse.Namespace, app: Any = None, terminal: Terminal | None = None) -> int:
    """Run a rehearsal.

    Args:
        options: The command line.
        app: An application that is already loaded. Flags take precedence over its settings.
        terminal: The terminal of the person; the program's own unless given.

    Returns:
        0 if every answer is as the document says, 1 if something differs or the rehearsal ended
        early, 2 if it cannot begin.
    """
    terminal = terminal or Terminal()
    subject = subject_of(options, app)
    files = _Files()
    try:
        if subject.app_failure:
            raise _CannotBegin(f"The application cannot be loaded: {subject.app_failure}")
        rehearsal = _prepare(subject.settings, options, terminal)
        reports = [files.report(options.report, end) for end in ("md", "json")]
        key_file = files.private(options.key_file)
    except (_CannotBegin, KuCoinError, UnsafeRedirectURI, ModuleNotFoundError) as error:
        files.close()
        print(f"The rehearsal cannot begin. {error}", file=sys.stderr)
        return _CANNOT
    rehearsal.keep_key = _KeyKeeper(terminal, key_file, show=options.show_key).keep
    try:
        return _lead(rehearsal, reports)
    finally:
        files.close()


class _CannotBegin(Exception):
    """The rehearsal cannot begin; the text says why."""


def _prepare(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> Rehearsal:
    """Return a rehearsal that is ready to start. Raise if a setting is missing or wrong."""
    client_id = checked_setting("client_id", settings.client_id)
    site = resolve_site(settings.site, settings.fast_api)
    heard: list[Heard] = []
    timeouts = {
        name: value
        for name in ("timeout", "total_timeout")
        if (value := getattr(settings, name)) is not None
    }
    options_of_client = {
        **settings.client_kwargs,
        **timeouts,
        "client_id": client_id,
        "client_secret": settings.client_secret,
        "site": site,
        "redirect_uri": settings.redirect_uri,
    }
    client = watched_client(settings.library, heard.append, **options_of_client)
    client.create_authorization_url()  # sends nothing, and raises for a wrong setting
    return Rehearsal(
        client,
        heard,
        terminal,
        Secrets(client_id, checked_setting("client_secret", settings.client_secret)),
        Record(
            _facts(settings, site),
            sent_secret=bool(settings.client_secret),
            fast_api=site.fast_api,
        ),
        options.permission,
    )


def _lead(rehearsal: Rehearsal, reports: list[TextIO]) -> int:
    terminal, record, secrets = rehearsal.terminal, rehearsal.record, rehearsal.secrets
    with closing(rehearsal.client):
        try:
            terminal.say(_BEGINNING.format(web=rehearsal.client.site.web))
            terminal.say()
            rehearsal.lead()
        except KeyboardInterrupt:
            record.stopped = "it was interrupted"
        finally:
            report = content(record, secrets)
            for file, write in zip(reports, (as_markdown, as_json), strict=True):
                file.write(write(report, secrets))
    return _end(terminal, report, [file.name for file in reports])


def _end(terminal: Terminal, report: dict[str, Any], names: list[str]) -> int:
    terminal.say()
    differences: list[str] = report["differences"]
    if report["stopped"]:
        terminal.say(f"It ended early: {report['stopped']}.")
    terminal.say(
        f"Different from the document: {len(differences)}. Not known before: "
        f"{len(report['learnt'])}. The report: {' and '.join(names)}."
    )
    terminal.say(report["please"])
    return int(bool(differences or report["stopped"]))


def _facts(settings: Settings, site: Site) -> dict[str, str]:
    library = settings.library or installed_library() or ""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "site": f"{site.web}, REST {site.rest}, Fast API {site.fast_api}",
        "client secret": "sent" if settings.client_secret else "none",
        "with": f"authlib-kucoin {_version('authlib-kucoin')}, Authlib {_version('authlib')}, "
        f"{library} {_version(library)}, Python {platform.python_version()}",
    }


def _version(package: str) -> str:
    return next(iter(metadata_of(package, "Version")), "(not installed)")


class _KeyKeeper:
    """Keeps a new key as the command line says: in a file, on the terminal, both or not at all."""

    def __init__(self, terminal: Terminal, file: TextIO | None, *, show: bool) -> None:
        self._terminal = terminal
        self._file = file
        self._show = show

    def keep(self, key: ApiKey) -> None:
        """Write a new key into the file, show it, or both; if neither was asked for, drop it."""
        credentials = {
            "api_key": key.api_key,
            "secret": key.secret,
            "passphrase": key.passphrase,
        }
        if self._file is not None:
            json.dump(credentials, self._file, indent=2)
            self._file.flush()
            self._terminal.say(
                f"The key is in {self._file.name}; other users cannot read that file."
            )
        if self._show:
            self._terminal.say("The key, which is shown only once:")
            lines = (f"{name}: {value}" for name, value in credentials.items())
            self._terminal.show("\n  ".join(lines))
        if self._file is None and not self._show:
            self._terminal.say(
                "KuCoin made the key. Its secret was not kept, so delete the key on KuCoin's API "
                "management page. (To keep the next one, use --key-file or --show-key.)"
            )


class _Files:
    """The files of a rehearsal. They are new, and are created before anything is sent."""

    def __init__(self) -> None:
        self._made: list[TextIO] = []

    def report(self, name: str | None, end: str) -> TextIO:
        """Open a new report file ``name.end``. Without a name, it is named by date and time."""
        base = name or f"kucoin-rehearsal-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        return self._new(f"{base}.{end}", 0o666, "--report")

    def private(self, name: str | None) -> TextIO | None:
        """Open a new file that only the current user can read; return None if there is no name."""
        return self._new(name, 0o600, "--key-file") if name else None

    def _new(self, name: str, mode: int, option: str) -> TextIO:
        try:
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            why = error.strerror
        else:
            # open() gets the name and not only the handle, so that file.name is the name.
            self._made.append(open(name, "w", encoding="utf-8", opener=lambda *_: handle))  # noqa: SIM115 - closed by close()
            return self._made[-1]
        raise _CannotBegin(f"{name} cannot be made ({why}): choose another file by {option}.")

    def close(self) -> None:
        """Close the files, and remove those that are empty."""
        for file in self._made:
            file.close()
            path = Path(file.name)
            if not path.stat().st_size:
                path.unlink()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_setting_arguments(parser)
    parser.add_argument(
        "--permission",
        action="append",
        metavar="NAME",
        help="a permission to ask for, such as API_SPOT; Fast API 2 only; repeat the flag for each",
    )
    parser.add_argument(
        "--report",
        metavar="NAME",
        help="write the report into NAME.md and NAME.json (default: a name with the date)",
    )
    parser.add_argument("--key-file", metavar="FILE", help="write a new key into this new file")
    parser.add_argument("--show-key", action="store_true", help="show a new key on the terminal")


_BEGINNING: Final = (
    "This leads you through one sign-in at {web}, with an account of your own, and reports the "
    "form of each answer. It asks you before it asks KuCoin for an API key. Ctrl-C ends it; the "
    "report is written in any case."
)

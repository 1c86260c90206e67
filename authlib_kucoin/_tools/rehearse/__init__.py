"""``rehearse``: leads the first live sign-in, and reports what KuCoin really answers."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Final, TextIO

from authlib_kucoin._errors import KuCoinError, UnsafeRedirectURI
from authlib_kucoin._models import ApiKey
from authlib_kucoin._protocol.calls import checked_setting
from authlib_kucoin._protocol.redirect_uri import check_redirect_uri
from authlib_kucoin._protocol.sites import resolve_site
from authlib_kucoin._tools.doctor.sources import add_setting_arguments, subject_of
from authlib_kucoin._tools.doctor.subject import Settings
from authlib_kucoin._tools.watched import Heard, installed_library, watched_client

from .masks import Secrets
from .record import Record
from .report import as_json, as_markdown, content
from .steps import Rehearsal
from .terminal import Terminal

_CANNOT: Final = 2


def run(options: argparse.Namespace, app: Any = None, terminal: Terminal | None = None) -> int:
    """Lead a rehearsal.

    Args:
        options: The command line.
        app: An application that is loaded already, for its settings.
        terminal: Where the person is; the program's own unless given.

    Returns:
        0 if everything is as the document says, 1 if something differs, 2 if it cannot begin.
    """
    subject = subject_of(options, app)
    try:
        with ExitStack() as stack:
            if subject.app_failure:
                raise _CannotBegin(f"The application cannot be loaded: {subject.app_failure}")
            key_file = _private_file(options.key_file)
            reports = [_report_file(options.report, end) for end in ("md", "json")]
            for file in (*reports, *([key_file] if key_file else [])):
                stack.enter_context(file)
            return _rehearse(subject.settings, options, terminal or Terminal(), key_file, reports)
    except (_CannotBegin, KuCoinError, UnsafeRedirectURI, ModuleNotFoundError) as error:
        print(f"The rehearsal cannot begin. {error}", file=sys.stderr)
        return _CANNOT


class _CannotBegin(Exception):
    """The text says why, and what to change."""


def _rehearse(
    settings: Settings,
    options: argparse.Namespace,
    terminal: Terminal,
    key_file: TextIO | None,
    reports: list[TextIO],
) -> int:
    client_id = checked_setting("client_id", settings.client_id)
    site = resolve_site(settings.site, settings.fast_api)
    heard: list[Heard] = []
    timeouts = {
        name: value
        for name in ("timeout", "total_timeout")
        if (value := getattr(settings, name)) is not None
    }
    client = watched_client(
        settings.library,
        heard.append,
        **{**settings.client_kwargs, **timeouts},
        client_id=client_id,
        client_secret=settings.client_secret,
        site=site,
        redirect_uri=check_redirect_uri(settings.redirect_uri),
    )
    secrets = Secrets(client_id, checked_setting("client_secret", settings.client_secret))
    record = Record(
        _facts(settings, site.web, site.rest, site.fast_api),
        sent_secret=bool(settings.client_secret),
        fast_api=site.fast_api,
    )
    keeper = _KeyKeeper(terminal, key_file, show=options.show_key)
    rehearsal = Rehearsal(client, heard, terminal, secrets, record, options.permission, keeper.keep)
    terminal.say(_BEGINNING.format(web=site.web))
    terminal.say()
    with closing(client):
        try:
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
    terminal.say(
        f"It holds no code, token, key or account. Please look through it and send it {_where()}: "
        "nobody could run this against KuCoin before, so it helps everybody who uses this package."
    )
    return int(bool(differences or report["stopped"]))


def _where() -> str:
    try:
        urls = metadata("authlib-kucoin").get_all("Project-URL") or []
    except PackageNotFoundError:
        urls = []
    listed = dict(url.split(", ", 1) for url in urls)
    found = listed.get("Issues") or listed.get("Source") or listed.get("Repository")
    return f"to {found}" if found else "to the place where you found authlib_kucoin"


def _facts(settings: Settings, web: str, rest: str, fast_api: int) -> dict[str, str]:
    library = settings.library or installed_library() or ""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "site": f"{web}, REST {rest}, Fast API {fast_api}",
        "client secret": "sent" if settings.client_secret else "none",
        "with": f"authlib-kucoin {_version('authlib-kucoin')}, Authlib {_version('authlib')}, "
        f"{library} {_version(library)}, Python {platform.python_version()}",
    }


def _version(package: str) -> str:
    try:
        return metadata(package)["Version"]
    except (PackageNotFoundError, ValueError):
        return "(not installed)"


class _KeyKeeper:
    """Shows a new key once, or writes it into a file, or drops it."""

    def __init__(self, terminal: Terminal, file: TextIO | None, *, show: bool) -> None:
        self._terminal = terminal
        self._file = file
        self._show = show

    def keep(self, key: ApiKey) -> None:
        """Do what was asked for with a key."""
        credentials = {
            "api_key": key.api_key,
            "secret": key.secret,
            "passphrase": key.passphrase,
        }
        if self._file is not None:
            json.dump(credentials, self._file, indent=2)
            self._file.flush()
            self._terminal.say(f"The key is in {self._file.name}; nobody else may read it.")
        if self._show:
            self._terminal.say("The key, shown only now:")
            for name, value in credentials.items():
                self._terminal.show(f"{name}: {value}")
        if self._file is None and not self._show:
            self._terminal.say(
                "The key was made, and its secret is dropped. Delete the key on KuCoin's API "
                "management page. (--key-file or --show-key would have kept it.)"
            )


def _private_file(name: str | None) -> TextIO | None:
    """Open a new file that only this user may read."""
    if not name:
        return None
    try:
        return os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
    except OSError as error:
        raise _CannotBegin(f"{name} cannot be made ({error.strerror}): name a new file.") from None


def _report_file(name: str | None, end: str) -> TextIO:
    base = name or f"kucoin-rehearsal-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    path = Path(f"{base}.{end}")
    try:
        return path.open("x", encoding="utf-8")
    except OSError as error:
        raise _CannotBegin(
            f"{path} cannot be made ({error.strerror}): give another name by --report."
        ) from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_setting_arguments(parser)
    parser.add_argument(
        "--permission",
        action="append",
        metavar="NAME",
        help="a permission to ask for, such as API_SPOT; Fast API 2 only; repeat for each",
    )
    parser.add_argument(
        "--report", metavar="NAME", help="write NAME.md and NAME.json (default: by the date)"
    )
    parser.add_argument("--key-file", metavar="FILE", help="write a new key into this new file")
    parser.add_argument("--show-key", action="store_true", help="show a new key on the terminal")


_BEGINNING: Final = (
    "This leads through one sign-in at {web}, with an account of yours, and reports the form of "
    "each answer. It asks before it makes an API key. Ctrl-C ends it; the report is written in any "
    "case."
)

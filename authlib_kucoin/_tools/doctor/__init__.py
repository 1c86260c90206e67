"""``doctor``: checks settings, site and application from this machine, before going live."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from . import app_checks, egress_checks, settings_checks, site_checks
from .findings import Finding, skipped
from .report import as_json, as_text
from .sources import add_setting_arguments, subject_of
from .subject import Subject


class Check(NamedTuple):
    """One check.

    Attributes:
        name: The name of the check in the report.
        find: Makes the check, and yields its findings.
        asks_site: Whether the check connects to the site. If it does, --offline skips it.
    """

    name: str
    find: Callable[[Subject], Iterator[Finding]]
    asks_site: bool = False


#: All checks, in the order of the report. No check depends on another.
CHECKS: Final = (
    Check("application", app_checks.check_app),
    Check("site", settings_checks.check_site),
    Check("certificate", site_checks.check_certificate, asks_site=True),
    Check("answer", site_checks.check_answer, asks_site=True),
    Check("clock", site_checks.check_clock, asks_site=True),
    Check("client id", settings_checks.check_client_id),
    Check("client secret", settings_checks.check_client_secret),
    Check("redirect URI", settings_checks.check_redirect),
    Check("callback", app_checks.check_callback),
    Check("session cookie", app_checks.check_cookies),
    Check("secret key", app_checks.check_secret_key),
    Check("time-outs", settings_checks.check_timeouts),
    Check("proxy", egress_checks.check_proxy),
    Check("authorities", egress_checks.check_authorities),
    Check("addresses", egress_checks.check_addresses),
    Check("vault keys", settings_checks.check_vault_keys),
    Check("database", app_checks.check_database),
)


def examine(subject: Subject) -> list[tuple[str, Finding]]:
    """Make all checks; with --offline, skip those that connect to the site.

    Return each finding with the name of its check.
    """
    return [
        (check.name, finding)
        for check in CHECKS
        for finding in (
            [skipped("not with --offline")]
            if check.asks_site and subject.offline
            else check.find(subject)
        )
    ]


def run(options: argparse.Namespace, app: Any = None) -> int:
    """Make the checks, and print the report.

    Args:
        options: The command line.
        app: An application that is already loaded. Flags take precedence over its settings.

    Returns:
        1 if something is wrong, otherwise 0.
    """
    subject = subject_of(options, app)
    findings = examine(subject)
    show = as_json if options.json else as_text
    print(show(subject, findings))
    return int(any(finding.level == "wrong" for _, finding in findings))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add_setting_arguments(parser)
    parser.add_argument(
        "--server-timeout",
        type=float,
        metavar="SECONDS",
        help="the time-out of your server for one request; 0 means none (or GUNICORN_CMD_ARGS)",
    )
    for name, what in (("fast-api", "the Fast API"), ("trading", "trading")):
        parser.add_argument(
            f"--{name}-ip",
            dest=f"{name.replace('-', '_')}_ips",
            action="append",
            metavar="ADDRESS",
            help=f"an address that you register for {what}; repeat the flag for each address",
        )
    parser.add_argument("--offline", action="store_true", help="send nothing at all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")

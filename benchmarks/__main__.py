"""Measure and print the tables; with ``--check``, the exit status is 1 if a target is missed."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from . import measure, report, tables
from .backend import running_backend
from .with_httpx import ByHandWithHttpx, OursInStarlette, StockInStarlette
from .with_requests import ByHandWithRequests, OursInFlask, SocialCore, StockInFlask

_CONTENDERS: Final = (
    *(OursInFlask, ByHandWithRequests, StockInFlask, SocialCore),
    *(OursInStarlette, ByHandWithHttpx, StockInStarlette),
)
_PARTS: Final = 10
_IMPORTED: Final = ("authlib", "authlib_kucoin")


def main() -> int:
    """Run the benchmarks and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="measure less often and no memory, and trust a single certificate authority (this "
        "makes TLS contexts cheap, and so stock Authlib, which creates many, faster than it is)",
    )
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument(
        "--sign-ins",
        type=int,
        metavar="N",
        help="measure only the memory in use after each tenth of N sign-ins (try 100000)",
    )
    options = parser.parse_args()
    if options.sign_ins:
        sys.stdout.write(_endurance(options.sign_ins))
        return 0
    findings = _measure(quick=options.quick)
    sys.stdout.write(report.tables(findings))
    targets = report.targets(findings)
    sys.stdout.write(tables.verdicts(targets))
    return int(options.check and not all(target.is_met for target in targets))


def _endurance(sign_ins: int) -> str:
    rows = {}
    for kind in (OursInFlask, OursInStarlette):
        with running_backend(trust_others=False) as backend:
            contender = kind(backend.direct)
            kept = measure.memory(contender.sign_in, sign_ins, _PARTS)
            contender.close()
        rows[kind.name] = {
            f"{sign_ins * part // _PARTS:,}": f"{kept[part - 1] / 1e3:+.1f}"
            for part in range(1, _PARTS + 1)
        }
    return "\n".join([*tables.table("KB in use after sign-ins", rows), ""])


def _measure(*, quick: bool) -> report.Findings:
    turns, rare, fresh = (10, 1, 3) if quick else (100, 10, 15)
    with running_backend(trust_others=not quick) as backend:
        connections = {kind.name: measure.connections(kind, backend) for kind in _CONTENDERS}
        round_trips = {kind.name: measure.round_trips(kind, backend, rare) for kind in _CONTENDERS}
        running = {kind.name: kind(backend.direct) for kind in _CONTENDERS}
        sign_ins = measure.in_turns({name: c.sign_in for name, c in running.items()}, turns)
        refreshes = measure.in_turns({name: c.refresh for name, c in running.items()}, turns)
        redirects = measure.in_turns(
            {
                name: c.authorize_redirect
                for name, c in running.items()
                if isinstance(c, OursInFlask | OursInStarlette | StockInFlask | StockInStarlette)
            },
            turns,
        )
        memory = {
            kind.name: measure.memory(running[kind.name].sign_in)[-1]
            for kind in (OursInFlask, ByHandWithRequests, OursInStarlette, ByHandWithHttpx)
            if not quick
        }
        for contender in running.values():
            contender.close()
    imports = measure.imports(_IMPORTED, fresh)
    return report.Findings(
        connections, round_trips, sign_ins, refreshes, redirects, memory, imports
    )


if __name__ == "__main__":
    sys.exit(main())

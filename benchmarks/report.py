"""Tables and targets."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from .contenders import Contender, Spent
from .measure import SIGN_INS, Connections, RoundTrips
from .tables import Target, table
from .with_httpx import ByHandWithHttpx, OursInStarlette, StockInStarlette
from .with_requests import ByHandWithRequests, OursInFlask, StockInFlask

_MEASURED_WITH: Final = (
    "Authlib",
    "requests",
    "httpx2",
    "Flask",
    "starlette",
    "social-auth-core",
)
# For each framework: this package, hand-written code on the HTTP library that this package uses
# there, and stock Authlib.
_SIDES: Final[tuple[tuple[type[Contender], type[Contender], type[Contender]], ...]] = (
    (OursInFlask, ByHandWithRequests, StockInFlask),
    (OursInStarlette, ByHandWithHttpx, StockInStarlette),
)


@dataclass(frozen=True)
class Findings:
    """All results, by the name of the contender; those of ``imports`` by the module."""

    connections: Mapping[str, Connections]
    round_trips: Mapping[str, RoundTrips]
    sign_ins: Mapping[str, Spent]
    refreshes: Mapping[str, Spent]
    redirects: Mapping[str, Spent]
    memory: Mapping[str, float]
    imports: Mapping[str, tuple[float, int]]


def tables(findings: Findings) -> str:
    """Return the findings as tables in Markdown."""
    return "\n".join(
        [
            f"Python {platform.python_version()}, "
            + ", ".join(f"{name} {version(name)}" for name in _MEASURED_WITH),
            "",
            *table("sign-in", _connection_columns(findings)),
            "",
            *table("sign-in", _time_columns(findings)),
            "",
            *table("other", _other_columns(findings)),
            "",
            *table(
                "import",
                {
                    name: {"ms": f"{seconds * 1e3:.1f}", "modules": f"{loaded}"}
                    for name, (seconds, loaded) in findings.imports.items()
                },
            ),
            "",
        ]
    )


def targets(findings: Findings) -> list[Target]:
    """Return the targets with the figures found."""
    return [*_targets(findings)]


def _targets(findings: Findings) -> Iterator[Target]:
    most = {OursInFlask: 0.45, OursInStarlette: 0.2}
    for ours, by_hand, stock in _SIDES:
        name = ours.name
        opened, waited = findings.connections[name], findings.round_trips[name]
        yield Target(f"{name}: connections, {SIGN_INS} in a row", opened.in_a_row, 2)
        yield Target(f"{name}: connections, {SIGN_INS} at once", opened.at_once, SIGN_INS)
        yield Target(f"{name}: round trips, warm", waited.warm, 2.2)
        yield Target(f"{name}: round trips, cold", waited.cold, 4.5)
        spent, least, most_spent = (findings.sign_ins[kind.name] for kind in (ours, by_hand, stock))
        yield Target(f"{name}: time vs stock", spent.wall / most_spent.wall, most[ours])
        yield Target(f"{name}: time vs by hand", spent.wall / least.wall, 1.15)
        yield Target(f"{name}: CPU ms above by hand", (spent.cpu - least.cpu) * 1e3, 1)
        yield Target(
            f"{name}: authorize_redirect time vs stock",
            findings.redirects[name].wall / findings.redirects[stock.name].wall,
            1.05,
        )
        if name in findings.memory:
            yield Target(f"{name}: KB kept after 1,000 sign-ins", findings.memory[name] / 1e3, 50)
    (stock_import, _), (import_, _) = findings.imports.values()
    yield Target("import: ms above authlib", (import_ - stock_import) * 1e3, 5)


def _connection_columns(findings: Findings) -> dict[str, dict[str, str]]:
    return {
        name: {
            f"connections, {SIGN_INS} in a row": f"{opened.in_a_row}",
            "handshakes": f"{opened.handshakes}",
            f"connections, {SIGN_INS} at once": f"{opened.at_once}",
            "round trips, cold": f"{waited.cold:.2f} ({waited.counted_cold})",
            "warm": f"{waited.warm:.2f} ({waited.counted_warm})",
        }
        for name, opened in findings.connections.items()
        if (waited := findings.round_trips[name])
    }


def _time_columns(findings: Findings) -> dict[str, dict[str, str]]:
    by_hand = {
        **dict.fromkeys(findings.sign_ins, ByHandWithRequests.name),
        **{kind.name: ByHandWithHttpx.name for kind in _SIDES[1]},
    }
    stock = {
        **dict.fromkeys(findings.sign_ins, StockInFlask.name),
        **{kind.name: StockInStarlette.name for kind in _SIDES[1]},
    }
    least = {name: findings.sign_ins[by_hand[name]] for name in findings.sign_ins}
    return {
        name: {
            "ms": f"{spent.wall * 1e3:.2f}",
            "time vs by hand": f"{spent.wall / least[name].wall:.2f}",
            "time vs stock": f"{spent.wall / findings.sign_ins[stock[name]].wall:.2f}",
            "CPU ms": f"{spent.cpu * 1e3:.2f}",
            "CPU ms above by hand": f"{(spent.cpu - least[name].cpu) * 1e3:+.2f}",
        }
        for name, spent in findings.sign_ins.items()
    }


def _other_columns(findings: Findings) -> dict[str, dict[str, str]]:
    return {
        name: {
            "refreshes per second": f"{1 / refresh.wall:.0f}",
            "authorize_redirect, ms": (
                f"{findings.redirects[name].wall * 1e3:.2f}" if name in findings.redirects else "-"
            ),
            "KB kept after 1,000 sign-ins": (
                f"{findings.memory[name] / 1e3:.1f}" if name in findings.memory else "-"
            ),
        }
        for name, refresh in findings.refreshes.items()
    }

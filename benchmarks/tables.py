"""Format figures and targets as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A figure and its upper limit."""

    what: str
    found: float
    at_most: float

    @property
    def is_met(self) -> bool:
        """Whether the figure is within its limit."""
        return self.found <= self.at_most


def table(corner: str, rows: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield the lines of a table. All rows must have the same columns."""
    head = [corner, *next(iter(rows.values()))]
    lines = [head, *([name, *row.values()] for name, row in rows.items())]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    yield _line(head, widths)
    yield "|".join(
        ["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""]
    )
    for line in lines[1:]:
        yield _line(line, widths)


def verdicts(held_to: Sequence[Target]) -> str:
    """Return the targets, and whether each is met, as Markdown."""
    rows = {
        target.what: {
            "found": f"{target.found:.2f}",
            "at most": f"{target.at_most:g}",
            "": "met" if target.is_met else "MISSED",
        }
        for target in held_to
    }
    return "\n".join(["", *table("target", rows), ""])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *rest])} |"

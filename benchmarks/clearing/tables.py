"""Words of the benchmark's pages: tables, percentages, paragraphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SOLVERS = {"takt": "Takt", "highs": "HiGHS", "cbc": "CBC", "cpsat": "CP-SAT", "scip": "SCIP"}
FAMILIES = {
    "gap": "Generalised assignment",
    "sscflp": "Single-source facility location",
    "wdp": "Combinatorial auctions (CATS)",
    "knapsack": "Multi-dimensional knapsack",
    "market-200": "Market, 200 orders × 10 bids",
    "market-1000": "Market, 1,000 orders × 20 bids",
    "chains": "Chains of three lots with transport",
    "others": "Other structures, one market of each",
}

NOTHING, THREE_DIGITS, TWO_DIGITS = 5e-4, 0.1, 10.0
"""Percentages below these are shown as 0, with three and with two digits."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table and an empty one."""
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join('---' for _ in head)}|"]
    return [*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows), ""]


def percent(share: float | None) -> str:
    """Return a share as a percentage with the digits that matter; ``none`` for None."""
    if share is None:
        return "none"
    scaled = 100 * share
    if abs(scaled) < NOTHING:
        return "0"
    digits = 3 if abs(scaled) < THREE_DIGITS else 2 if abs(scaled) < TWO_DIGITS else 0
    return f"{scaled:,.{digits}f} %".replace("-", "−")


def parts_per_million(ppm: int | None) -> str:
    """Return parts per million as a percentage."""
    return percent(None if ppm is None else ppm / 1e6)


def mebibytes(kib: float) -> str:
    """Return a size."""
    return f"{kib / 1024:,.0f} MiB"


def paragraph(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())

"""The page's parts on building, size, load and payments. Measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.clearing.charts import Panel, svg
from benchmarks.clearing.gaps import Reference, Run, exponent, gap
from benchmarks.clearing.tables import SOLVERS, mebibytes, paragraph, parts_per_million, percent, table

FITTED_FROM_BIDS = 10_000

BUILDING = """
Seconds from arrays to a loaded HiGHS (medians), and the other ways as multiples. Takt's array layer is a
PuLP problem that hands whole families over at once; the usual way is a `pulp.LpVariable` per column, a
`pulp.lpSum` per row and PuLP's HiGHS class.
"""

SIZE = """
`takt clear` on files of markets (10 bids an order, a bundle per 20 bids, a plant per 200 but at least 20, 50
periods), until its own gap is at most {target}: process start, reading and writing included; memory of the
largest process. {fits}{missed}
"""

BIG = """
20,000 orders × 10 bids × 1,000 plants × 50 periods: Takt by `takt clear --time-limit`, from file to file,
the others from Takt's program in memory.
"""

LOAD = """
600 orders, 8 bids each, 30 plants. Cost is accepted prices plus, for an order left out, its value (it is
made elsewhere). Shown is how much dearer it is to take orders one by one, each its cheapest bid that still
fits, than to clear them together: in the order of arrival, and in Takt's greedy sequence by value per
piece. Mean over markets.
"""

PAYMENTS = """
What Clarke pivots (VCG) cost on top of a proven optimum, on one thread: only the parts that a winner won in
are solved again, warm; against the same cold, and against clearing the whole market anew without each
winner (estimated from three winners). Payments as multiples of the accepted prices.
"""


def building_part(runs: Sequence[Run]) -> list[str]:
    """Return how long the ways of building take."""
    if not runs:
        return []
    rows = []
    for r in runs:
        direct, layer, usual = (r["seconds"][name] for name in ("direct", "arrays", "usual"))
        rows.append(
            (
                f"{r['orders']:,} × {r['bids']}",
                f"{r['rows']:,} × {r['columns']:,}, {r['non_zeros']:,}",
                f"{direct:.4f} s",
                f"{layer / direct:.2f}",
                f"{usual / direct:,.0f}",
                f"{usual / layer:,.0f}",
            )
        )
    head = (
        "orders × bids",
        "rows × columns, non-zeros",
        "highspy directly",
        "Takt's layer ÷ direct",
        "usual PuLP ÷ direct",
        "usual PuLP ÷ Takt's layer",
    )
    return ["## Building", "", paragraph(BUILDING), "", *table(head, rows)]


def size_part(runs: Sequence[Run], folder: Path) -> list[str]:
    """Return time and memory over the number of bids; write the picture."""
    if not runs:
        return []
    runs = sorted(runs, key=lambda r: r["bids"])
    reached = [r for r in runs if r["gap_ppm"] is not None and r["gap_ppm"] <= r["target_ppm"]]
    time = [(float(r["bids"]), float(r["wall"])) for r in reached]
    memory = [(float(r["bids"]), r["peak_kib"] / 1024) for r in runs]
    drawn = runs[0]["bids"] < runs[-1]["bids"]
    if drawn:
        (folder / "clearing-scaling.svg").write_text(_size_picture(time, memory))
    rows = [
        (
            f"{r['bids']:,}",
            f"{r['wall']:.1f} s",
            *(f"{r['parts'][name]:.2f} s" for name in ("read", "build", "solve", "check")),
            mebibytes(r["peak_kib"]),
            parts_per_million(r["gap_ppm"]),
            r["bound_kind"] or "",
        )
        for r in runs
    ]
    missed = ", ".join(f"{r['bids']:,}" for r in runs if r not in reached)
    text = SIZE.format(
        target=parts_per_million(runs[0]["target_ppm"]),
        fits=_fits(time, memory),
        missed=f"Not reached within {runs[0]['limit_s']:g} s, so not in the fit of time: {missed} bids."
        if missed
        else "",
    )
    head = ("bids", "wall", "read", "start", "solve", "check", "peak memory", "gap", "bound by")
    picture = ["![Time and peak memory over bids](clearing-scaling.svg)", ""] if drawn else []
    return ["## Size", "", paragraph(text), "", *picture, *table(head, rows)]


def _fits(time: Sequence[tuple[float, float]], memory: Sequence[tuple[float, float]]) -> str:
    found = []
    for name, points in (("time", time), ("memory", memory)):
        slope = exponent([point for point in points if point[0] >= FITTED_FROM_BIDS])
        if slope is not None:
            found.append(f"{name} grows with bids to the power {slope:.2f}")
    if not found:
        return ""
    return f"By least squares from {FITTED_FROM_BIDS:,} bids on, {' and '.join(found)}. "


def _size_picture(time: list[tuple[float, float]], memory: list[tuple[float, float]]) -> str:
    around = (memory[0][0], memory[-1][0])
    panels = [
        Panel(
            title=name,
            lines={name: points},
            x_label="bids",
            y_label=unit,
            x_range=around,
            y_range=y_range,
        )
        for name, points, unit, y_range in (
            ("time", time, "seconds", (0.1, 1000.0)),
            ("peak memory", memory, "MiB", (10.0, 10_000.0)),
        )
    ]
    return svg(panels, ("time", "peak memory"), "Time and peak memory over bids")


def big_part(runs: Sequence[Run]) -> list[str]:
    """Return what the command, and others within its limit, reach on the biggest market."""
    bounds = [r["bound"] for r in runs if r["bound"] is not None]
    if not bounds:
        return []
    reference, rows = Reference(worth=float(min(bounds)), kind="bound"), []
    greedy = next((r["greedy"] for r in runs if r.get("greedy")), None)
    for r in runs:
        solver = SOLVERS[r.get("solver", "takt")]
        own = gap(r["objective"], Reference(worth=float(r["bound"]), kind="bound")) if r["bound"] else None
        rows.append(
            (
                solver,
                f"{r['limit_s']:g} s",
                f"{r.get('wall', r.get('seconds')):.1f} s",
                percent(gap(r["objective"], reference)),
                percent(own),
                r.get("bound_kind") or "solver",
                f"{r['objective'] / greedy:.3f}" if r["objective"] and greedy else "",
                mebibytes(r["peak_kib"]),
            )
        )
    head = (
        *("solver", "limit", "wall", "gap to the tightest bound of all"),
        *("own gap", "bound by", "worth ÷ order by order", "peak memory"),
    )
    return ["## Big market", "", paragraph(BIG), "", *table(head, rows)]


def load_part(runs: Sequence[Run]) -> list[str]:
    """Return what joint clearing saves."""
    if not runs:
        return []
    rows = []
    for level in sorted({r["percent"] for r in runs}):
        some = [r for r in runs if r["percent"] == level]
        extra = [
            fmean(r[name] / r["joint_cost"] - 1 for r in some) for name in ("arrival_cost", "greedy_cost")
        ]
        own = max(r["gap_ppm"] or 0 for r in some)
        rows.append((f"{level} %", len(some), *map(percent, extra), parts_per_million(own)))
    head = (
        "load",
        "markets",
        "one by one, by arrival",
        "one by one, greedy",
        "joint: worst own gap, of worth",
    )
    return ["## What clearing together saves", "", paragraph(LOAD), "", *table(head, rows)]


def payments_part(runs: Sequence[Run]) -> list[str]:
    """Return what VCG and core payments cost."""
    rows = [_payment(row) for r in runs for row in r["rows"]]
    if not rows:
        return []
    head = (
        *("regions", "orders", "bids", "clearing", "winners", "all pivots"),
        *("cold ÷ warm", "anew ÷ warm", "VCG ÷ asked", "core ÷ asked"),
    )
    return ["## Payments", "", paragraph(PAYMENTS), "", *table(head, rows)]


def _payment(row: Run) -> tuple[object, ...]:
    market = (row["regions"], f"{row['orders']:,}", f"{row['bids']:,}", f"{row['clear_s']:.2f} s")
    if "refused" in row:
        return (*market, row["refused"], "", "", "", "", "")
    vcg, core = row["vcg_over_asked"], row["core_over_asked"]
    return (
        *market,
        row["winners"],
        f"{row['part_warm_s']:.2f} s",
        f"{row['cold_over_warm']:.1f}",
        f"{row['again_over_warm']:.0f}",
        "refused" if vcg is None else f"{vcg:.3f}",
        "refused" if core is None else f"{core:.3f} in {row['core_s']:.1f} s",
    )

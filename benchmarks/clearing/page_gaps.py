"""The page's part on gaps over time: pictures, verdict, tables. Measures nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.clearing.charts import Panel, svg
from benchmarks.clearing.gaps import GRACE_S, Run, Spread, gap, objective_at, overran, reference_of, spread
from benchmarks.clearing.tables import FAMILIES, SOLVERS, paragraph, percent, table

FLOOR, CEILING = 1e-5, 10.0
FIRST_S, EARLY_S = 0.1, 1.0
CURVE_POINTS = 60
EVEN, BEHIND = 1e-6, 1e-4

Key = tuple[str, str]
"""Family and name of an instance."""

HOW = """
Median over the instances of the family; a line begins when half of them have an answer. Both axes are
logarithmic; gaps below {floor} lie on the floor. Only solvers that ran on every instance of a family are
drawn.
"""


class Comparison:
    """Runs of several solvers on the same instances, and what they are measured against."""

    def __init__(self, runs: Iterable[Run], limit_s: float) -> None:
        self.limit_s = limit_s
        self.runs: dict[Key, dict[str, Run]] = {}
        for run in runs:
            if "error" not in run:
                self.runs.setdefault((run["family"], run["name"]), {})[run["solver"]] = run
        self.references = {
            key: reference_of(list(by_solver.values()), next(iter(by_solver.values()))["best_cost"])
            for key, by_solver in self.runs.items()
        }
        self.families = [family for family in FAMILIES if self.keys(family)]

    def keys(self, family: str) -> list[Key]:
        """Return the instances of a family."""
        return [key for key in self.runs if key[0] == family]

    def gap(self, key: Key, solver: str, seconds: float) -> float | None:
        """Return a solver's gap on an instance after so many seconds."""
        reference = self.references[key]
        if reference is None:
            return None
        return gap(objective_at(self.runs[key][solver], seconds, self.limit_s), reference)

    def spread(self, keys: Sequence[Key], solver: str, seconds: float) -> Spread:
        """Return mean, median and worst gap of a solver over instances."""
        return spread([self.gap(key, solver, seconds) for key in keys])


def gap_part(c: Comparison, folder: Path) -> list[str]:
    """Return the part's lines; write its picture."""
    if not c.runs:
        return []
    names = tuple(SOLVERS.values())
    picture = svg([_panel(c, family) for family in c.families], names, "Median gap over time by family")
    (folder / "clearing-gap.svg").write_text(picture)
    return [
        "## Gap over time",
        "",
        "![Median gap over time by family](clearing-gap.svg)",
        "",
        paragraph(HOW.format(floor=percent(FLOOR))),
        "",
        *_verdict(c),
        *_summary(c),
        *_instances(c),
    ]


def _panel(c: Comparison, family: str) -> Panel:
    keys = c.keys(family)
    times = [FIRST_S * (c.limit_s / FIRST_S) ** (k / (CURVE_POINTS - 1)) for k in range(CURVE_POINTS - 1)]
    lines = {}
    for solver, name in SOLVERS.items():
        if all(solver in c.runs[key] for key in keys):
            middles = [(at, c.spread(keys, solver, at).median) for at in (*times, c.limit_s)]
            lines[name] = [(at, max(middle, FLOOR)) for at, middle in middles if middle is not None]
    return Panel(
        title=f"{FAMILIES[family]} ({len(keys)})",
        lines=lines,
        x_label="seconds",
        y_label="gap",
        x_range=(FIRST_S, c.limit_s),
        y_range=(FLOOR, CEILING),
        steps=True,
        percent=True,
    )


def _verdict(c: Comparison) -> list[str]:
    """Say on how many instances each is best, and where Takt is not."""
    best, ran = dict.fromkeys(SOLVERS, 0), dict.fromkeys(SOLVERS, 0)
    behind = []
    for key, by_solver in c.runs.items():
        gaps = {solver: c.gap(key, solver, c.limit_s) for solver in by_solver}
        known = {solver: g for solver, g in gaps.items() if g is not None}
        if not known:
            continue
        least = min(known.values())
        for solver in by_solver:
            ran[solver] += 1
            best[solver] += known.get(solver, float("inf")) <= least + EVEN
        mine = gaps.get("takt")
        if "takt" in gaps and (mine is None or mine > least + BEHIND):
            winner = SOLVERS[min(known, key=lambda solver: known[solver])]
            behind.append(
                f"{FAMILIES[key[0]]} `{_short(key[1])}` ({percent(mine)}, {winner} {percent(least)})"
            )
    counted = ", ".join(f"{SOLVERS[s]} on {best[s]} of {ran[s]}" for s in SOLVERS if ran[s])
    where = f"on: {'; '.join(behind)}" if behind else "nowhere"
    text = (
        f"Best answer, or even with it, after {c.limit_s:g} s: {counted}. "
        f"Takt is behind the best by more than {percent(BEHIND)} {where}."
    )
    late = [
        f"{SOLVERS[solver]} {_short(key[1])} ({run['seconds']:.1f} s)"
        for key, by_solver in c.runs.items()
        for solver, run in by_solver.items()
        if overran(run, c.limit_s)
    ]
    if late:
        text += f" Later than {GRACE_S:g} s after the limit, so counted as of then: {', '.join(late)}."
    return [text, ""]


def _summary(c: Comparison) -> list[str]:
    rows = []
    for family in c.families:
        for solver, name in SOLVERS.items():
            keys = [key for key in c.keys(family) if solver in c.runs[key]]
            if not keys:
                continue
            early, late = (_both(c.spread(keys, solver, at)) for at in (EARLY_S, c.limit_s))
            proven = sum(c.runs[key][solver]["status"] == "optimal" for key in keys)
            rows.append((FAMILIES[family], name, len(keys), early, late, f"{proven} of {len(keys)}"))
    at = f"{c.limit_s:g} s"
    head = ("family", "solver", "instances", "gap at 1 s: mean, worst", f"at {at}: mean, worst", "proven")
    return table(head, rows)


def _both(s: Spread) -> str:
    if s.mean is None:
        return f"{s.without} without answer"
    return f"{percent(s.mean)}, {percent(s.worst)}"


def _instances(c: Comparison) -> list[str]:
    """Return one row per instance: gaps at the limit, and what Takt itself said of its answer."""
    rows = []
    for family in c.families:
        for key in c.keys(family):
            by_solver, reference = c.runs[key], c.references[key]
            cells = [percent(c.gap(key, s, c.limit_s)) if s in by_solver else "" for s in SOLVERS]
            kind = reference.kind if reference else "unknown"
            rows.append((FAMILIES[family], _short(key[1]), kind, *cells, _own(by_solver.get("takt"))))
    head = ("family", "instance", "reference", *SOLVERS.values(), "Takt's own gap, bound by")
    return [f"Gap of every instance after {c.limit_s:g} s (empty: not run):", "", *table(head, rows)]


def _own(run: Run | None) -> str:
    if run is None or run["objective"] is None or run["bound"] is None:
        return ""
    own = (run["bound"] - run["objective"]) / max(1, abs(run["bound"]))
    return f"{percent(own)} {run.get('bound_kind') or ''}".rstrip()


def _short(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".txt.gz")

"""What a kept model saves: relaxations that change a little, cut rounds, neighbourhoods; processor time.

    python -m benchmarks.clearing.kept

A relaxation is solved anew (built, handed over, solved) or kept (changed, solved from the last basis). A tree
search keeps nothing between runs, so for neighbourhoods the choice is between the small program of the free
columns and the whole program with the others fixed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from time import process_time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.clearing.synthetic import market
from market.adapters.kept_anew import KeptAnew
from market.adapters.solver_pulp import PulpSolver
from market.clearing.formulation.formulate import formulate
from market.clearing.formulation.restrict import reduced_costs, restricted
from market.clearing.program import Cuts, Program, SolveLimits
from market.clearing.search.neighbourhood import Neighbourhoods

if TYPE_CHECKING:
    from market.clearing.program import Floats, Kept

SIZES = ((200, 10, 40, 10), (1_000, 20, 200, 20))
CHANGES, ROUNDS, CUTS_A_ROUND, HOODS = 20, 10, 20, 10


def changes(kept: Kept, p: Program) -> tuple[float, int]:
    """Return seconds and iterations of solves with a few columns banned, after a first one."""
    kept.relax(SolveLimits())
    begin, work = process_time(), 0
    step = p.n_columns // CHANGES
    for k in range(CHANGES):
        columns = np.arange(k * step, k * step + 10)
        kept.change_columns(columns, np.zeros(10), np.zeros(10))
        work += kept.relax(SolveLimits()).work
        kept.change_columns(columns, p.lower[columns], p.upper[columns])
    return process_time() - begin, work


def covers(p: Program, x: Floats) -> Cuts:
    """Return simple cover cuts of the rows that are violated most."""
    found = []
    for row in np.flatnonzero(np.isfinite(p.row_upper)).tolist():
        span = slice(int(p.row_ptr[row]), int(p.row_ptr[row + 1]))
        column, use, room = p.column[span], p.value[span], p.row_upper[row]
        if (use <= 1).any() or not p.integer[column].all():
            continue
        by = np.argsort(-x[column], kind="stable")
        count = int(np.searchsorted(np.cumsum(use[by]), room, side="right")) + 1
        if count > by.size:
            continue
        cover = column[by[:count]]
        excess = float(x[cover].sum()) - (count - 1)
        if excess > 1e-4:
            found.append((excess, cover))
    found = sorted(found, key=lambda one: -one[0])[:CUTS_A_ROUND]
    size = np.array([cover.size for _, cover in found], dtype=np.int32)
    column = np.concatenate([cover for _, cover in found]) if found else np.zeros(0, dtype=np.int32)
    return Cuts(
        row_lower=np.full(size.size, -np.inf),
        row_upper=size.astype(np.float64) - 1.0,
        row_ptr=np.concatenate([[0], np.cumsum(size)]).astype(np.int32),
        column=column.astype(np.int32),
        value=np.ones(column.size),
    )


def cut_rounds(kept: Kept, p: Program) -> tuple[float, int, float]:
    """Return seconds, iterations and the bound of some rounds of cover cuts, after a first solve."""
    solved = kept.relax(SolveLimits())
    seconds, work = 0.0, 0
    for _ in range(ROUNDS):
        assert solved.values is not None
        cuts = covers(p, solved.values)
        begin = process_time()
        kept.add_rows(cuts)
        solved = kept.relax(SolveLimits())
        seconds, work = seconds + process_time() - begin, work + solved.work
    return seconds, work, solved.bound


def neighbourhoods(orders: int, bids: int, plants: int, periods: int) -> tuple[float, float]:
    """Return seconds of some neighbourhoods as small programs, and in the whole one."""
    f = formulate(market(orders, bids, plants, periods))
    p, solver = f.program, PulpSolver()
    duals = solver.solve_relaxation(p, SolveLimits()).duals
    assert duals is not None
    hoods = Neighbourhoods(f, reduced_costs(p, duals), np.random.default_rng(1))
    base, seconds = np.zeros(p.n_columns), [0.0, 0.0]
    for _ in range(HOODS):
        free = hoods.draw(np.zeros(f.problem.n_bids, dtype=np.int64), 400)
        begin = process_time()
        solver.solve(restricted(p, free, base).program, SolveLimits(work=4000))
        seconds[0] += process_time() - begin
        begin = process_time()
        solver.solve(replace(p, upper=np.where(free, p.upper, 0.0)), SolveLimits(work=4000))
        seconds[1] += process_time() - begin
    return seconds[0], seconds[1]


def measure(size: tuple[int, int, int, int]) -> dict[str, object]:
    """Return the figures of one market."""
    p, solver = formulate(market(*size)).program, PulpSolver()
    kept, anew = changes(solver.keep(p), p), changes(KeptAnew(solver, p), p)
    cut_kept, cut_anew = cut_rounds(solver.keep(p), p), cut_rounds(KeptAnew(solver, p), p)
    small, whole = neighbourhoods(*size)
    return {
        "orders": size[0],
        "bids": size[1],
        "columns": p.n_columns,
        "change_kept_s": kept[0] / CHANGES,
        "change_anew_s": anew[0] / CHANGES,
        "change_iterations": (kept[1], anew[1]),
        "cuts_kept_s": cut_kept[0] / ROUNDS,
        "cuts_anew_s": cut_anew[0] / ROUNDS,
        "cuts_iterations": (cut_kept[1], cut_anew[1]),
        "cuts_bound": (cut_kept[2], cut_anew[2]),
        "small_s": small / HOODS,
        "whole_s": whole / HOODS,
    }


def main() -> None:
    """Print one JSON line per market."""
    for size in SIZES:
        print(json.dumps(measure(size)), flush=True)


if __name__ == "__main__":
    main()

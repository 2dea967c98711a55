"""Seconds from arrays to a loaded solver: to highspy, through Takt's PuLP layer, as usual expressions.

Every way gets the same program in arrays and ends with a `Highs` that holds it; none solves. The usual way
is a `pulp.LpVariable` per column, a `pulp.lpSum` per row and PuLP's own HiGHS class.

    python -m benchmarks.clearing.building ORDERS BIDS PLANTS PERIODS
"""

from __future__ import annotations

import gc
import json
import math
import statistics
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np
import pulp

from benchmarks.clearing.synthetic import market
from market.adapters.pulp_arrays import ArrayProblem
from market.adapters.solver_pulp import ArrayHighs
from market.clearing.formulation.formulate import formulate
from market.clearing.program import Program, SolveLimits

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS = 21
USUAL_REPEATS, USUAL_S = 3, 10.0
"""The usual way is repeated so often at most, and until it has taken so long."""


def direct(p: Program) -> Any:  # noqa: ANN401  a Highs, which has no stubs
    """Hand the arrays to highspy in one call."""
    model = highspy.Highs()
    model.silent()
    model.passModel(
        p.n_columns,
        p.n_rows,
        p.value.size,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMaximize),
        0.0,
        p.cost,
        p.lower,
        p.upper,
        p.row_lower,
        p.row_upper,
        p.row_ptr[:-1],
        p.column,
        p.value,
        p.integer.astype(np.int32),
    )
    return model


def arrays(p: Program) -> Any:  # noqa: ANN401
    """Hand them over through `ArrayProblem` and `ArrayHighs`."""
    return ArrayHighs(SolveLimits())._loaded(ArrayProblem(p))  # noqa: SLF001  all but the solve


def usual(p: Program) -> Any:  # noqa: ANN401
    """Make a PuLP model of expressions and build PuLP's HiGHS model."""
    lp = pulp.LpProblem("usual", pulp.LpMaximize)
    x = [
        pulp.LpVariable(
            f"x{j}", low, None if math.isinf(high) else high, pulp.LpInteger if whole else pulp.LpContinuous
        )
        for j, (low, high, whole) in enumerate(
            zip(p.lower.tolist(), p.upper.tolist(), p.integer.tolist(), strict=True)
        )
    ]
    lp += pulp.lpSum(cost * x[j] for j, cost in enumerate(p.cost.tolist()) if cost)
    ptr, column, value = p.row_ptr.tolist(), p.column.tolist(), p.value.tolist()
    for i, (low, high) in enumerate(zip(p.row_lower.tolist(), p.row_upper.tolist(), strict=True)):
        terms = pulp.lpSum(value[k] * x[column[k]] for k in range(ptr[i], ptr[i + 1]))
        if low == high:
            lp += terms == high
            continue
        if not math.isinf(high):
            lp += terms <= high
        if not math.isinf(low):
            lp += terms >= low
    solver = pulp.HiGHS(msg=False)
    solver.createAndConfigureSolver(lp)
    solver.buildSolverModel(lp)
    return lp.solverModel


def seconds_of(build: Callable[[Program], Any], p: Program) -> float:
    """Return how long one build takes."""
    gc.collect()
    start = perf_counter()
    model = build(p)
    seconds = perf_counter() - start
    if (model.getNumCol(), model.getNumNz()) != (p.n_columns, p.value.size):
        raise AssertionError(f"{build.__name__}: the solver does not hold the program")
    return seconds


def main() -> None:
    """Print one JSON line."""
    size = [int(word) for word in sys.argv[1:5]]
    p = formulate(market(*size)).program
    taken: dict[str, list[float]] = {"direct": [], "arrays": [], "usual": []}
    for build in (direct, arrays):
        seconds_of(build, p)
    for repeat in range(REPEATS):
        for build in (direct, arrays) if repeat % 2 else (arrays, direct):
            taken[build.__name__].append(seconds_of(build, p))
    while len(taken["usual"]) < USUAL_REPEATS and sum(taken["usual"]) < USUAL_S:
        taken["usual"].append(seconds_of(usual, p))
    record = {
        "orders": size[0],
        "bids": size[1],
        "rows": p.n_rows,
        "columns": p.n_columns,
        "non_zeros": p.value.size,
        "seconds": {name: statistics.median(all_s) for name, all_s in taken.items()},
        "repeats": {name: len(all_s) for name, all_s in taken.items()},
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()

"""Solve tiny programs by trying every value of every integer column: the oracle of the contract suite.

Exact and slow: the number of points is the product of the columns' ranges. Rows prune; what is
continuous is left to a linear program at every point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog

from market.adapters.kept_anew import KeptAnew
from market.clearing.program import Answer, ProgramResult, SolveLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.program import Floats, Improved, Program, Suggest

_TOLERANCE = 1e-7


class EnumerateSolver:
    """The clearing's solver port by enumeration; limits are ignored."""

    name = "enumerate"

    def solve_relaxation(
        self, program: Program, limits: SolveLimits, *, stop: Callable[[], bool] | None = None
    ) -> ProgramResult:
        """Solve the linear relaxation by the linear program of scipy; no duals."""
        del limits, stop
        found = _best_continuous(program, np.full(program.n_columns, np.nan))
        return _result(program, found)

    def keep(self, program: Program) -> KeptAnew:
        """Return the program's relaxation, solved anew each time."""
        return KeptAnew(self, program)

    def solve(
        self,
        program: Program,
        limits: SolveLimits,
        *,
        start: Floats | None = None,
        stop: Callable[[], bool] | None = None,
        improved: Improved | None = None,
        suggest: Suggest | None = None,
    ) -> ProgramResult:
        """Solve the program."""
        del limits, start, stop, improved, suggest
        return _result(program, _Enumeration(program).run())


class _Enumeration:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.matrix = dense(program)
        self.order = np.flatnonzero(program.integer).tolist()
        self.least = np.minimum(self.matrix * program.lower, self.matrix * program.upper)
        self.most = np.maximum(self.matrix * program.lower, self.matrix * program.upper)
        self.best: Floats | None = None
        self.top = -np.inf

    def run(self) -> Floats | None:
        """Return the best column values, or None."""
        self.descend(0, np.full(self.program.n_columns, np.nan))
        return self.best

    def descend(self, depth: int, values: Floats) -> None:
        """Fix one integer column after the other while some completion can satisfy every row."""
        p = self.program
        fixed = ~np.isnan(values)
        known = self.matrix[:, fixed] @ values[fixed]
        low, high = known + self.least[:, ~fixed].sum(axis=1), known + self.most[:, ~fixed].sum(axis=1)
        if (low > p.row_upper + _TOLERANCE).any() or (high < p.row_lower - _TOLERANCE).any():
            return
        if depth == len(self.order):
            self.leaf(values)
            return
        j = self.order[depth]
        for value in range(int(np.ceil(p.lower[j])), int(np.floor(p.upper[j])) + 1):
            trial = values.copy()
            trial[j] = value
            self.descend(depth + 1, trial)

    def leaf(self, values: Floats) -> None:
        found = values if not np.isnan(values).any() else _best_continuous(self.program, values)
        if found is not None and float(self.program.cost @ found) > self.top:
            self.best, self.top = found, float(self.program.cost @ found)


def dense(program: Program) -> Floats:
    """Return the matrix of a small program."""
    matrix = np.zeros((program.n_rows, program.n_columns))
    rows = np.repeat(np.arange(program.n_rows), np.diff(program.row_ptr))
    matrix[rows, program.column] = program.value
    return matrix


def _best_continuous(program: Program, values: Floats) -> Floats | None:
    """Return the best completion of fixed values (NaN is free), or None."""
    free = np.isnan(values)
    lower, upper = np.where(free, program.lower, values), np.where(free, program.upper, values)
    matrix = dense(program)
    above, below = np.isfinite(program.row_upper), np.isfinite(program.row_lower)
    solved = linprog(
        -program.cost,
        A_ub=np.vstack([matrix[above], -matrix[below]]),
        b_ub=np.concatenate([program.row_upper[above], -program.row_lower[below]]) + _TOLERANCE,
        bounds=[
            (low, None if high == np.inf else high)
            for low, high in zip(lower.tolist(), upper.tolist(), strict=True)
        ],
    )
    return np.asarray(solved.x, dtype=np.float64) if solved.status == 0 else None


def _result(program: Program, values: Floats | None) -> ProgramResult:
    if values is None:
        return ProgramResult(
            answer=Answer.INFEASIBLE,
            objective=float("nan"),
            bound=float("inf"),
            values=None,
            duals=None,
            work=0,
        )
    objective = float(program.cost @ values)
    return ProgramResult(
        answer=Answer.OPTIMAL, objective=objective, bound=objective, values=values, duals=None, work=0
    )

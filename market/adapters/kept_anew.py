"""A program that is solved anew each time: `Kept` for solvers that keep nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.problem import Ints
    from market.clearing.program import Cuts, Floats, Program, ProgramResult, SolveLimits, Solver


class KeptAnew:
    """Changes are made to the arrays; see `market.clearing.program.Kept`."""

    def __init__(self, solver: Solver, program: Program) -> None:
        self._solver, self._program = solver, program

    def change_rows(self, rows: Ints, lower: Floats, upper: Floats) -> None:
        """Set the sides of rows."""
        p = self._program
        new_lower, new_upper = p.row_lower.copy(), p.row_upper.copy()
        new_lower[rows], new_upper[rows] = lower, upper
        self._program = replace(p, row_lower=new_lower, row_upper=new_upper)

    def change_columns(self, columns: Ints, lower: Floats, upper: Floats) -> None:
        """Set the bounds of columns."""
        p = self._program
        new_lower, new_upper = p.lower.copy(), p.upper.copy()
        new_lower[columns], new_upper[columns] = lower, upper
        self._program = replace(p, lower=new_lower, upper=new_upper)

    def add_rows(self, cuts: Cuts) -> None:
        """Add rows after the others."""
        p = self._program
        self._program = replace(
            p,
            row_lower=np.concatenate([p.row_lower, cuts.row_lower]),
            row_upper=np.concatenate([p.row_upper, cuts.row_upper]),
            row_ptr=np.concatenate([p.row_ptr, p.row_ptr[-1] + cuts.row_ptr[1:]]),
            column=np.concatenate([p.column, cuts.column]),
            value=np.concatenate([p.value, cuts.value]),
        )

    def relax(self, limits: SolveLimits, *, stop: Callable[[], bool] | None = None) -> ProgramResult:
        """Solve the relaxation as it is now."""
        return self._solver.solve_relaxation(self._program, limits, stop=stop)

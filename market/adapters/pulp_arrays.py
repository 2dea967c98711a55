"""PuLP at array speed: a problem that takes whole families of columns and rows as arrays.

`ArrayProblem` is a `pulp.LpProblem`. Families are added as arrays and reach an array-aware
solver (`ArrayHighs`) in one call; real `LpVariable` and `LpConstraint` objects are made only
when something asks for them (another PuLP solver, `writeLP`, a person). Families come before
any variable added one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pulp

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from market.clearing.program import Program


class ArrayProblem(pulp.LpProblem):  # type: ignore[misc, unused-ignore]
    """A maximisation whose columns and rows are arrays.

    Parameters
    ----------
    program
        The arrays; columns are named ``x0``, ``x1``, … by index, never by id (PuLP mangles names).
    """

    def __init__(self, program: Program) -> None:
        super().__init__("takt", pulp.LpMaximize)
        self.program = program
        self.values: NDArray[np.float64] | None = None
        self.bound = float("inf")
        self.duals: NDArray[np.float64] | None = None
        self.work = 0
        self.absolute_gap = 0.5
        self.start: NDArray[np.float64] | None = None
        self.stop: Callable[[], bool] | None = None
        self.suggest: Callable[[], NDArray[np.float64] | None] | None = None
        self.improved: Callable[[NDArray[np.float64], float], object] | None = None
        self._materialised = False
        self.columns: list[Any] = []
        """The PuLP variables in the program's order, once materialised."""

    def materialise(self) -> ArrayProblem:
        """Make the PuLP variables and constraints of every family; idempotent."""
        if self._materialised:
            return self
        self._materialised = True
        p = self.program
        columns = zip(p.lower.tolist(), p.upper.tolist(), p.integer.tolist(), strict=True)
        made = [
            self.add_variable(
                f"x{j}", _finite(low), _finite(high), pulp.LpInteger if whole else pulp.LpContinuous
            )
            for j, (low, high, whole) in enumerate(columns)
        ]
        self.columns = made
        cost = p.cost.tolist()
        self.setObjective(
            pulp.LpAffineExpression([(made[j], cost[j]) for j in np.flatnonzero(p.cost).tolist()])
        )
        ptr, column, value = p.row_ptr.tolist(), p.column.tolist(), p.value.tolist()
        bounds = zip(p.row_lower.tolist(), p.row_upper.tolist(), strict=True)
        for i, (low, high) in enumerate(bounds):
            terms = [(made[column[k]], value[k]) for k in range(ptr[i], ptr[i + 1])]
            for sense, side, suffix in _sides(low, high):
                row = pulp.LpAffineExpression(terms)
                self.addConstraint(
                    row <= side if sense < 0 else row >= side if sense > 0 else row == side, f"r{i}{suffix}"
                )
        return self

    def variables(self) -> list[Any]:
        """Return the PuLP variables, made on first touch."""
        self.materialise()
        return list(super().variables())


def _finite(bound: float) -> float | None:
    return None if np.isinf(bound) else bound


def _sides(low: float, high: float) -> list[tuple[int, float, str]]:
    """Return (sense, right-hand side, name suffix) of the PuLP rows that make one two-sided row."""
    if low == high:
        return [(0, low, "")]
    sides = []
    if not np.isinf(high):
        sides.append((-1, high, "u"))
    if not np.isinf(low):
        sides.append((1, low, "l"))
    return sides

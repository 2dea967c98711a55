"""A mixed-integer program as arrays, and the port of its solvers.

Maximise ``cost @ x`` subject to ``row_lower <= A x <= row_upper`` and column bounds. What a row
or column means is known to `formulate` only. Holds no algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from market.clearing.problem import Ints

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int32]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """Columns, rows and the matrix by rows (CSR)."""

    cost: Floats
    lower: Floats
    upper: Floats
    integer: Flags
    row_lower: Floats
    row_upper: Floats
    row_ptr: Indices
    column: Indices
    value: Floats

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return self.cost.size

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.row_lower.size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cuts:
    """Rows to add to a program (CSR)."""

    row_lower: Floats
    row_upper: Floats
    row_ptr: Indices
    column: Indices
    value: Floats


class Answer(StrEnum):
    """What a solver can honestly say about a program."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProgramResult:
    """A solver's answer.

    ``bound`` is a valid upper bound or ``inf``; ``duals`` are of the linear program only, one per
    row, with the sign that makes ``cost - A.T @ duals`` the reduced costs of a maximisation;
    ``work`` counts the solver's LP iterations.
    """

    answer: Answer
    objective: float
    bound: float
    values: Floats | None
    duals: Floats | None
    work: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveLimits:
    """When to stop: seconds, LP iterations, relative gap; ``None`` is no limit.

    ``accuracy`` says how far from optimal, relatively, a relaxation may be solved; a solver may do better.
    """

    time_s: float | None = None
    work: int | None = None
    gap: float = 0.0
    accuracy: float | None = None


Improved = Callable[["Floats", float], object]
"""Called with the column values and the bound of each new incumbent, on the solver's thread."""


Suggest = Callable[[], "Floats | None"]
"""Asked now and then during a search for column values found elsewhere; None for nothing new."""


class Kept(Protocol):
    """The linear relaxation of a program that stays loaded: every solve starts from the last one's basis.

    A tree search keeps nothing from one run to the next, so there is none here. One thread at a time.
    """

    def change_rows(self, rows: Ints, lower: Floats, upper: Floats) -> None:
        """Set the sides of rows."""
        ...

    def change_columns(self, columns: Ints, lower: Floats, upper: Floats) -> None:
        """Set the bounds of columns."""
        ...

    def add_rows(self, cuts: Cuts) -> None:
        """Add rows after the others."""
        ...

    def relax(self, limits: SolveLimits, *, stop: Callable[[], bool] | None = None) -> ProgramResult:
        """Solve the relaxation as it is now, until a limit or until ``stop()``."""
        ...


class Solver(Protocol):
    """What the clearing asks of a solver. One program at a time; safe to use from one thread."""

    name: str

    def solve_relaxation(
        self, program: Program, limits: SolveLimits, *, stop: Callable[[], bool] | None = None
    ) -> ProgramResult:
        """Solve the linear relaxation, until a limit or until ``stop()``."""
        ...

    def keep(self, program: Program) -> Kept:
        """Return the program's relaxation, loaded, to be solved again and again."""
        ...

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
        """Solve the program, from ``start`` where given, until a limit or until ``stop()``."""
        ...

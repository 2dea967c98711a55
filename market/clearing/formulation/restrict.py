"""Restrict a program to some of its columns, the others fixed; the tool of every neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.program import Program

if TYPE_CHECKING:
    from market.clearing.problem import Flags, Ints
    from market.clearing.program import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Restriction:
    """A smaller program, its columns in the larger one, and what the fixed columns earn."""

    program: Program
    columns: Ints
    constant: float

    def expand(self, values: Floats, base: Floats) -> Floats:
        """Return column values of the larger program."""
        full = base.copy()
        full[self.columns] = values
        return full


def restricted(program: Program, free: Flags, base: Floats) -> Restriction:
    """Return the program over the free columns with the others fixed at ``base``.

    Rows without a free column are dropped: ``base`` must satisfy them.
    """
    columns = np.flatnonzero(free)
    index = np.full(program.n_columns, -1, dtype=np.int32)
    index[columns] = np.arange(columns.size, dtype=np.int32)
    rows = np.repeat(np.arange(program.n_rows), np.diff(program.row_ptr))
    kept = free[program.column]
    fixed = ~kept
    moved = np.bincount(
        rows[fixed], weights=program.value[fixed] * base[program.column[fixed]], minlength=program.n_rows
    )
    used = np.zeros(program.n_rows, dtype=np.bool_)
    used[rows[kept]] = True
    new_row = np.cumsum(used) - 1
    ptr = np.zeros(int(used.sum()) + 1, dtype=np.int32)
    np.cumsum(np.bincount(new_row[rows[kept]], minlength=ptr.size - 1), out=ptr[1:])
    small = Program(
        cost=program.cost[columns],
        lower=program.lower[columns],
        upper=program.upper[columns],
        integer=program.integer[columns],
        row_lower=program.row_lower[used] - moved[used],
        row_upper=program.row_upper[used] - moved[used],
        row_ptr=ptr,
        column=index[program.column[kept]],
        value=program.value[kept],
    )
    constant = float(program.cost[~free] @ base[~free])
    return Restriction(program=small, columns=columns, constant=constant)


def reduced_costs(program: Program, duals: Floats) -> Floats:
    """Return ``cost - A.T @ duals``."""
    rows = np.repeat(np.arange(program.n_rows), np.diff(program.row_ptr))
    priced = np.bincount(program.column, weights=program.value * duals[rows], minlength=program.n_columns)
    return program.cost - priced

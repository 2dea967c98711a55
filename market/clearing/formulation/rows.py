"""Assemble a `Program` from families of columns and rows given as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NONE
from market.clearing.program import Program

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from market.clearing.problem import Flags, Ints
    from market.clearing.program import Floats


class Rows:
    """Columns and rows in the order of adding; coefficients in any order."""

    def __init__(self) -> None:
        self._cost: list[Floats] = []
        self._upper: list[Floats] = []
        self._integer: list[Flags] = []
        self._order: list[Ints] = []
        self._row_lower: list[Floats] = []
        self._row_upper: list[Floats] = []
        self._rows: list[Ints] = []
        self._columns: list[Ints] = []
        self._values: list[Floats] = []
        self.n_columns = 0
        self.n_rows = 0

    def append(
        self, *, cost: ArrayLike, upper: ArrayLike, integer: bool = True, order: ArrayLike = NONE
    ) -> Ints:
        """Add columns from 0 to ``upper``, each of an order or of none; return their indices."""
        new = np.asarray(cost, dtype=np.float64)
        self._cost.append(new)
        self._upper.append(np.broadcast_to(np.asarray(upper, dtype=np.float64), new.shape))
        self._integer.append(np.full(new.size, integer))
        self._order.append(np.broadcast_to(np.asarray(order, dtype=np.int64), new.shape))
        self.n_columns += new.size
        return np.arange(self.n_columns - new.size, self.n_columns)

    def columns(self, chosen: Flags, *, cost: Floats, upper: ArrayLike, order: ArrayLike = NONE) -> Ints:
        """Add a column for every chosen entity; return the column per entity, else ``NONE``."""
        index = np.full(chosen.size, NONE, dtype=np.int64)
        index[chosen] = self.append(
            cost=cost[chosen],
            upper=np.broadcast_to(upper, chosen.shape)[chosen],
            order=np.broadcast_to(np.asarray(order, dtype=np.int64), chosen.shape)[chosen],
        )
        return index

    def rows(self, *, lower: ArrayLike, upper: ArrayLike) -> Ints:
        """Add empty rows; return their indices."""
        new = np.asarray(upper, dtype=np.float64)
        self._row_lower.append(np.asarray(lower, dtype=np.float64))
        self._row_upper.append(new)
        self.n_rows += new.size
        return np.arange(self.n_rows - new.size, self.n_rows)

    def put(self, row: Ints, column: Ints, value: ArrayLike) -> None:
        """Add coefficients; a (row, column) pair may be given at most once."""
        self._rows.append(row)
        self._columns.append(column)
        self._values.append(np.asarray(value, dtype=np.float64))

    def pairs(self, *, upper: float, first: tuple[Ints, Floats], second: tuple[Ints, Floats]) -> Ints:
        """Add rows of two coefficients each, ``<= upper``; return their indices."""
        n = first[0].size
        row = self.rows(lower=np.full(n, -np.inf), upper=np.full(n, upper))
        self.put(row, *first)
        self.put(row, *second)
        return row

    def column_order(self) -> Ints:
        """Return the order of every column, ``NONE`` for shared ones."""
        return _joined(self._order, np.int64)

    def program(self) -> Program:
        """Return the program; all lower bounds of columns are 0."""
        row, column, value = (
            _joined(self._rows, np.int64),
            _joined(self._columns, np.int64),
            _joined(self._values, float),
        )
        order = np.argsort(row, kind="stable")
        ptr = np.zeros(self.n_rows + 1, dtype=np.int32)
        np.cumsum(np.bincount(row, minlength=self.n_rows), out=ptr[1:])
        return Program(
            cost=_joined(self._cost, float),
            lower=np.zeros(self.n_columns),
            upper=_joined(self._upper, float),
            integer=_joined(self._integer, bool),
            row_lower=_joined(self._row_lower, float),
            row_upper=_joined(self._row_upper, float),
            row_ptr=ptr,
            column=column[order].astype(np.int32),
            value=value[order],
        )


def _joined(parts: list, dtype: type) -> np.ndarray:  # type: ignore[type-arg]
    return (
        np.concatenate([np.asarray(part, dtype=dtype) for part in parts])
        if parts
        else np.empty(0, dtype=dtype)
    )

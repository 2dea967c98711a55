"""Ragged columns: element k of a table's row i stands at ``offset[i] <= k < offset[i + 1]``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from operator import sub
from typing import TypeVar

_Value = TypeVar("_Value")


def spread(column: Sequence[_Value], counts: Sequence[int], total: int) -> Iterable[_Value]:
    """Return a column with each row as often as it has elements, of which every row has at least one."""
    return column if len(column) == total else chain.from_iterable(map(repeat, column, counts))


def elements(column: Sequence[_Value], rows: Sequence[int]) -> Sequence[_Value]:
    """Return the elements of a column at some rows; a range of all of them is the column itself."""
    return column if isinstance(rows, range) else [column[row] for row in rows]


def places(offset: Sequence[int], rows: Sequence[int]) -> Sequence[int]:
    """Return the places of the elements of some rows; a range where these are all of them."""
    if isinstance(rows, range) or len(offset) <= 1 or not offset[-1]:
        return range(offset[-1] if offset else 0)
    return [k for row in rows for k in range(offset[row], offset[row + 1])]


def counts_of(offset: Sequence[int], rows: Sequence[int]) -> list[int]:
    """Return how many elements some rows have."""
    if len(offset) <= 1 or not offset[-1]:
        return [0] * len(rows)
    if isinstance(rows, range):
        return list(map(sub, offset[1:], offset))
    return [offset[row + 1] - offset[row] for row in rows]


def appended(counts: Sequence[int], column: Sequence[int], last: Sequence[int]) -> list[int]:
    """Return a ragged column with one more element at the end of each row."""
    longer: list[int] = []
    start = 0
    for count, value in zip(counts, last, strict=True):
        longer += column[start : start + count]
        longer.append(value)
        start += count
    return longer

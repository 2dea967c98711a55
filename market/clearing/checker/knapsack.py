"""Bound exactly what uses pay for the capacity of one resource: a 0-1 knapsack.

Part of the checker. Integers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


MOST_CAPACITY = 10_000_000
_SAFE = 2**61


def solve(weight: list[int], profit: list[int], capacity: int, price: int, elastic: int) -> int:
    """Return the best profit of 0-1 items plus ``price`` per unit of up to ``elastic`` leftover capacity.

    Dynamic programme over capacity. Beyond `MOST_CAPACITY` a bound
    that lets every item in.
    """
    if capacity > MOST_CAPACITY:
        return sum(profit) + price * min(capacity, elastic)
    free = sum(v for w, v in zip(weight, profit, strict=True) if w == 0)
    large = sum(profit) + price * min(capacity, elastic) >= _SAFE
    best: NDArray[Any] = np.zeros(capacity + 1, dtype=object if large else np.int64)
    room = np.empty_like(best)
    for w, v in zip(weight, profit, strict=True):
        if w > 0 and v > 0:
            with_it = room[: capacity + 1 - w]
            np.add(best[: capacity + 1 - w], v, out=with_it)
            np.maximum(best[w:], with_it, out=best[w:])
    left = np.minimum(capacity - np.arange(capacity + 1), elastic).astype(best.dtype)
    return free + int((best + price * left).max())

"""Bound what uses pay for scarce capacity exactly: a 0-1 knapsack per resource.

Part of the checker. Integers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from market.clearing.problem import Ints, Problem


MOST_CAPACITY = 10_000_000
_SAFE = 2**61


def resource_bound(p: Problem, resource: int, price: int, uses: Ints, own: dict[int, int], user: Ints) -> int:
    """Return the most that uses of one resource can pay within its capacity, in micro units.

    Parameters
    ----------
    price
        Price per unit of use of this resource.
    uses
        Positions of the uses of this resource.
    own
        Price by position in the uses, of those that have one of their own.
    user
        The bid of every use.
    """
    capacity = int(p.resource_capacity[resource])
    weight, profit, elastic = [], [], 0
    for k in uses.tolist():
        b = int(user[k])
        amount = int(p.use_fixed[k])
        if p.use_unit[k]:
            quantity = int(p.item_quantity[p.bid_item_ptr[b] : p.bid_item_ptr[b + 1]].sum())
            amount += int(p.use_unit[k]) * quantity
        if p.bid_divisible[b]:
            elastic += amount
        elif amount <= capacity:
            weight.append(amount)
            profit.append(own.get(k, price * amount))
    return solve(weight, profit, capacity, price, elastic)


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

"""Bound one resource exactly: a 0-1 knapsack over the prices its uses pay.

Part of the checker. Integers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from market.clearing.problem import Ints, Problem


MOST_CAPACITY = 10_000_000


def resource_bound(p: Problem, resource: int, price: int, own: dict[int, int], user: Ints) -> int:
    """Return the most that uses of one resource can pay within its capacity, in micro units.

    Parameters
    ----------
    price
        Price per unit of use of this resource.
    own
        Price by position in the uses, of those that have one of their own.
    user
        The bid of every use.
    """
    capacity = int(p.resource_capacity[resource])
    uses = np.flatnonzero(p.use_resource == resource).tolist()
    weight, profit, elastic = [], [], 0
    for k in uses:
        b = int(user[k])
        quantity = int(p.item_quantity[p.bid_item_ptr[b] : p.bid_item_ptr[b + 1]].sum())
        amount = int(p.use_fixed[k]) + int(p.use_unit[k]) * quantity
        if p.bid_divisible[b]:
            elastic += amount
        elif amount <= capacity:
            weight.append(amount)
            profit.append(own.get(k, price * amount))
    return solve(weight, profit, capacity, price, elastic)


def solve(weight: list[int], profit: list[int], capacity: int, price: int, elastic: int) -> int:
    """Return the best profit of 0-1 items plus ``price`` per unit of up to ``elastic`` leftover capacity.

    Dynamic programme over capacity; magnitudes must stay below 2^62. Beyond `MOST_CAPACITY` a bound
    that lets every item in.
    """
    if capacity > MOST_CAPACITY:
        return sum(profit) + price * min(capacity, elastic)
    free = sum(v for w, v in zip(weight, profit, strict=True) if w == 0)
    best = np.zeros(capacity + 1, dtype=np.int64)
    for w, v in sorted((w, v) for w, v in zip(weight, profit, strict=True) if w > 0):
        best[w:] = np.maximum(best[w:], best[: capacity + 1 - w] + v)
    left = np.minimum(capacity - np.arange(capacity + 1), elastic)
    return free + int((best + price * left).max())

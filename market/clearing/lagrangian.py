"""Price capacity by the volume algorithm (Barahona, Anbil 2000) on a packing model.

All rows but the orders are priced; what is left picks the best item of every order. Items over
several orders are split into one copy per order whose shares of the worth are multipliers too. The
surplus of the orders and the prices are a feasible dual, hence a bound, at every step. Compiled; a
function of its arguments. Approximates the bound of the linear relaxation in a fraction of its time.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from market.clearing.local_search import Array, Model

FRESH = 0.1
"""Weight of the newest subgradient in the direction."""

TARGET = 0.02
"""The share of the bound that a full step aims to gain."""

GROW = 1.1
CUT = 0.7
NO_BOUND = 1e299
"""A bound from here on stands for none yet."""

HEAVY = 1e100
TINY = 1e-12
"""Below this squared length a direction is none: what is picked fits."""

PATIENCE = 8
"""Steps without a better bound before the step is cut."""


class Point(NamedTuple):
    """Where the algorithm stands.

    Prices per row, and for items over several orders (entries ``shared``) the share of their worth;
    the surplus of every order there; ``excess`` and ``apart`` are the smoothed directions of both.
    ``primal`` counts how often each entry was its order's best, lately most, and approximates the
    relaxation's solution.
    """

    price: Array
    share: Array
    surplus: Array
    excess: Array
    apart: Array
    primal: Array
    shared: Array


@njit(cache=True, nogil=True)
def _surplus(m: Model, price: Array, share: Array, surplus: Array, pick: Array) -> None:
    """Set each order's surplus and the entry of its best item at the given prices."""
    blocks = m.blocks[0]
    surplus[:] = 0.0
    pick[:] = -1
    for b in range(blocks):
        if m.must[b]:
            surplus[b] = -1e300
    for j in range(m.profit.size):
        worth = float(m.profit[j])
        count = 0
        for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
            r = m.item_row[k]
            if r < blocks:
                count += 1
            else:
                worth -= price[r] * m.item_use[k]
        for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
            r = m.item_row[k]
            if r < blocks and worth / count + share[k] > surplus[r]:
                surplus[r] = worth / count + share[k]
                pick[r] = k
    for b in range(blocks):
        if surplus[b] < -NO_BOUND:
            surplus[b] = 0.0


@njit(cache=True, nogil=True)
def volume(  # noqa: C901, PLR0912, PLR0915  one loop without calls compiles to one tight kernel
    m: Model, point: Point, state: Array, steps: int
) -> float:
    """Take some steps of the volume algorithm; return the best bound so far.

    ``state`` holds the best bound, the step factor, the steps since it changed and the weight of the
    next step in ``primal``, to be carried from call to call with the point.
    """
    rows, blocks, entries = m.capacity.size, m.blocks[0], m.item_row.size
    price, share = np.empty(rows, np.float64), np.zeros(entries, np.float64)
    surplus = np.empty(blocks, np.float64)
    pick = np.empty(blocks, np.int64)
    use = np.empty(rows, np.float64)
    chosen = np.zeros(entries, np.float64)
    shared = point.shared
    for _ in range(steps):
        square = 0.0
        for r in range(blocks, rows):
            if point.price[r] > 0.0 or point.excess[r] > 0.0:
                square += point.excess[r] * point.excess[r] * m.row_scale[r]
        for t in range(shared.size):
            square += point.apart[shared[t]] * point.apart[shared[t]]
        step = 0.0
        if square > TINY and state[0] < NO_BOUND:
            step = state[1] * TARGET * abs(state[0]) / square
        for r in range(blocks, rows):
            price[r] = max(0.0, point.price[r] + step * point.excess[r] * m.row_scale[r])
        for t in range(shared.size):
            share[shared[t]] = point.share[shared[t]] - step * point.apart[shared[t]]
        _surplus(m, price, share, surplus, pick)
        bound = 0.0
        for b in range(blocks):
            bound += surplus[b]
        for r in range(blocks, rows):
            bound += price[r] * m.capacity[r]
            use[r] = -m.capacity[r]
        for b in range(blocks):
            if pick[b] < 0:
                continue
            chosen[pick[b]] = 1.0
            point.primal[pick[b]] += state[3]
            j = m.entry_item[pick[b]]
            count = 0
            for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
                if m.item_row[k] < blocks:
                    count += 1
            for k in range(m.item_ptr[j], m.item_ptr[j + 1]):
                r = m.item_row[k]
                if r >= blocks:
                    use[r] += m.item_use[k] / count
        fresh = FRESH if state[0] < NO_BOUND else 1.0
        state[3] /= 1.0 - FRESH
        if state[3] > HEAVY:
            for k in range(entries):
                point.primal[k] /= state[3]
            state[3] = 1.0
        along = 0.0
        for r in range(blocks, rows):
            along += point.excess[r] * use[r] * m.row_scale[r]
            point.excess[r] += fresh * (use[r] - point.excess[r])
        for t in range(shared.size):
            k = shared[t]
            j = m.entry_item[k]
            total, count = 0.0, 0
            for i in range(m.item_ptr[j], m.item_ptr[j + 1]):
                if m.item_row[i] < blocks:
                    total += chosen[i]
                    count += 1
            now = chosen[k] - total / count
            along += point.apart[k] * now
            point.apart[k] += fresh * (now - point.apart[k])
        for b in range(blocks):
            if pick[b] >= 0:
                chosen[pick[b]] = 0.0
        if bound < state[0]:
            state[0] = bound
            point.price[:] = price
            point.share[:] = share
            point.surplus[:] = surplus
            state[2] = 0.0
            if along > 0.0:
                state[1] = min(2.0, state[1] * GROW)
        else:
            state[2] += 1.0
            if state[2] >= PATIENCE:
                state[2] = 0.0
                state[1] *= CUT
    return state[0]

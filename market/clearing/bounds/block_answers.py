"""Answer all blocks of a market at given gains: from answers known before, improved by `block_pricing`.

Every block keeps some answers; the best of them at new gains is where the search for a better one begins,
so what was found once is not missed again. Proves nothing but that a block stays closed.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from market.clearing.bounds.block_pricing import improve_block, price_rows
from market.clearing.compiled import Array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from market.clearing.bounds.blocks import Block
    from market.clearing.problem import Ints
    from market.clearing.program import Floats

KEPT = 12
"""Answers kept of every block; a new one takes the place of the oldest."""

ALONE_MOVES = 20


class Layout(NamedTuple):
    """All blocks one after another: ``bid_ptr`` and ``row_ptr`` are by block, ``use_ptr`` by bid."""

    bid_ptr: Array
    row_ptr: Array
    use_ptr: Array
    row: Array
    fixed: Array
    unit: Array
    capacity: Array
    low: Array
    high: Array
    member: Array
    opening: Array


@njit(cache=True, nogil=True)
def _alone(a: int, b: int, layout: Layout, gain: Array, rate: Array) -> tuple[Array, Array, bool]:
    """Return gains and rates with those of members below nothing, and whether anybody else gains."""
    mine, each, some = gain[a:b].copy(), rate[a:b].copy(), False
    for i in range(b - a):
        if layout.member[a + i]:
            mine[i], each[i] = -1.0, 0.0
        elif mine[i] + max(each[i] * layout.low[a + i], each[i] * layout.high[a + i]) > 0:
            some = True
    return mine, each, some


@njit(cache=True, nogil=True)
def answer_blocks(
    begin: int,
    end: int,
    seed: int,
    moves: int,
    steps: int,
    layout: Layout,
    gain: Array,
    rate: Array,
    price: Array,
    kept: Array,
    oldest: Array,
    out: Array,
    worth: Array,
    alone: Array,
    most: Array,
    taken: Array,
    made: Array,
) -> None:
    """Answer blocks ``begin`` to ``end``: quantities, what they are worth at least and at most.

    ``alone`` is what a block is worth closed; ``most`` bounds what it is worth open, opening paid.
    """
    for k in range(begin, end):
        a, b = layout.bid_ptr[k], layout.bid_ptr[k + 1]
        r, s = layout.row_ptr[k], layout.row_ptr[k + 1]
        first, last = layout.use_ptr[a], layout.use_ptr[b]
        ptr = layout.use_ptr[a : b + 1] - first
        row, fixed, unit = layout.row[first:last], layout.fixed[first:last], layout.unit[first:last]
        room, low, high = layout.capacity[r:s], layout.low[a:b], layout.high[a:b]
        opening = layout.opening[k]
        out[a:b], alone[k] = 0, 0.0
        if opening > 0:
            mine, each, some = _alone(a, b, layout, gain, rate)
            if some:
                alone[k] = improve_block(
                    ptr,
                    row,
                    fixed,
                    unit,
                    room,
                    low,
                    high,
                    mine,
                    each,
                    price[r:s],
                    seed,
                    ALONE_MOVES,
                    out[a:b],
                )
        worth[k] = alone[k]
        bound = price_rows(
            steps,
            ptr,
            row,
            fixed,
            unit,
            room,
            low,
            high,
            gain[a:b],
            rate[a:b],
            price[r:s],
            taken[a:b],
            made[a:b],
        )
        most[k] = bound - opening
        if most[k] <= alone[k]:
            for i in range(a, b):
                taken[i], made[i] = 1.0 if out[i] > 0 else 0.0, out[i]
            continue
        found = np.zeros(b - a, dtype=np.int64)
        top = 0.0
        for c in range(kept.shape[0]):
            earned = 0.0
            for i in range(a, b):
                if kept[c, i] > 0:
                    earned += max(0.0, gain[i] + rate[i] * kept[c, i])
            if earned > top:
                top = earned
                found[:] = kept[c, a:b]
        earned = improve_block(
            ptr, row, fixed, unit, room, low, high, gain[a:b], rate[a:b], price[r:s], seed, moves, found
        )
        if earned > top + 1e-9:
            kept[oldest[k], a:b] = found
            oldest[k] = (oldest[k] + 1) % kept.shape[0]
        if earned - opening > alone[k]:
            worth[k] = earned - opening
            out[a:b] = found


class BlockAnswers:
    """The blocks as arrays, their answers and the prices of their rows."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.bids = np.concatenate([b.bids for b in blocks])
        sizes = [b.bids.size for b in blocks]
        self.layout = Layout(
            bid_ptr=_pointers(sizes),
            row_ptr=_pointers([b.capacity.size for b in blocks]),
            use_ptr=_pointers(np.concatenate([np.diff(b.ptr) for b in blocks])),
            row=np.concatenate([b.row for b in blocks]),
            fixed=np.concatenate([b.fixed for b in blocks]),
            unit=np.concatenate([b.unit for b in blocks]),
            capacity=np.concatenate([b.capacity for b in blocks]),
            low=np.concatenate([b.low for b in blocks]),
            high=np.concatenate([b.high for b in blocks]),
            member=np.concatenate([b.member for b in blocks]),
            opening=np.array([b.opening for b in blocks]),
        )
        n = self.bids.size
        self.price = np.ones(self.layout.capacity.size)
        self.quantity = np.zeros(n, dtype=np.int64)
        self.worth, self.alone, self.most = (np.zeros(len(blocks)) for _ in range(3))
        self.taken, self.made = np.zeros(n), np.zeros(n)
        self._kept = np.zeros((KEPT, n), dtype=np.int64)
        self._oldest = np.zeros(len(blocks), dtype=np.int64)

    def answer(
        self, begin: int, end: int, gain: Floats, rate: Floats, *, seed: int, moves: int, steps: int
    ) -> None:
        """Answer blocks ``begin`` to ``end`` at the gains and rates of ``bids``."""
        known = (self.price, self._kept, self._oldest)
        results = (self.quantity, self.worth, self.alone, self.most, self.taken, self.made)
        answer_blocks(begin, end, seed, moves, steps, self.layout, gain, rate, *known, *results)

    def of(self, k: int) -> Ints:
        """Return the answer of a block."""
        return self.quantity[self.layout.bid_ptr[k] : self.layout.bid_ptr[k + 1]]

    def tell(self, k: int, quantity: Ints) -> None:
        """Keep an answer found elsewhere."""
        self._kept[self._oldest[k], self.layout.bid_ptr[k] : self.layout.bid_ptr[k + 1]] = quantity
        self._oldest[k] = (self._oldest[k] + 1) % KEPT


def _pointers(sizes: Sequence[int] | Ints) -> Ints:
    """Return where each of some consecutive parts begins, and where the last ends."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

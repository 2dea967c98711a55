"""Write what one block would best accept at given gains as an integer program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array, vstack

from market.clearing.program import Program

if TYPE_CHECKING:
    from market.clearing.bounds.blocks import Block
    from market.clearing.problem import Flags, Ints
    from market.clearing.program import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockColumns:
    """Which bids of the block have columns; those that are split have a second one, after all others."""

    size: int
    bids: Ints
    split: Ints

    def quantity(self, values: Floats) -> Ints:
        """Return the accepted quantity of every bid of the block (1 for whole bids)."""
        found = np.zeros(self.size, dtype=np.int64)
        n = self.bids.size
        taken = np.rint(values[:n]).astype(np.int64)
        found[self.bids] = taken
        found[self.bids[self.split]] = taken[self.split] * np.rint(values[n:]).astype(np.int64)
        return found

    def values(self, quantity: Ints) -> Floats:
        """Return column values of accepted quantities of the block's bids."""
        taken = (quantity[self.bids] > 0).astype(np.float64)
        return np.concatenate([taken, quantity[self.bids[self.split]].astype(np.float64)])


def program_of_block(
    block: Block, gain: Floats, rate: Floats, only: Flags | None = None
) -> tuple[Program, BlockColumns]:
    """Return the program of the bids that gain something, of ``only`` some; its opening is not in it."""
    top = gain + np.maximum(rate * block.low, rate * block.high)
    chosen = top > 0.0 if only is None else (top > 0.0) & only
    bids = np.flatnonzero(chosen)
    split = np.flatnonzero(block.high[bids] > 1)
    n, at = bids.size, np.full(block.bids.size, -1, dtype=np.int64)
    at[bids] = np.arange(n)
    steps = np.full(block.bids.size, -1, dtype=np.int64)
    steps[bids[split]] = n + np.arange(split.size)
    owner = np.repeat(np.arange(block.bids.size), np.diff(block.ptr))
    fixed = np.flatnonzero(chosen[owner] & (block.fixed != 0))
    unit = np.flatnonzero(chosen[owner] & (block.unit != 0))
    # A whole bid's quantity is 1; of a split one that may take 1 at most nothing is left to decide.
    alone = unit[steps[owner[unit]] < 0]
    unit = unit[steps[owner[unit]] >= 0]
    rows = csr_array(
        (
            np.concatenate([block.fixed[fixed], block.unit[alone], block.unit[unit]]),
            (
                np.concatenate([block.row[fixed], block.row[alone], block.row[unit]]),
                np.concatenate([at[owner[fixed]], at[owner[alone]], steps[owner[unit]]]),
            ),
        ),
        shape=(block.capacity.size, n + split.size),
    )
    one, k = np.ones(split.size), np.arange(split.size)
    link = (np.concatenate([k, k]), np.concatenate([n + k, split]))
    low, high = block.low[bids[split]].astype(np.float64), block.high[bids[split]].astype(np.float64)
    shape = (split.size, n + split.size)
    most = csr_array((np.concatenate([one, -high]), link), shape=shape)
    least = csr_array((np.concatenate([-one, low]), link), shape=shape)
    matrix = csr_array(vstack([rows, most, least]))
    cost = np.concatenate(
        [np.where(block.high[bids] > 1, gain[bids], (gain + rate)[bids]), rate[bids[split]]]
    )
    program = Program(
        cost=cost,
        lower=np.zeros(cost.size),
        upper=np.concatenate([np.ones(n), high]),
        integer=np.ones(cost.size, dtype=np.bool_),
        row_lower=np.full(matrix.shape[0], -np.inf),
        row_upper=np.concatenate([block.capacity, np.zeros(2 * split.size)]),
        row_ptr=matrix.indptr.astype(np.int32),
        column=matrix.indices.astype(np.int32),
        value=matrix.data.astype(np.float64),
    )
    return program, BlockColumns(size=block.bids.size, bids=bids, split=split)

"""Bound a market with opening costs by whole blocks, as long as that lowers the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.clearing.bounds.blocks import blocks_of
from market.clearing.program import SolveLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.limits import Deadline
    from market.clearing.search.case import Case

LEAST_COLUMNS = 6000
"""Smaller programs are better searched whole."""

LEAST_S = 10.0
"""In less time prices do not settle, and blocks at other prices prove less than the relaxation."""

TURNS = ((0.12, 0.4), (0.25, 0.9))
"""Shares of the time left for moving prices, and of what is left then for proving what they are worth.

The first proof also tells how much of blocks' bounds a proof leaves, which prices are moved by then.
"""


def bound_by_blocks(case: Case, deadline: Deadline) -> bool:
    """Lower the bound by blocks; return False at once where there are none, or no time."""
    left = deadline.left()
    if case.f.program.n_columns <= LEAST_COLUMNS or (left is not None and left < LEAST_S):
        return False
    found = None if case.prices is None else blocks_of(case.p, case.terms)
    if found is None or case.prices is None:
        return False
    from market.clearing.bounds.block_prices import BlockPrices  # noqa: PLC0415  numba

    incumbent, stopped = case.incumbent, case.incumbent.stopped
    prices = BlockPrices(case.p, case.terms, found, case.prices, case.solver, lambda: incumbent.objective)

    def until(share: float) -> Callable[[], bool]:
        left = deadline.left()
        end = deadline.now() + share * (LEAST_S if left is None else left)
        return lambda: not stopped.is_set() and deadline.now() < end

    for run, proof in TURNS:
        prices.run(until(run))
        prices.prove(until(proof), SolveLimits(time_s=deadline.left()))
        incumbent.lower_bound(prices.bound)
        left = deadline.left()
        if stopped.is_set() or (left is not None and left < LEAST_S):
            break
    case.work += prices.work
    return True

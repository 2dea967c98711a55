"""Bound a market with opening costs by whole blocks, as long as that lowers the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.clearing.bounds.blocks import blocks_of
from market.clearing.program import SolveLimits

if TYPE_CHECKING:
    from market.clearing.limits import Deadline
    from market.clearing.search.case import Case

LEAST_COLUMNS = 6000
"""Smaller programs are better searched whole."""

LEAST_S = 10.0
"""In less time prices do not settle, and blocks at other prices prove less than the relaxation."""

SHARES = (0.5, 0.3)
"""Shares of the time left for moving prices; each time the bound is proven after it."""

MOST_PROOF = 0.5


def bound_by_blocks(case: Case, deadline: Deadline) -> bool:
    """Lower the bound by blocks; return False at once where there are none, or no time."""
    left = deadline.left()
    if case.f.program.n_columns <= LEAST_COLUMNS or (left is not None and left < LEAST_S):
        return False
    found = None if case.prices is None else blocks_of(case.p, case.terms)
    if found is None or case.prices is None:
        return False
    from market.clearing.bounds.block_prices import BlockPrices  # noqa: PLC0415  numba

    prices = BlockPrices(case.p, case.terms, found, case.prices, case.solver)
    stopped = case.incumbent.stopped
    for share in SHARES:
        for step, part in ((prices.run, share), (prices.prove, MOST_PROOF)):
            if stopped.is_set() or deadline.passed():
                return True
            left = deadline.left()
            end = deadline.now() + part * (LEAST_S if left is None else left)
            step(
                lambda end=end: not stopped.is_set() and deadline.now() < end,  # type: ignore[misc]
                SolveLimits(time_s=left),
            )
        case.incumbent.lower_bound(prices.bound)
    case.work += prices.work
    return True

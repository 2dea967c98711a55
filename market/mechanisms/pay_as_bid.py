"""Pay every winner what it asked; every opened group its fixed price.

Defined for every allocation. Not truthful: a bidder gains by asking more than its cost as long
as it still wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.mechanisms.rule import Paid, Resolve, Rule

if TYPE_CHECKING:
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Problem


def accepted_prices(p: Problem, a: Allocation) -> Paid:
    """Return the price of every accepted bid and the fixed price of every opened group."""
    won = np.flatnonzero(a.quantity > 0)
    amount = p.bid_fixed[won] + p.bid_unit[won] * a.quantity[won]
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
    opened = np.unique(p.bid_group[a.quantity[member] > 0])
    return Paid(
        bids=dict(zip(won.tolist(), amount.tolist(), strict=True)),
        groups={g: int(p.group_fixed[g]) for g in opened.tolist() if p.group_fixed[g] > 0},
    )


def pay_as_bid(p: Problem, a: Allocation, resolve: Resolve) -> Paid:  # noqa: ARG001  a rule's signature
    """Return the accepted prices."""
    return accepted_prices(p, a)


RULE = Rule(name="pay_as_bid", needs_proof=False, pay=pay_as_bid)

"""Clear markets in which nothing couples the orders: each takes its best bid.

If the best bid of every order fits capacities and groups together, it is optimal and prices of
zero prove it; no program is built. The ordinary case of small sealed-bid auctions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.formulate import simple_orders
from market.clearing.problem import NONE
from market.clearing.tie_break import lottery

if TYPE_CHECKING:
    from market.clearing.problem import Ints, Problem
    from market.clearing.terms import Terms


def best_bids(p: Problem, terms: Terms) -> Ints | None:
    """Return accepted quantities of the uncoupled optimum, or None where orders are coupled."""
    if (p.arc_to != NONE).any() or not simple_orders(p, terms).all():
        return None
    if p.item_lot.size != p.n_bids:
        return None
    if p.group_fixed.any() and (p.group_fixed[p.bid_group] > 0).any():
        return None
    order = p.lot_order[p.item_lot]
    profit = terms.profit_fixed + np.where(p.order_must, 0, p.order_value)[order]
    usable = np.flatnonzero(terms.usable & ((profit > 0) | p.order_must[order]))
    by = usable[np.lexsort((-profit[usable], order[usable]))]
    first = np.ones(by.size, dtype=np.bool_)
    first[1:] = order[by[1:]] != order[by[:-1]]
    best = by[first]
    tied = by[np.isin(profit[by], profit[best]) & ~first]
    if tied.size:
        top = np.zeros(p.n_orders, dtype=np.int64)
        top[order[best]] = profit[best]
        level = by[profit[by] == top[order[by]]]
        rank = lottery(p.seed, [p.bid_ids[b] for b in level.tolist()])
        level = level[np.lexsort((rank, order[level]))]
        first = np.ones(level.size, dtype=np.bool_)
        first[1:] = order[level[1:]] != order[level[:-1]]
        best = level[first]
    if np.setdiff1d(np.flatnonzero(p.order_must), order[best]).size:
        return None
    quantity = np.zeros(p.n_bids, dtype=np.int64)
    quantity[best] = terms.quantity[best]
    return quantity if _fits(p, quantity) else None


def _fits(p: Problem, quantity: Ints) -> bool:
    """Return whether accepted quantities respect capacities and group limits."""
    if p.use_resource.size:
        user = np.repeat(quantity, np.diff(p.bid_use_ptr))
        load = np.zeros(len(p.resource_ids), dtype=np.int64)
        np.add.at(load, p.use_resource, np.where(user > 0, p.use_fixed + p.use_unit * user, 0))
        if (load > p.resource_capacity).any():
            return False
    if p.bid_group.size:
        taken = np.repeat(quantity > 0, np.diff(p.bid_group_ptr))
        count = np.bincount(p.bid_group[taken], minlength=len(p.group_ids))
        return not bool(((p.group_max != NONE) & (count > p.group_max)).any())
    return True

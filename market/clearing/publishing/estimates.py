"""About what losing bids would have had to ask, all at once and without solving: read off dual prices.

Estimates, wrong in either direction; exact thresholds are `explain`'s. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.checker.certificate import gains
from market.clearing.formulation.formulate import simple_orders
from market.clearing.result import MICRO
from market.clearing.terms import terms_of

if TYPE_CHECKING:
    from market.clearing.problem import Problem
    from market.clearing.result import Clearing


def estimates(p: Problem, clearing: Clearing) -> dict[str, int]:
    """Return the estimated threshold price of every bid that lost and had any chance, all at once.

    As `explain_estimate` of `explain` gives for one: at its largest quantity, read off multipliers.
    Bids that would have lost at a price of 0 are absent.
    """
    if clearing.multipliers is None or not p.n_bids:
        return {}
    terms = terms_of(p)
    accepted = {entry.bid: entry.quantity for entry in clearing.accepted}
    taken = np.array([accepted.get(name, 0) for name in p.bid_ids], dtype=np.int64)
    quantity = np.where(taken > 0, taken, np.where(terms.whole, terms.quantity, terms.high))
    gain = gains(p, clearing.multipliers, quantity)
    first = p.item_lot[p.bid_item_ptr[:-1]]
    order = p.lot_order[first]
    alone = simple_orders(p, terms)[order] & (np.diff(p.bid_item_ptr) == 1)
    prices = dict(clearing.multipliers.lots)
    lot_price = [prices.get(name, 0) for name in p.lot_ids]
    rival: dict[int, int] = {}
    for b in np.flatnonzero(taken > 0).tolist():
        for o in p.lot_order[p.item_lot[p.bid_item_ptr[b] : p.bid_item_ptr[b + 1]]].tolist():
            rival[o] = max(int(gain[b]), rival.get(o, int(gain[b])))
    found = {}
    for b in np.flatnonzero(terms.usable & (taken == 0)).tolist():
        margin = int(gain[b])
        if alone[b]:
            o, lot = int(order[b]), int(first[b])
            stay = lot_price[lot] * int(p.lot_quantity[lot]) - int(p.order_value[o]) * MICRO
            best = rival.get(o)
            margin -= stay if best is None else best if p.order_must[o] else max(stay, best)
        threshold = int(p.bid_fixed[b]) + int(p.bid_unit[b]) * int(quantity[b]) + margin // MICRO
        if threshold >= 0:
            found[p.bid_ids[b]] = threshold
    return found

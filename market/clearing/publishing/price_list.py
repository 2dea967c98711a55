"""The published prices of resources and lots: signals, which nobody is paid.

From the duals of the linear relaxation or the best Lagrangian multipliers, whichever certify the
bound: one deterministic choice among several. What has no price is worth 0 at the margin.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.result import MICRO, Price

if TYPE_CHECKING:
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Problem
    from market.clearing.result import Multipliers
    from market.clearing.terms import Terms


def completed(p: Problem, terms: Terms, a: Allocation, m: Multipliers) -> Multipliers:
    """Return the multipliers with a price for the lot of every order that is an auction of its own.

    Such orders are bounded by their best bid, whatever the price of their lot, so the bound stays.
    It is what serving the order costs per unit, or its value per unit where it stays unserved
    despite bids; rounded down.
    """
    lots = dict(m.lots)
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    order = p.lot_order[p.item_lot]
    fits = (
        (np.diff(p.bid_item_ptr) == 1)[owner]
        & ~p.bid_divisible[owner]
        & (p.item_quantity == p.lot_quantity[p.item_lot])
    )
    plain = (np.diff(p.order_lot_ptr) == 1) & ~p.order_partial
    plain[order[~fits]] = False
    bidden = np.zeros(p.n_orders, dtype=np.bool_)
    bidden[order[terms.usable[owner]]] = True
    worth = np.where(p.order_must, 0, p.order_value)
    won = (a.quantity > 0)[owner] & plain[order]
    worth[order[won]] = -terms.profit_fixed[owner[won]]
    for o in np.flatnonzero(plain & bidden & (worth != 0)).tolist():
        lot = int(p.order_lot_ptr[o])
        if p.lot_ids[lot] not in lots:
            lots[p.lot_ids[lot]] = int(worth[o]) * MICRO // int(p.lot_quantity[lot])
    return replace(m, lots=tuple(sorted(lots.items())))


def price_list(m: Multipliers) -> tuple[Price, ...]:
    """Return the prices of all resources and lots that have one, resources first."""
    return (*(Price(i, None, v) for i, v in m.resources), *(Price(None, i, v) for i, v in m.lots))

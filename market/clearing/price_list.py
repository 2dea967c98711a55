"""The published prices of resources and lots: signals, which nobody is paid.

From the duals of the linear relaxation or the best Lagrangian multipliers, whichever certify the
bound: one deterministic choice among several. What has no price is worth 0 at the margin.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.certificate import MICRO
from market.clearing.result import Price

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from market.clearing.allocation import Allocation
    from market.clearing.problem import Problem
    from market.clearing.result import Multipliers
    from market.clearing.terms import Terms

LEAST_BIDDERS = 3
"""Below this many eligible bidders a price would tell about one of them."""


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


def public_prices(p: Problem, prices: Sequence[Price], product_of: Mapping[str, str]) -> dict[str, int]:
    """Return the mean price per product, 10^-6 minor units, of those with enough eligible bidders.

    Parameters
    ----------
    product_of
        The product of every lot and resource that is to be published: its capability and period.
        Resources count by their capacity, lots by their quantity; rounded down.

    Notes
    -----
    Eligible is who could have won: a bidder with a bid that uses the resource or is on the lot.
    Products with fewer than `LEAST_BIDDERS` are left out, unpriced ones with enough are 0.
    """
    bidders: dict[str, set[int]] = defaultdict(set)
    for ids, ptr, element in (
        (p.lot_ids, p.bid_item_ptr, p.item_lot),
        (p.resource_ids, p.bid_use_ptr, p.use_resource),
    ):
        owner = np.repeat(p.bid_bidder, np.diff(ptr))
        for k, bidder in set(zip(element.tolist(), owner.tolist(), strict=True)):
            if ids[k] in product_of:
                bidders[product_of[ids[k]]].add(bidder)
    size = dict(zip(p.lot_ids, p.lot_quantity.tolist(), strict=True))
    size |= dict(zip(p.resource_ids, p.resource_capacity.tolist(), strict=True))
    weight: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for name, product in product_of.items():
        weight[product] += size[name]
    for price in prices:
        name = price.resource or price.lot or ""
        if name in product_of:
            total[product_of[name]] += price.price_micro * size[name]
    return {
        product: total[product] // max(1, weight[product])
        for product in sorted(bidders)
        if len(bidders[product]) >= LEAST_BIDDERS
    }

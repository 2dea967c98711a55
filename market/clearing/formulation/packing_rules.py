"""Whether a market is a packing of single bids; apart from `packing` so that asking costs no numba."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.formulate import simple_orders
from market.clearing.problem import NONE

if TYPE_CHECKING:
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.terms import Terms


def single_bids(p: Problem, terms: Terms) -> Flags:
    """Return the bids that serve whole orders of one lot by themselves; split bids at the lot's quantity."""
    ready = (np.diff(p.order_lot_ptr) == 1) & ~p.order_partial
    if p.arc_ids:
        ready[p.lot_order[p.arc_from[p.arc_to != NONE]]] = False
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    amount = np.where(terms.whole[owner], terms.item_quantity, terms.high[owner])
    unfit = ~ready[p.lot_order[p.item_lot]] | (amount != p.lot_quantity[p.item_lot])
    single: Flags = terms.usable.copy()
    single[owner[unfit]] = False
    return single


def full_quantity(terms: Terms) -> Ints:
    """Return the quantity per bid at which it takes as much of its lots as it can."""
    return np.where(terms.whole, terms.quantity, terms.high)


def annealable(p: Problem, terms: Terms) -> bool:
    """Return whether single bids can serve most orders, so that searching among them and plans pays."""
    if not p.n_orders:
        return False
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    offered, served = np.zeros(p.n_orders, dtype=np.bool_), np.zeros(p.n_orders, dtype=np.bool_)
    offered[p.lot_order[p.item_lot[terms.usable[owner]]]] = True
    served[p.lot_order[p.item_lot[single_bids(p, terms)[owner]]]] = True
    amount = np.where(terms.whole[owner], terms.item_quantity, terms.high[owner])
    whole_lot = terms.usable[owner] & (amount == p.lot_quantity[p.item_lot])
    lots = np.zeros(len(p.lot_ids), dtype=np.bool_)
    lots[p.item_lot[whole_lot]] = True
    planned = np.logical_and.reduceat(lots, p.order_lot_ptr[:-1]) & ~p.order_partial
    return bool((served | planned).sum() * 2 > offered.sum())


def woven(p: Problem) -> bool:
    """Return whether most orders take several winners that must fit together: one bid at a time finds few."""
    several = (np.diff(p.order_lot_ptr) > 1) | (p.order_max_suppliers != NONE)
    return bool(2 * several.sum() > p.n_orders)


def packable(p: Problem, terms: Terms) -> bool:
    """Return whether every order is served by single bids, so that bids are the items."""
    return bool(p.n_orders) and not (p.arc_to != NONE).any() and bool(simple_orders(p, terms).all())


MOST_PAIRS = 20_000_000
"""Pairs of bids on both ends of arcs, over all arcs: beyond that tables of trips would not fit."""


def priceable(p: Problem, terms: Terms) -> bool:
    """Return whether goods move between lots, and the pairs of bids that they could move between fit."""
    inner = np.flatnonzero(p.arc_to != NONE)
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    on = np.bincount(p.item_lot[terms.usable[owner]], minlength=len(p.lot_ids))
    return 0 < int((on[p.arc_from[inner]] * on[p.arc_to[inner]]).sum()) <= MOST_PAIRS

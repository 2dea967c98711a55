"""Orders that are auctions of their own: by how much the winner beats the best rival.

An order of one lot whose bids all take it whole. Array speed, no solving.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NONE

if TYPE_CHECKING:
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Ints, Problem
    from market.clearing.terms import Terms

UNRIVALLED = -(2**62)
"""Stands for the margin of a must-serve order's only bidder, which has none."""


def margins(p: Problem, terms: Terms, a: Allocation) -> tuple[Ints, Ints]:
    """Return the winning bid of every order and its margin over the best bid of another bidder.

    The margin is in the objective (scores and delivery count); staying unserved is a rival too,
    where the order may. An order without a winner has bid ``NONE`` and, as margin, minus the best
    that it passed over, 0 if none was worth accepting. Of orders with several lots or winners,
    the result means nothing.
    """
    order = p.lot_order[p.item_lot[p.bid_item_ptr[:-1]]] if p.n_bids else np.zeros(0, dtype=np.int64)
    worth = terms.profit_fixed + np.where(p.order_must, 0, p.order_value)[order]
    winner = np.full(p.n_orders + 1, NONE, dtype=np.int64)
    won = np.flatnonzero(a.quantity > 0)
    winner[order[won]] = won
    holder = np.append(p.bid_bidder, NONE)[winner[order]]
    rival = terms.usable & (p.bid_bidder != holder)
    best: Ints = np.where(p.order_must, UNRIVALLED, 0)
    np.maximum.at(best, order[rival], worth[rival])
    gain = np.append(worth, 0)[winner[:-1]]
    margin = np.where(best == UNRIVALLED, UNRIVALLED, gain - best)
    return winner[:-1], margin


def best_lost(p: Problem, terms: Terms, a: Allocation) -> Ints:
    """Return the orders of which a bid was worth more than the one that won, or than none."""
    order = p.lot_order[p.item_lot[p.bid_item_ptr[:-1]]] if p.n_bids else np.zeros(0, dtype=np.int64)
    worth = terms.profit_fixed + np.where(p.order_must, 0, p.order_value)[order]
    gain = np.zeros(p.n_orders, dtype=np.int64)
    won = a.quantity > 0
    gain[order[won]] = worth[won]
    passed: Ints = np.unique(order[terms.usable & (worth > gain[order])])
    return passed

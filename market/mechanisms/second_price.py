"""Second price [1]_: the winner of an order is paid what it could have asked and still won.

Defined where orders are auctions of their own: every order has one lot, every bid is on one lot
and takes all of it, no group has a fixed price, and the best bid of every order won. The price
to beat is the best bid of another bidder, or the order's value where there is none; scores and
delivery count as in the objective. Every bidder's dominant strategy is its cost as long as capacity
and groups are short for nobody; where they would stop the runner-up, `vcg` is the rule that
accounts for it.

References
----------
.. [1] Vickrey (1961), Counterspeculation, auctions, and competitive sealed tenders, Journal of
   Finance 16, 8-37.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.formulate import simple_orders
from market.clearing.problem import NONE
from market.clearing.terms import terms_of
from market.mechanisms.pay_as_bid import accepted_prices
from market.mechanisms.rule import Paid, Refused, Resolve, Rule
from market.mechanisms.single import UNRIVALLED, best_lost, margins

if TYPE_CHECKING:
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Problem


def second_price(p: Problem, a: Allocation, resolve: Resolve) -> Paid | Refused:  # noqa: ARG001  a rule's signature
    """Return second prices, or where they are not defined."""
    terms = terms_of(p)
    several = np.flatnonzero(~simple_orders(p, terms))
    if several.size:
        return Refused(
            f'order "{p.order_ids[several[0]]}" is not one lot that every bid takes whole: '
            "no second price is defined"
        )
    if (np.diff(p.bid_item_ptr) > 1).any():
        return Refused("a bid is on several lots: no second price is defined")
    if (p.group_fixed[p.bid_group] > 0).any():
        return Refused("a bid belongs to a group with a fixed price: no second price is defined")
    passed = best_lost(p, terms, a)
    if passed.size:
        return Refused(
            f'the best bid on order "{p.order_ids[passed[0]]}" did not win, capacity or a group is short: '
            "orders are no auctions of their own"
        )
    winner, margin = margins(p, terms, a)
    alone = np.flatnonzero((winner != NONE) & (margin == UNRIVALLED))
    if alone.size:
        return Refused(f'must-serve order "{p.order_ids[alone[0]]}" has one bidder: no second price exists')
    bids = dict(accepted_prices(p, a).bids)
    for o in np.flatnonzero(winner != NONE).tolist():
        bids[int(winner[o])] += int(margin[o])
    return Paid(bids=bids, groups={})


RULE = Rule(name="second_price", needs_proof=False, pay=second_price)

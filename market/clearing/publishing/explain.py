"""Say what a bid would have had to be to win: an estimate from prices, or exactly by solving again.

For a bid's own bidder only, by market rule: an exact threshold tells about rivals' prices. The
threshold is a total price at a quantity; below it the bid is in every optimum, above it in none, at
it the lottery decides. Explains an outcome; changes none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.checker.certificate_arcs import arc_prices
from market.clearing.errors import UnprovenError
from market.clearing.formulation.allocation import allowed, decode
from market.clearing.formulation.components import cut, labels
from market.clearing.formulation.formulate import formulate, simple_orders
from market.clearing.problem import NONE
from market.clearing.program import Answer
from market.clearing.result import MICRO
from market.clearing.terms import terms_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.formulation.formulate import Formulation
    from market.clearing.problem import Problem
    from market.clearing.program import ProgramResult, Solver
    from market.clearing.publishing.counterfactual import Budget
    from market.clearing.result import Clearing


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a bid asked and what it could have asked, in minor units, at ``quantity``.

    ``threshold_price`` is None if no price would have done; ``detail`` says why. ``estimate`` marks
    a threshold read off dual prices, which may be wrong in either direction.
    """

    bid: str
    quantity: int
    price: int
    threshold_price: int | None
    estimate: bool
    detail: str


def explain_estimate(p: Problem, clearing: Clearing, bid: str) -> Explanation:
    """Return the threshold that the clearing's multipliers imply, at once and without solving.

    Raises
    ------
    KeyError
        If there is no such bid.
    """
    b = _index(p, bid)
    terms = terms_of(p)
    accepted = {entry.bid: entry.quantity for entry in clearing.accepted}
    quantity = accepted.get(bid, int(terms.quantity[b] if terms.whole[b] else terms.high[b]))
    price = int(p.bid_fixed[b]) + int(p.bid_unit[b]) * quantity
    if not terms.usable[b]:
        return Explanation(
            bid=bid, quantity=quantity, price=price, threshold_price=None, estimate=True, detail=USELESS
        )
    gain = _gain_micro(p, clearing, b, quantity)
    order = int(p.lot_order[p.item_lot[p.bid_item_ptr[b]]])
    if simple_orders(p, terms)[order] and int(p.bid_item_ptr[b + 1] - p.bid_item_ptr[b]) == 1:
        gain -= _best_rival_micro(p, clearing, b, order)
    threshold = price + gain // MICRO
    return Explanation(
        bid=bid,
        quantity=quantity,
        price=price,
        threshold_price=threshold if threshold >= 0 else None,
        estimate=True,
        detail="from dual prices" if threshold >= 0 else HOPELESS,
    )


def explain_exact(
    p: Problem, bid: str, *, solver: Solver, budget: Budget, stop: Callable[[], bool] | None = None
) -> Explanation:
    """Return the exact threshold: the optimum with the bid accepted against the one without it.

    Raises
    ------
    KeyError
        If there is no such bid.
    UnprovenError
        If a limit or ``stop`` ends a solve before its optimum is proven.
    """
    whole = _index(p, bid)
    terms = terms_of(p)
    quantity = int(terms.quantity[whole] if terms.whole[whole] else terms.high[whole])
    price = int(p.bid_fixed[whole]) + int(p.bid_unit[whole]) * quantity
    if not terms.usable[whole]:
        return Explanation(
            bid=bid, quantity=quantity, price=price, threshold_price=None, estimate=False, detail=USELESS
        )
    label = labels(p, terms)
    part = cut(p, terms, label == label[p.lot_order[p.item_lot[p.bid_item_ptr[whole]]]]).problem
    b = part.bid_ids.index(bid)
    f = formulate(part, terms_of(part))
    solve = partial(solver.solve, stop=stop)
    inside = _optimum(f, b, solve, budget, accepted=True)
    if inside is None:
        return Explanation(
            bid=bid, quantity=quantity, price=price, threshold_price=None, estimate=False, detail=USELESS
        )
    quantity = inside[1]
    price = int(part.bid_fixed[b]) + int(part.bid_unit[b]) * quantity
    outside = _optimum(f, b, solve, budget, accepted=False)
    if outside is None:
        return Explanation(
            bid=bid,
            quantity=quantity,
            price=price,
            threshold_price=None,
            estimate=False,
            detail="wins at any price: a must-serve order cannot be served without it",
        )
    margin = inside[0] - outside[0]
    verdict = f"loses by {-margin}" if margin < 0 else f"wins by {margin}" if margin else TIED
    return Explanation(
        bid=bid,
        quantity=quantity,
        price=price,
        threshold_price=price + margin if price + margin >= 0 else None,
        estimate=False,
        detail=verdict if price + margin >= 0 else HOPELESS,
    )


USELESS = "no allocation holds this bid, whatever its price: quantity, capacity, group, transport or dates"
HOPELESS = "would lose even at a price of 0"
TIED = "ties: the lottery decides"


def _index(p: Problem, bid: str) -> int:
    try:
        return p.bid_ids.index(bid)
    except ValueError:
        raise KeyError(bid) from None


def _optimum(
    f: Formulation, b: int, solve: Callable[..., ProgramResult], budget: Budget, *, accepted: bool
) -> tuple[int, int] | None:
    """Return the optimum with a bid fixed in or out, and the bid's quantity; None if there is none."""
    column = int(f.bid_column[b])
    lower, upper = f.program.lower.copy(), f.program.upper.copy()
    lower[column] = upper[column] = float(accepted)
    solved = solve(replace(f.program, lower=lower, upper=upper), budget.limits())
    if solved.answer is Answer.INFEASIBLE:
        return None
    if solved.answer is not Answer.OPTIMAL or solved.values is None:
        raise UnprovenError("the market was not proven optimal within the limits")
    found = decode(f, solved.values)
    if not allowed(f.problem, f.terms, found) or solved.bound - found.objective >= 1.0:
        raise UnprovenError("the solver's optimum is not one in whole numbers")
    return found.objective, int(found.quantity[b])


def _gain_micro(p: Problem, clearing: Clearing, b: int, quantity: int) -> int:
    """Return what a bid earns at the published prices of lots, resources and groups, 10^-6 minor units."""
    m = clearing.multipliers
    lots, resources, groups = (dict(pairs) for pairs in ((m.lots, m.resources, m.groups) if m else ((),) * 3))
    items = range(int(p.bid_item_ptr[b]), int(p.bid_item_ptr[b + 1]))
    offered = sum(int(p.item_quantity[k]) for k in items)
    money = int(p.bid_score[b]) * quantity // offered if p.bid_divisible[b] else int(p.bid_score[b])
    money -= int(p.bid_fixed[b]) + int(p.bid_unit[b]) * quantity
    gain = 0
    for k in items:
        amount = quantity if p.bid_divisible[b] else int(p.item_quantity[k])
        gain += lots.get(p.lot_ids[p.item_lot[k]], 0) * amount
        money -= _delivery(p, b, int(p.item_lot[k]), amount)
    for k in range(int(p.bid_use_ptr[b]), int(p.bid_use_ptr[b + 1])):
        used = int(p.use_fixed[k]) + int(p.use_unit[k]) * quantity
        gain -= resources.get(p.resource_ids[p.use_resource[k]], 0) * used
    for g in p.bid_group[p.bid_group_ptr[b] : p.bid_group_ptr[b + 1]].tolist():
        gain -= groups.get(p.group_ids[g], 0)
    if m and m.arcs:
        arcs = arc_prices(p, m.arcs)
        quantities = np.where(p.bid_divisible[b], quantity, p.item_quantity).astype(object)
        costs = arcs.costs(quantities, object)
        gain -= sum(int(cost) for item, cost in zip(arcs.item, costs, strict=True) if item in items)
    shares = m.openings if m else ()
    gain -= sum(price for _, name, price in shares if name == p.bid_ids[b])
    return gain + money * MICRO


def _delivery(p: Problem, b: int, lot: int, amount: int) -> int:
    """Return the transport cost of a bid's goods to the sites that a lot goes to."""
    cost, site = 0, int(p.bid_site[b])
    for arc in np.flatnonzero((p.arc_from == lot) & (p.arc_site != NONE)).tolist():
        row = np.flatnonzero((p.transport_from == site) & (p.transport_to == p.arc_site[arc]))
        if row.size and site != int(p.arc_site[arc]):
            cost += int(p.transport_fixed[row[0]]) + int(p.transport_unit[row[0]]) * amount
    return cost


def _best_rival_micro(p: Problem, clearing: Clearing, b: int, order: int) -> int:
    """Return what the order earns with the accepted bid at the same prices, or by staying unserved."""
    lot = int(p.order_lot_ptr[order])
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    accepted = {entry.bid: entry.quantity for entry in clearing.accepted}
    price = dict(clearing.multipliers.lots).get(p.lot_ids[lot], 0) if clearing.multipliers else 0
    stay = price * int(p.lot_quantity[lot]) - int(p.order_value[order]) * MICRO
    others = [k for k in owner[p.item_lot == lot].tolist() if k != b]
    if p.bid_ids[b] in accepted:
        terms = terms_of(p)
        rivals = [_gain_micro(p, clearing, k, int(terms.quantity[k])) for k in others if terms.usable[k]]
    else:
        rivals = [
            _gain_micro(p, clearing, k, accepted[p.bid_ids[k]]) for k in others if p.bid_ids[k] in accepted
        ]
    return max(rivals, default=stay) if p.order_must[order] else max([stay, *rivals])

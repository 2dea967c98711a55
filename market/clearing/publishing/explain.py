"""Say what a bid would have had to be to win: an estimate from prices, or exactly by solving again.

For a bid's own bidder only, by market rule: an exact threshold tells about rivals' prices. The
threshold is a total price at a quantity; below it the bid is in every optimum, above it in none, at
it the lottery decides. Explains an outcome; changes none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from market.clearing.checker.certificate import gains
from market.clearing.errors import UnprovenError
from market.clearing.formulation.allocation import allowed, decode
from market.clearing.formulation.components import cut, labels
from market.clearing.formulation.formulate import formulate, simple_orders
from market.clearing.program import Answer
from market.clearing.result import MICRO, Multipliers
from market.clearing.terms import terms_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

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
    taken = np.array([accepted.get(name, 0) for name in p.bid_ids], dtype=np.int64)
    quantities = np.where(taken > 0, taken, np.where(terms.whole, terms.quantity, terms.high))
    quantity = int(quantities[b])
    price = int(p.bid_fixed[b]) + int(p.bid_unit[b]) * quantity
    if not terms.usable[b]:
        return Explanation(
            bid=bid, quantity=quantity, price=price, threshold_price=None, estimate=True, detail=USELESS
        )
    gains_micro = gains(p, clearing.multipliers or Multipliers(), quantities)
    gain = int(gains_micro[b])
    order = int(p.lot_order[p.item_lot[p.bid_item_ptr[b]]])
    if simple_orders(p, terms)[order] and int(p.bid_item_ptr[b + 1] - p.bid_item_ptr[b]) == 1:
        gain -= _best_rival_micro(p, clearing, gains_micro, b, order)
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


def _best_rival_micro(p: Problem, clearing: Clearing, gain: NDArray[Any], b: int, order: int) -> int:
    """Return what the order earns with the accepted bid at the same prices, or by staying unserved."""
    lot = int(p.order_lot_ptr[order])
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    accepted = {entry.bid for entry in clearing.accepted}
    price = dict(clearing.multipliers.lots).get(p.lot_ids[lot], 0) if clearing.multipliers else 0
    stay = price * int(p.lot_quantity[lot]) - int(p.order_value[order]) * MICRO
    others = [k for k in owner[p.item_lot == lot].tolist() if k != b]
    if p.bid_ids[b] in accepted:
        rivals = [int(gain[k]) for k in others if terms_of(p).usable[k]]
    else:
        rivals = [int(gain[k]) for k in others if p.bid_ids[k] in accepted]
    return max(rivals, default=stay) if p.order_must[order] else max([stay, *rivals])

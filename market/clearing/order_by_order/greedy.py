"""Clear order by order: the baseline, the first incumbent and the fallback.

Must-serve orders first, then by descending value per unit, ties by the keyed lottery; each takes
its cheapest feasible plan, transport included, given what the earlier ones left. Bids that reach
over several orders are not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.allocation import Allocation, allocation_of, units_of
from market.clearing.order_by_order.plans import Planner
from market.clearing.tie_break import lottery

if TYPE_CHECKING:
    from market.clearing.problem import Ints, Problem
    from market.clearing.terms import Terms


def greedy_sequence(p: Problem) -> Ints:
    """Return the orders in the sequence in which the greedy clearing serves them."""
    amount = (
        np.add.reduceat(p.lot_quantity, p.order_lot_ptr[:-1]) if p.n_orders else np.zeros(0, dtype=np.int64)
    )
    density = p.order_value / np.maximum(amount, 1)
    return np.lexsort((lottery(p.seed, p.order_ids), -density, ~p.order_must))


def greedy(p: Problem, terms: Terms) -> tuple[Allocation, tuple[int, ...]]:
    """Return the greedy allocation and the must-serve orders that it could not serve."""
    planner = Planner(p, terms, lottery(p.seed, p.bid_ids))
    room = planner.room()
    quantity = np.zeros(p.n_bids, dtype=np.int64)
    moves: list[tuple[int, int, int, int]] = []
    missed = []
    of = units_of(p)
    for order in greedy_sequence(p).tolist():
        must, units = bool(p.order_must[order]), int(of[order])
        while units > 0:
            plan = planner.best(order, room, units, int(of[order]))
            worth = int(p.order_value[order]) * units // int(of[order])
            if plan is not None and (must or plan.profit + worth > 0):
                planner.take(room, plan.chosen)
                moves += plan.moves
                for b, q in plan.chosen:
                    quantity[b] = q
                break
            units //= 2
        if must and units == 0:
            missed.append(order)
    return allocation_of(p, terms, quantity, tuple(moves)), tuple(missed)

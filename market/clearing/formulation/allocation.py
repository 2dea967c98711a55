"""An allocation: accepted quantities, served units and moves, with its exact objective.

What every search produces and `result` publishes. Evaluation is in integers; whether the
allocation obeys the rules is the checker's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.flows import bids_of_lots
from market.clearing.formulation.formulate import order_units
from market.clearing.problem import NONE
from market.clearing.terms import Terms, transport_table

if TYPE_CHECKING:
    from market.clearing.formulation.formulate import Formulation
    from market.clearing.problem import Ints, Problem
    from market.clearing.program import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Allocation:
    """Accepted quantity per bid (0 if rejected), served units per order, moves between bids.

    ``moves`` holds (arc, from bid, to bid, quantity), without arcs that end at a site.
    """

    quantity: Ints
    units: Ints
    moves: tuple[tuple[int, int, int, int], ...]
    objective: int


def units_of(p: Problem) -> Ints:
    """Return into how many units each order's service is divided: 1 unless partial."""
    return np.where(p.order_partial, order_units(p), 1)


def allocation_of(
    p: Problem, terms: Terms, quantity: Ints, moves: tuple[tuple[int, int, int, int], ...] | None = None
) -> Allocation:
    """Complete accepted quantities to an allocation.

    Moves are derived where each lot has one winner; an arc with several needs ``moves``.
    """
    units = np.zeros(p.n_orders, dtype=np.int64)
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    taken = np.flatnonzero(quantity[owner] > 0)
    per_item = np.where(terms.whole[owner[taken]], terms.item_quantity[taken], quantity[owner[taken]])
    covered = np.zeros(len(p.lot_ids), dtype=np.int64)
    np.add.at(covered, p.item_lot[taken], per_item)
    if p.n_orders:
        first = p.order_lot_ptr[:-1]
        units = covered[first] * units_of(p) // p.lot_quantity[first]
    if moves is None:
        moves = single_moves(p, quantity)
    return Allocation(
        quantity=quantity, units=units, moves=moves, objective=objective_of(p, terms, quantity, units, moves)
    )


def objective_of(
    p: Problem,
    terms: Terms,
    quantity: Ints,
    units: Ints,
    moves: tuple[tuple[int, int, int, int], ...],
) -> int:
    """Return the exact objective; values of must-serve orders play no part."""
    won = np.flatnonzero(quantity > 0)
    q = quantity[won]
    bids = terms.profit_fixed[won] + np.where(
        terms.whole[won], 0, terms.profit_unit[won] * q + terms.part[won] * q // terms.part_of[won]
    )
    free = ~p.order_must & (units > 0)
    whole = free & (units == units_of(p))
    value = int(p.order_value[whole].sum())
    of = units_of(p)
    value += sum(
        int(p.order_value[o]) * int(units[o]) // int(of[o]) for o in np.flatnonzero(free & ~whole).tolist()
    )
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
    opened = np.unique(p.bid_group[quantity[member] > 0])
    total = value + int(bids.sum()) - int(p.group_fixed[opened].sum())
    if moves:
        fixed, unit, _ = transport_table(p)
        for _, a, b, flow in moves:
            if a != b:
                s, t = p.bid_site[a], p.bid_site[b]
                total -= int(fixed[s, t]) + int(unit[s, t]) * flow
    return total


def single_moves(p: Problem, quantity: Ints) -> tuple[tuple[int, int, int, int], ...]:
    """Return the moves of arcs whose lots have one winner each (or one winner in common)."""
    inner = np.flatnonzero(p.arc_to != NONE)
    if not inner.size:
        return ()
    ptr, bid, _ = bids_of_lots(p, quantity > 0)
    moves = []
    for arc in inner.tolist():
        start, to = int(p.arc_from[arc]), int(p.arc_to[arc])
        a, b = bid[ptr[start] : ptr[start + 1]].tolist(), bid[ptr[to] : ptr[to + 1]].tolist()
        if len(a) == 1 and len(b) == 1:
            moves.append((arc, a[0], b[0], int(p.lot_quantity[start])))
        elif a:
            raise ValueError(f"arc {p.arc_ids[arc]} has several winners and no moves")
    return tuple(moves)


def allowed(p: Problem, terms: Terms, a: Allocation) -> bool:
    """Return whether quantities obey coverage, capacities and groups; flows are the program's.

    A quick filter for solutions of a solver with tolerances; the checker has the last word.
    """
    q = a.quantity
    won = np.flatnonzero(q > 0)
    split = won[~terms.whole[won]]
    if (q[split] < terms.low[split]).any() or (q[split] > terms.high[split]).any():
        return False
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    taken = np.flatnonzero(q[owner] > 0)
    covered = np.zeros(len(p.lot_ids), dtype=np.int64)
    amount = np.where(terms.whole[owner[taken]], terms.item_quantity[taken], q[owner[taken]])
    np.add.at(covered, p.item_lot[taken], amount)
    of = units_of(p)
    if not np.array_equal(covered * of[p.lot_order], p.lot_quantity * a.units[p.lot_order]):
        return False
    if (a.units > of).any() or (p.order_must & (a.units < of)).any():
        return False
    user = np.repeat(q, np.diff(p.bid_use_ptr))
    load = np.zeros(len(p.resource_ids), dtype=np.int64)
    np.add.at(load, p.use_resource, np.where(user > 0, p.use_fixed + p.use_unit * user, 0))
    count = np.bincount(p.bid_group[np.repeat(q > 0, np.diff(p.bid_group_ptr))], minlength=len(p.group_ids))
    over = (p.group_max != NONE) & (count > p.group_max)
    return not bool((load > p.resource_capacity).any() or over.any())


def decode(f: Formulation, values: Floats) -> Allocation:
    """Return the allocation of a program's solution, rounded to integers."""
    p, terms = f.problem, f.terms
    quantity = np.zeros(p.n_bids, dtype=np.int64)
    has = f.bid_column != NONE
    won = np.zeros(p.n_bids, dtype=np.bool_)
    won[has] = values[f.bid_column[has]] > 0.5  # noqa: PLR2004
    quantity[won] = terms.quantity[won]
    split = won & (f.steps_column != NONE)
    quantity[split] = np.rint(values[f.steps_column[split]]).astype(np.int64) * terms.step[split]
    several = {trip.arc: trip for trip in f.trips}
    moves: list[tuple[int, int, int, int]] = []
    if (p.arc_to != NONE).any():
        ptr, bid, _ = bids_of_lots(p, quantity > 0)
        for arc in np.flatnonzero(p.arc_to != NONE).tolist():
            start, to = int(p.arc_from[arc]), int(p.arc_to[arc])
            if arc in several:
                trip = several[arc]
                flow = np.rint(values[trip.column]).astype(np.int64)
                moves += [
                    (arc, int(trip.from_bid[k]), int(trip.to_bid[k]), int(flow[k]))
                    for k in np.flatnonzero(flow > 0)
                ]
            elif ptr[start + 1] > ptr[start] and ptr[to + 1] > ptr[to]:
                moves.append((arc, int(bid[ptr[start]]), int(bid[ptr[to]]), int(p.lot_quantity[start])))
    return allocation_of(p, terms, quantity, tuple(moves))

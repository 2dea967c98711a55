"""Formulate a problem as a mixed-integer program.

Columns: acceptance per usable bid, quantity steps per split bid, service per order that needs
it, opening per priced group, supplier per limited order and bidder, flow per arc. Flows use the
transportation formulation between the winners' sites (for whole-lot bids between classes of
bids with equal site and date), not pairwise big-M rows. Shares no code with the checker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.flows import add_flows
from market.clearing.formulation.rows import Rows
from market.clearing.problem import NONE
from market.clearing.program import Program
from market.clearing.terms import Terms, terms_of

if TYPE_CHECKING:
    from market.clearing.formulation.flows import Origin, Trip
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.program import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Formulation:
    """A program and what its columns and rows mean (``NONE`` where an entity has none)."""

    problem: Problem
    terms: Terms
    program: Program
    bid_column: Ints
    steps_column: Ints
    order_column: Ints
    group_column: Ints
    trips: tuple[Trip, ...]
    origins: tuple[Origin, ...]
    lot_row: Ints
    lot_row_scale: Ints
    resource_row: Ints
    group_row: Ints
    column_order: Ints
    """Order of every column; ``NONE`` for openings."""
    link_row: Ints
    """Row of ``x <= y`` per element of ``bid_group``."""


def simple_orders(p: Problem, terms: Terms) -> Flags:
    """Return which orders need no column: one lot, not partial, every usable bid on it takes all of it."""
    counts = np.diff(p.order_lot_ptr)
    simple: Flags = (counts == 1) & ~p.order_partial
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    live = terms.usable[owner]
    splits = live & (~terms.whole[owner] | (terms.item_quantity != p.lot_quantity[p.item_lot]))
    simple[p.lot_order[p.item_lot[splits]]] = False
    return simple


def formulate(p: Problem, terms: Terms | None = None, *, aggregated_links: bool = False) -> Formulation:
    """Return the program of a problem.

    Parameters
    ----------
    aggregated_links
        One row per opening group instead of one per bid: a weaker relaxation, a smaller program.
    """
    terms = terms_of(p) if terms is None else terms
    rows = Rows()
    simple = simple_orders(p, terms)
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    live = terms.usable[owner]

    profit = terms.profit_fixed.astype(np.float64)
    folded = live & simple[p.lot_order[p.item_lot]] & ~p.order_must[p.lot_order[p.item_lot]]
    np.add.at(profit, owner[folded], p.order_value[p.lot_order[p.item_lot[folded]]])

    first_order = p.lot_order[p.item_lot[p.bid_item_ptr[:-1]]] if p.n_bids else np.zeros(0, dtype=np.int64)
    bid_column = rows.columns(terms.usable, cost=profit, upper=1.0, order=first_order)
    steps_column = _add_steps(terms, rows, bid_column, first_order)
    order_column = _add_orders(p, rows, simple)
    lot_row, scale = _add_coverage(p, terms, rows, simple, bid_column, steps_column, order_column)
    holder = holders(p, terms.usable)
    resource_row = _add_resources(p, terms, rows, bid_column, steps_column, holder)
    group_column, group_row, link_row = _add_groups(p, terms, rows, bid_column, aggregated=aggregated_links)
    held = np.flatnonzero((holder != NONE) & (resource_row != NONE))
    rows.put(resource_row[held], group_column[holder[held]], -p.resource_capacity[held].astype(np.float64))
    _add_suppliers(p, terms, rows, bid_column)
    trips, origins = add_flows(p, terms, rows, bid_column, steps_column)
    return Formulation(
        problem=p,
        terms=terms,
        program=rows.program(),
        bid_column=bid_column,
        steps_column=steps_column,
        order_column=order_column,
        group_column=group_column,
        trips=trips,
        origins=origins,
        lot_row=lot_row,
        lot_row_scale=scale,
        resource_row=resource_row,
        group_row=group_row,
        link_row=link_row,
        column_order=rows.column_order(),
    )


def _add_steps(terms: Terms, rows: Rows, bid_column: Ints, order: Ints) -> Ints:
    """Add the quantity of split bids in steps, tied to acceptance, and the floor of their score."""
    split = terms.usable & ~terms.whole
    column = rows.columns(
        split,
        cost=(terms.profit_unit * terms.step).astype(np.float64),
        upper=terms.high // terms.step,
        order=order,
    )
    chosen = np.flatnonzero(split)
    if not chosen.size:
        return column
    n, x, one = column[chosen], bid_column[chosen], np.ones(chosen.size)
    most, least = (terms.high // terms.step)[chosen], (terms.low // terms.step)[chosen]
    rows.pairs(upper=0.0, first=(n, one), second=(x, -most.astype(np.float64)))
    rows.pairs(upper=0.0, first=(n, -one), second=(x, least.astype(np.float64)))
    rounded = np.flatnonzero(split & (terms.part != 0))
    if rounded.size:
        floor = rows.append(cost=np.ones(rounded.size), upper=terms.part[rounded], order=order[rounded])
        rate = -(terms.part[rounded] * terms.step[rounded]) / terms.part_of[rounded]
        rows.pairs(upper=0.0, first=(floor, np.ones(rounded.size)), second=(column[rounded], rate))
    return column


def order_units(p: Problem) -> Ints:
    """Return the greatest common divisor of each order's lot quantities."""
    if not p.n_orders:
        return np.zeros(0, dtype=np.int64)
    units: Ints = np.gcd.reduceat(p.lot_quantity, p.order_lot_ptr[:-1])
    return units


def _add_orders(p: Problem, rows: Rows, simple: Flags) -> Ints:
    """Add service columns: 0 or 1, or the units of a partial order; must-serve orders have none."""
    units = order_units(p)
    needs = ~simple & ~p.order_must
    partial = needs & p.order_partial
    cost = np.where(partial, p.order_value // np.maximum(units, 1), p.order_value).astype(np.float64)
    column = rows.columns(needs, cost=cost, upper=np.where(partial, units, 1), order=np.arange(p.n_orders))
    rest = np.where(partial, p.order_value % np.maximum(units, 1), 0)
    rounded = np.flatnonzero(rest)
    if rounded.size:
        floor = rows.append(cost=np.ones(rounded.size), upper=rest[rounded], order=rounded)
        rows.pairs(
            upper=0.0,
            first=(floor, np.ones(rounded.size)),
            second=(column[rounded], -rest[rounded] / units[rounded]),
        )
    return column


def _add_coverage(
    p: Problem,
    terms: Terms,
    rows: Rows,
    simple: Flags,
    bid_column: Ints,
    steps_column: Ints,
    order_column: Ints,
) -> tuple[Ints, Ints]:
    """Add one row per lot: covered exactly if served. Return rows and what they are divided by."""
    lots = len(p.lot_ids)
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    live = np.flatnonzero(terms.usable[owner])
    order = p.lot_order
    units = order_units(p)
    scale = np.zeros(lots, dtype=np.int64)
    for bid_whole in (True, False):
        chosen = live[terms.whole[owner[live]] == bid_whole]
        step = terms.item_quantity[chosen] if bid_whole else terms.step[owner[chosen]]
        np.gcd.at(scale, p.item_lot[chosen], step)
    per_unit = np.where(p.order_partial[order], p.lot_quantity // units[order], p.lot_quantity)
    scale = np.gcd(scale, per_unit)
    must, is_simple = p.order_must[order], simple[order]
    right = np.where(must, p.lot_quantity // scale, np.where(is_simple, 1, 0)).astype(np.float64)
    row = rows.rows(lower=np.where(is_simple & ~must, -np.inf, right), upper=right)
    bid = owner[live]
    whole = terms.whole[bid]
    a, b = live[whole], live[~whole]
    rows.put(row[p.item_lot[a]], bid_column[owner[a]], terms.item_quantity[a] / scale[p.item_lot[a]])
    rows.put(row[p.item_lot[b]], steps_column[owner[b]], terms.step[owner[b]] / scale[p.item_lot[b]])
    served = np.flatnonzero(order_column[order] != NONE)
    rows.put(
        row[served], order_column[order[served]], -(per_unit[served] // scale[served]).astype(np.float64)
    )
    return row, scale


def holders(p: Problem, usable: Flags) -> Ints:
    """Return per resource the group with an opening cost that all usable bids on it are of, or ``NONE``.

    Its capacity is there only if the group is open. Of several such groups the first.
    """
    found = np.full(len(p.resource_ids), NONE, dtype=np.int64)
    priced = np.flatnonzero((p.group_fixed > 0)[p.bid_group]) if p.bid_group.size else p.bid_group
    if not priced.size:
        return found
    user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    live = np.flatnonzero(usable[user] & ((p.use_fixed > 0) | (p.use_unit > 0)))
    users = np.bincount(p.use_resource[live], minlength=found.size)
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))[priced]
    ptr = np.searchsorted(member, np.arange(p.n_bids + 1))
    counts = np.diff(ptr)[user[live]]
    at = np.repeat(ptr[user[live]] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    pair = np.repeat(p.use_resource[live], counts) * len(p.group_ids) + p.bid_group[priced[at]]
    pair, size = np.unique(pair, return_counts=True)
    resource, group = pair // len(p.group_ids), pair % len(p.group_ids)
    all_in = size == users[resource]
    found[resource[all_in][::-1]] = group[all_in][::-1]
    return found


def _add_resources(
    p: Problem, terms: Terms, rows: Rows, bid_column: Ints, steps_column: Ints, holder: Ints
) -> Ints:
    """Add the capacity rows that can bind; capacity that an opening brings is put in later."""
    user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    live = np.flatnonzero(terms.usable[user])
    bid, resource = user[live], p.use_resource[live]
    whole = terms.whole[bid]
    fixed = p.use_fixed[live] + np.where(whole, p.use_unit[live] * terms.quantity[bid], 0)
    unit = np.where(whole, 0, p.use_unit[live] * terms.step[bid])
    most = fixed + np.where(whole, 0, p.use_unit[live] * terms.high[bid])
    total = np.bincount(resource, weights=most, minlength=len(p.resource_ids))
    binding = total > p.resource_capacity * (1.0 - 1e-12)
    row = np.full(len(p.resource_ids), NONE, dtype=np.int64)
    room = np.where(holder == NONE, p.resource_capacity, 0)
    row[binding] = rows.rows(lower=np.full(int(binding.sum()), -np.inf), upper=room[binding])
    keep = binding[resource] & (fixed != 0)
    rows.put(row[resource[keep]], bid_column[bid[keep]], fixed[keep])
    keep = binding[resource] & (unit != 0)
    rows.put(row[resource[keep]], steps_column[bid[keep]], unit[keep])
    return row


def _add_groups(
    p: Problem, terms: Terms, rows: Rows, bid_column: Ints, *, aggregated: bool
) -> tuple[Ints, Ints, Ints]:
    """Add limits and openings of groups; return opening columns, limit rows, link rows."""
    n = len(p.group_ids)
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
    live = np.flatnonzero(terms.usable[member])
    group, bid = p.bid_group[live], member[live]
    size = np.bincount(group, minlength=n)
    binding = (p.group_max != NONE) & (size > p.group_max)
    limit = np.full(n, NONE, dtype=np.int64)
    limit[binding] = rows.rows(lower=np.full(int(binding.sum()), -np.inf), upper=p.group_max[binding])
    keep = binding[group]
    rows.put(limit[group[keep]], bid_column[bid[keep]], np.ones(int(keep.sum())))
    priced = (p.group_fixed > 0) & (size > 0)
    opening = rows.columns(priced, cost=-p.group_fixed.astype(np.float64), upper=1.0)
    keep = priced[group]
    link = np.full(p.bid_group.size, NONE, dtype=np.int64)
    if keep.any() and not aggregated:
        one = np.ones(int(keep.sum()))
        link[live[keep]] = rows.pairs(
            upper=0.0, first=(bid_column[bid[keep]], one), second=(opening[group[keep]], -one)
        )
    elif keep.any():
        total = rows.rows(lower=np.full(int(priced.sum()), -np.inf), upper=np.zeros(int(priced.sum())))
        place = np.full(n, NONE, dtype=np.int64)
        place[priced] = total
        rows.put(place[group[keep]], bid_column[bid[keep]], np.ones(int(keep.sum())))
        cap = np.where(p.group_max == NONE, size, np.minimum(size, p.group_max))
        rows.put(total, opening[priced], -cap[priced].astype(np.float64))
    return opening, limit, link


def _add_suppliers(p: Problem, terms: Terms, rows: Rows, bid_column: Ints) -> None:
    """Add, for orders with a limit that can bind, a column per bidder and the limit."""
    if not (p.order_max_suppliers != NONE).any():
        return
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    order = p.lot_order[p.item_lot]
    live = terms.usable[owner] & (p.order_max_suppliers[order] != NONE)
    pairs = np.unique(np.stack([order[live], p.bid_bidder[owner[live]], owner[live]]), axis=1)
    supplier, which = np.unique(pairs[:2], axis=1, return_inverse=True)
    which = which.ravel()
    bidders = np.bincount(supplier[0], minlength=p.n_orders)
    binding = bidders > p.order_max_suppliers
    chosen = binding[supplier[0]]
    column = np.full(supplier.shape[1], NONE, dtype=np.int64)
    column[chosen] = rows.append(
        cost=np.zeros(int(chosen.sum())), upper=np.ones(int(chosen.sum())), order=supplier[0][chosen]
    )
    keep = chosen[which]
    one = np.ones(int(keep.sum()))
    rows.pairs(upper=0.0, first=(bid_column[pairs[2][keep]], one), second=(column[which[keep]], -one))
    limited = np.flatnonzero(binding & (bidders > 0) & (p.order_max_suppliers != NONE))
    row = np.full(p.n_orders, NONE, dtype=np.int64)
    row[limited] = rows.rows(lower=np.full(limited.size, -np.inf), upper=p.order_max_suppliers[limited])
    rows.put(row[supplier[0][chosen]], column[chosen], np.ones(int(chosen.sum())))


def start_of(f: Formulation, quantity: Ints, units: Ints) -> Floats:
    """Return column values for accepted quantities per bid and served units per order.

    Columns that these do not determine (suppliers, flows, rounded shares) are NaN.
    """
    values = np.full(f.program.n_columns, np.nan)
    for known in (f.bid_column, f.steps_column, f.group_column):
        values[known[known != NONE]] = 0.0
    chosen = np.flatnonzero((quantity > 0) & (f.bid_column != NONE))
    values[f.bid_column[chosen]] = 1.0
    split = chosen[f.steps_column[chosen] != NONE]
    values[f.steps_column[split]] = quantity[split] // f.terms.step[split]
    served = f.order_column != NONE
    values[f.order_column[served]] = units[served]
    member = np.repeat(np.arange(f.problem.n_bids), np.diff(f.problem.bid_group_ptr))
    opened = np.unique(f.problem.bid_group[quantity[member] > 0])
    opened = opened[f.group_column[opened] != NONE]
    values[f.group_column[opened]] = 1.0
    return values

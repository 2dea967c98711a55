"""What each bid can do and earns, read off a problem once; shared by every formulation.

Folds into the bids everything that depends on one bid alone: transport to a fixed site,
quantity steps that keep flows whole, quantities cut by lots and capacities. Holds no search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NONE

if TYPE_CHECKING:
    from market.clearing.problem import Flags, Ints, Problem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """Columns aligned with the bids of a problem.

    A *whole* bid is accepted at ``item_quantity`` or not at all. A split bid has one item and is
    accepted at a multiple of ``step`` from ``low`` to ``high``. Accepting it earns
    ``profit_fixed + profit_unit * q + floor(part * q / part_of)``, negative where it costs;
    group prices and transport between bids are not in it.
    """

    usable: Flags
    whole: Flags
    quantity: Ints
    item_quantity: Ints
    low: Ints
    high: Ints
    step: Ints
    profit_fixed: Ints
    profit_unit: Ints
    part: Ints
    part_of: Ints


def transport_table(p: Problem) -> tuple[Ints, Ints, Ints]:
    """Return dense (site, site) tables of fixed price, unit price and minutes.

    Within a site all are 0; minutes are ``NONE`` where there is no row.
    """
    n = len(p.sites)
    fixed, unit = np.zeros((n, n), dtype=np.int64), np.zeros((n, n), dtype=np.int64)
    minutes = np.full((n, n), NONE, dtype=np.int64)
    fixed[p.transport_from, p.transport_to] = p.transport_fixed
    unit[p.transport_from, p.transport_to] = p.transport_unit
    minutes[p.transport_from, p.transport_to] = p.transport_minutes
    own = np.arange(n)
    fixed[own, own] = unit[own, own] = minutes[own, own] = 0
    return fixed, unit, minutes


def lot_steps(p: Problem) -> Ints:
    """Return per lot the step of accepted quantities that keeps every incoming flow whole."""
    step = np.ones(len(p.lot_ids), dtype=np.int64)
    inner = p.arc_to != NONE
    if inner.any():
        start, to = p.arc_from[inner], p.arc_to[inner]
        ratio = p.lot_quantity[to] // np.gcd(p.lot_quantity[start], p.lot_quantity[to])
        np.lcm.at(step, to, ratio)
    return step


def terms_of(p: Problem) -> Terms:
    """Read the terms of every bid."""
    n = p.n_bids
    counts = np.diff(p.bid_item_ptr)
    owner = np.repeat(np.arange(n), counts)
    lot_step = lot_steps(p)
    item_quantity = p.item_quantity.copy()
    whole = ~p.bid_divisible
    first = p.bid_item_ptr[:-1]
    step = np.ones(n, dtype=np.int64)
    low, high = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    usable = np.ones(n, dtype=np.bool_)
    splits = np.flatnonzero(p.bid_divisible)
    if splits.size:
        lot = p.item_lot[first[splits]]
        step[splits] = lot_step[lot]
        low[splits] = -(-p.bid_min[splits] // step[splits]) * step[splits]
        high[splits] = np.minimum(p.item_quantity[first[splits]], p.lot_quantity[lot])
    _cut_by_capacity(p, whole, low, high)
    high = high // step * step
    usable[splits] = low[splits] <= high[splits]
    fixed_at = splits[low[splits] == high[splits]]
    whole[fixed_at] = True
    item_quantity[first[fixed_at]] = low[fixed_at]
    quantity = np.zeros(n, dtype=np.int64)
    np.add.at(quantity, owner, item_quantity)
    bad_item = (item_quantity > p.lot_quantity[p.item_lot]) | (item_quantity % lot_step[p.item_lot] != 0)
    usable[np.unique(owner[bad_item & whole[owner]])] = False
    if p.use_resource.size:
        user = np.repeat(np.arange(n), np.diff(p.bid_use_ptr))
        over = whole[user] & (p.use_fixed + p.use_unit * quantity[user] > p.resource_capacity[p.use_resource])
        usable[user[over]] = False
    if p.bid_group.size:
        member = np.repeat(np.arange(n), np.diff(p.bid_group_ptr))
        usable[member[p.group_max[p.bid_group] == 0]] = False
    profit_fixed, profit_unit = -p.bid_fixed, -p.bid_unit
    profit_fixed, profit_unit = _with_deliveries(p, profit_fixed, profit_unit, usable, whole, item_quantity)
    part, part_of = np.zeros(n, dtype=np.int64), np.ones(n, dtype=np.int64)
    if splits.size:
        offered = p.item_quantity[first[splits]]
        profit_unit[splits] += p.bid_score[splits] // offered
        part[splits], part_of[splits] = p.bid_score[splits] % offered, offered
    solid = ~p.bid_divisible
    profit_fixed[solid] += p.bid_score[solid]
    profit_fixed = np.where(
        whole, profit_fixed + profit_unit * quantity + part * quantity // part_of, profit_fixed
    )
    profit_unit, part = np.where(whole, 0, profit_unit), np.where(whole, 0, part)
    return Terms(
        usable=usable,
        whole=whole,
        quantity=quantity,
        item_quantity=item_quantity,
        low=low,
        high=high,
        step=step,
        profit_fixed=profit_fixed,
        profit_unit=profit_unit,
        part=part,
        part_of=part_of,
    )


def _cut_by_capacity(p: Problem, whole: Flags, low: Ints, high: Ints) -> None:
    """Lower ``high`` of split bids to what each resource alone can take."""
    user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    split_use = ~whole[user]
    if not split_use.any():
        return
    bid = user[split_use]
    room = p.resource_capacity[p.use_resource[split_use]] - p.use_fixed[split_use]
    unit = p.use_unit[split_use]
    most = np.where(room < 0, -1, np.where(unit > 0, room // np.maximum(unit, 1), high[bid]))
    np.minimum.at(high, bid, most)
    high[(high < low) & ~whole] = 0


def _with_deliveries(
    p: Problem,
    fixed: Ints,
    unit: Ints,
    usable: Flags,
    whole: Flags,
    item_quantity: Ints,
) -> tuple[Ints, Ints]:
    """Fold arcs that end at a site into the bids on their first lot."""
    ends = np.flatnonzero(p.arc_site != NONE)
    if not ends.size:
        return fixed, unit
    fixed, unit = fixed.copy(), unit.copy()
    trip_fixed, trip_unit, minutes = transport_table(p)
    item_order = np.argsort(p.item_lot, kind="stable")
    sorted_lot = p.item_lot[item_order]
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    left, right = (
        np.searchsorted(sorted_lot, p.arc_from[ends]),
        np.searchsorted(sorted_lot, p.arc_from[ends], side="right"),
    )
    counts = right - left
    items = item_order[np.arange(counts.sum()) + np.repeat(left - (np.cumsum(counts) - counts), counts)]
    site = np.repeat(p.arc_site[ends], counts)
    bid = owner[items]
    origin = p.bid_site[bid]
    usable[bid[minutes[origin, site] == NONE]] = False
    np.subtract.at(
        fixed,
        bid,
        trip_fixed[origin, site] + np.where(whole[bid], trip_unit[origin, site] * item_quantity[items], 0),
    )
    np.subtract.at(unit, bid, np.where(whole[bid], 0, trip_unit[origin, site]))
    return fixed, unit

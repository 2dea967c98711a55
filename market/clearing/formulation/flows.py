"""Formulate transport along the arcs of process plans, as transportation problems.

Where every bid on both ends takes the whole lot, one winner hands over to one winner: a unit
flow between classes of bids with equal site and date, whose relaxation is integral. Elsewhere
quantities flow between pairs of bids. Decodes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NO_TIME, NONE
from market.clearing.terms import transport_table

if TYPE_CHECKING:
    from market.clearing.formulation.rows import Rows
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trip:
    """Flow columns of one arc between pairs of bids, in units of the arc's first lot."""

    arc: int
    from_bid: Ints
    to_bid: Ints
    column: Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Origin:
    """The rows that say how much each bid sends on an arc, and by how many units they count."""

    arc: int
    bid: Ints
    row: Ints
    units: int


def bids_of_lots(p: Problem, usable: Flags) -> tuple[Ints, Ints, Ints]:
    """Return pointers per lot, and the bid and the item of each usable item on it."""
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    live = np.flatnonzero(usable[owner])
    items = live[np.argsort(p.item_lot[live], kind="stable")]
    ptr = np.zeros(len(p.lot_ids) + 1, dtype=np.int64)
    np.cumsum(np.bincount(p.item_lot[items], minlength=len(p.lot_ids)), out=ptr[1:])
    return ptr, owner[items], items


class _Flows:
    """Adds the rows of one arc after the other."""

    def __init__(self, p: Problem, terms: Terms, rows: Rows, bid_column: Ints, steps_column: Ints) -> None:
        self.p, self.terms, self.rows = p, terms, rows
        self.bid_column, self.steps_column = bid_column, steps_column
        self.trip_fixed, self.trip_unit, self.minutes = transport_table(p)
        self.ptr, self.bid, self.item = bids_of_lots(p, terms.usable)
        self.trips: list[Trip] = []
        self.origins: list[Origin] = []
        self.order = NONE

    def side(self, lot: int) -> tuple[Ints, Ints]:
        """Return the bids on a lot and their item quantity (0 for split bids)."""
        span = slice(self.ptr[lot], self.ptr[lot + 1])
        bid = self.bid[span]
        return bid, np.where(self.terms.whole[bid], self.terms.item_quantity[self.item[span]], 0)

    def add(self, arc: int) -> None:
        """Add one arc between two lots."""
        p = self.p
        start, to = int(p.arc_from[arc]), int(p.arc_to[arc])
        self.order = int(p.lot_order[start])
        (a, quantity_a), (b, quantity_b) = self.side(start), self.side(to)
        single = (
            not p.order_partial[p.lot_order[start]]
            and bool((quantity_a == p.lot_quantity[start]).all())
            and bool((quantity_b == p.lot_quantity[to]).all())
        )
        if single:
            both = np.intersect1d(a, b)
            a, b = a[~np.isin(a, both)], b[~np.isin(b, both)]
            self.between_classes(arc, a, b)
        else:
            self.between_bids(arc, a, quantity_a, b, quantity_b)

    def between_classes(self, arc: int, a: Ints, b: Ints) -> None:
        """Add the unit flow between classes of whole-lot bids."""
        p, rows = self.p, self.rows
        from_class, of_a = np.unique(np.stack([p.bid_site[a], p.bid_end[a]]), axis=1, return_inverse=True)
        to_class, of_b = np.unique(np.stack([p.bid_site[b], p.bid_start[b]]), axis=1, return_inverse=True)
        cost, open_pairs = self.trip_costs(from_class, to_class, int(p.lot_quantity[p.arc_from[arc]]))
        if open_pairs.all() and not cost.any():
            return
        i, j = np.nonzero(open_pairs)
        flow = rows.append(
            cost=-cost[i, j].astype(np.float64), upper=np.ones(i.size), integer=False, order=self.order
        )
        for classes, of, member, end in (
            (from_class.shape[1], of_a.ravel(), a, i),
            (to_class.shape[1], of_b.ravel(), b, j),
        ):
            row = rows.rows(lower=np.zeros(classes), upper=np.zeros(classes))
            rows.put(row[end], flow, np.ones(flow.size))
            rows.put(row[of], self.bid_column[member], -np.ones(member.size))
            if member is a:
                units = int(p.lot_quantity[p.arc_from[arc]])
                self.origins.append(Origin(arc=arc, bid=a, row=row[of], units=units))

    def trip_costs(self, origin: Ints, target: Ints, units: int) -> tuple[Ints, Flags]:
        """Return cost of moving ``units`` and whether allowed, between (site, date) columns."""
        s, t = origin[0][:, None], target[0][None, :]
        end, begin, minutes = origin[1][:, None], target[1][None, :], self.minutes[s, t]
        in_time = (end == NO_TIME) | (begin == NO_TIME) | (end <= begin - minutes)
        return self.trip_fixed[s, t] + self.trip_unit[s, t] * units, (minutes != NONE) & in_time

    def between_bids(self, arc: int, a: Ints, quantity_a: Ints, b: Ints, quantity_b: Ints) -> None:
        """Add flows between pairs of bids, with a binary where a trip has a fixed price."""
        p, rows = self.p, self.rows
        start, to = int(p.arc_from[arc]), int(p.arc_to[arc])
        origin, target = np.stack([p.bid_site[a], p.bid_end[a]]), np.stack([p.bid_site[b], p.bid_start[b]])
        _, allowed = self.trip_costs(origin, target, 0)
        same = a[:, None] == b[None, :]
        i, j = np.nonzero(allowed | same)
        most_a = np.where(quantity_a > 0, quantity_a, self.terms.high[a])
        most_b = (
            np.where(quantity_b > 0, quantity_b, self.terms.high[b])
            * int(p.lot_quantity[start])
            // int(p.lot_quantity[to])
        )
        most = np.minimum(most_a[i], most_b[j])
        within = same[i, j]
        unit = np.where(within, 0, self.trip_unit[origin[0][i], target[0][j]])
        fixed = np.where(within, 0, self.trip_fixed[origin[0][i], target[0][j]])
        flow = rows.append(cost=-unit.astype(np.float64), upper=most, order=self.order)
        priced = np.flatnonzero(fixed > 0)
        trip = rows.append(
            cost=-fixed[priced].astype(np.float64), upper=np.ones(priced.size), order=self.order
        )
        rows.pairs(
            upper=0.0,
            first=(flow[priced], np.ones(priced.size)),
            second=(trip, -most[priced].astype(np.float64)),
        )
        sent = self.conserve(flow, i, a, quantity_a, 1, 1)
        self.origins.append(Origin(arc=arc, bid=a, row=sent, units=1))
        self.conserve(flow, j, b, quantity_b, int(p.lot_quantity[start]), int(p.lot_quantity[to]))
        self.trips.append(Trip(arc=arc, from_bid=a[i], to_bid=b[j], column=flow))

    def conserve(self, flow: Ints, end: Ints, bid: Ints, quantity: Ints, times: int, over: int) -> Ints:
        """Add, per bid, that its flows sum up to its quantity × ``times`` / ``over``; return the rows."""
        row = self.rows.rows(lower=np.zeros(bid.size), upper=np.zeros(bid.size))
        self.rows.put(row[end], flow, np.ones(flow.size))
        whole = quantity > 0
        self.rows.put(
            row[whole], self.bid_column[bid[whole]], -(quantity[whole] * times // over).astype(np.float64)
        )
        step = self.terms.step[bid[~whole]] * times // over
        self.rows.put(row[~whole], self.steps_column[bid[~whole]], -step.astype(np.float64))
        return row


def add_flows(
    p: Problem, terms: Terms, rows: Rows, bid_column: Ints, steps_column: Ints
) -> tuple[tuple[Trip, ...], tuple[Origin, ...]]:
    """Add the flows of every arc between two lots; return those between pairs of bids and where all begin."""
    inner = np.flatnonzero(p.arc_to != NONE)
    if not inner.size:
        return (), ()
    flows = _Flows(p, terms, rows, bid_column, steps_column)
    for arc in inner.tolist():
        flows.add(arc)
    return tuple(flows.trips), tuple(flows.origins)

"""Read orders as trees: lots are nodes, process arcs join them, one bid is chosen per lot.

What a plan costs is counted per full lot. A bid that makes only part of a lot stands for as many of it
as fill the lot, a divisible bid for its largest quantity, at which a unit is cheapest: so the best tree
never earns less than the best plan, and exactly as much where every bid makes whole lots. Arcs that
would close a ring are kept apart. Builds arrays; prices nothing, searches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.bounds.tree_messages import Arcs, Forest
from market.clearing.formulation.packing_rules import full_quantity
from market.clearing.problem import NO_TIME, NONE
from market.clearing.terms import transport_table

if TYPE_CHECKING:
    from market.clearing.problem import Ints, Problem
    from market.clearing.program import Floats
    from market.clearing.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """The orders of a problem as trees; a *label* is an item of a usable bid, sorted by lot.

    ``part`` is the share of its lot that a label covers, ``link`` the arc between a lot and its parent
    (``NONE`` at a root), ``ring`` the arcs that are in no tree. ``forbidden`` is what a pair costs that
    cannot be: more than any plan is worth.
    """

    forest: Forest
    rings: Arcs
    item: Ints
    bid: Ints
    part: Floats
    link: Ints
    ring: Ints
    forbidden: float


def trees_of(p: Problem, terms: Terms) -> Trees:
    """Return the orders as trees."""
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    live = np.flatnonzero(terms.usable[owner])
    item = live[np.argsort(p.item_lot[live], kind="stable")]
    bid, lot = owner[item], p.item_lot[item]
    label_ptr = np.searchsorted(lot, np.arange(len(p.lot_ids) + 1))
    made = np.where(terms.whole[bid], terms.item_quantity[item], terms.high[bid])
    forbidden = _forbidden(p, terms)
    parent, link, sequence, ring = _spanned(p)
    tables = _Tables(p, terms, label_ptr, item, bid, forbidden)
    child = np.flatnonzero(link != NONE)
    ptr, cost = tables.of(link[child])
    swap = p.arc_from[link[child]] != child
    table_ptr = np.zeros(len(p.lot_ids), dtype=np.int64)
    table_ptr[child] = ptr[:-1]
    size = np.diff(label_ptr)
    for k in np.flatnonzero(swap).tolist():  # tables run by the child's labels first
        c = int(child[k])
        block = cost[ptr[k] : ptr[k + 1]]
        block[:] = block.reshape(size[parent[c]], size[c]).T.ravel().copy()
    best_ptr = np.zeros(len(p.lot_ids) + 1, dtype=np.int64)
    np.cumsum(np.where(parent != NONE, size[parent], 0), out=best_ptr[1:])
    ring_ptr, ring_cost = tables.of(ring)
    ring_label = np.zeros(ring.size + 1, dtype=np.int64)
    np.cumsum(size[p.arc_from[ring]], out=ring_label[1:])
    forest = Forest(
        order_ptr=p.order_lot_ptr.astype(np.int64),
        sequence=sequence,
        parent=parent,
        label_ptr=label_ptr,
        table_ptr=table_ptr,
        table=cost,
        best_ptr=best_ptr,
        value=np.where(p.order_must, 0, p.order_value).astype(np.float64),
        must=p.order_must.astype(np.int8),
    )
    rings = Arcs(
        start=p.arc_from[ring],
        to=p.arc_to[ring],
        table_ptr=ring_ptr,
        table=ring_cost,
        price_ptr=ring_label,
    )
    return Trees(
        forest=forest,
        rings=rings,
        item=item,
        bid=bid,
        part=made / p.lot_quantity[lot],
        link=link,
        ring=ring,
        forbidden=forbidden,
    )


def _forbidden(p: Problem, terms: Terms) -> float:
    """Return more than any order is worth or any bid and trip cost for a full lot."""
    most = full_quantity(terms)
    earned = np.abs(terms.profit_fixed) + (np.abs(terms.profit_unit) + np.abs(terms.part)) * most
    goods = float(p.lot_quantity.max(initial=1))
    trip = float(p.transport_fixed.max(initial=0)) + float(p.transport_unit.max(initial=0))
    return 4.0 * (1.0 + float(p.order_value.max(initial=0)) + goods * (float(earned.max(initial=0)) + trip))


def _spanned(p: Problem) -> tuple[Ints, Ints, Ints, Ints]:
    """Return parent and arc to it per lot, the lots of every order with parents first, and arcs of rings."""
    n = len(p.lot_ids)
    parent, link = np.full(n, NONE, dtype=np.int64), np.full(n, NONE, dtype=np.int64)
    neighbours: dict[int, list[tuple[int, int]]] = {}
    inner = np.flatnonzero(p.arc_to != NONE)
    for arc, a, b in zip(inner.tolist(), p.arc_from[inner].tolist(), p.arc_to[inner].tolist(), strict=True):
        neighbours.setdefault(a, []).append((b, arc))
        neighbours.setdefault(b, []).append((a, arc))
    sequence: list[int] = []
    seen = [False] * n
    used: set[int] = set()
    for lot in range(n):
        if seen[lot]:
            continue
        seen[lot] = True
        first = len(sequence)
        sequence.append(lot)
        while first < len(sequence):
            here = sequence[first]
            first += 1
            for there, arc in neighbours.get(here, ()):
                if not seen[there]:
                    seen[there] = True
                    parent[there], link[there] = here, arc
                    used.add(arc)
                    sequence.append(there)
    ring = np.array([arc for arc in inner.tolist() if arc not in used], dtype=np.int64)
    by = np.array(sequence, dtype=np.int64)
    return parent, link, by[np.argsort(p.lot_order[by], kind="stable")] if n else by, ring


PAIRS_AT_ONCE = 200_000
"""Costs of so many pairs are worked out together: on the way each takes twenty times its later space."""


class _Tables:
    """What goods cost between the labels of two lots, per full lot."""

    def __init__(
        self, p: Problem, terms: Terms, label_ptr: Ints, item: Ints, bid: Ints, forbidden: float
    ) -> None:
        self.p, self.terms, self.label_ptr, self.item, self.bid = p, terms, label_ptr, item, bid
        self.fixed, self.unit, self.minutes = transport_table(p)
        self.forbidden = forbidden
        owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
        self.key = owner * len(p.lot_ids) + p.item_lot
        self.by_key = np.argsort(self.key, kind="stable")
        self.most = np.minimum(p.item_quantity, p.lot_quantity[p.item_lot])[item]

    def of(self, arcs: Ints) -> tuple[Ints, Floats]:
        """Return pointers and costs of all pairs on the arcs, labels of an arc's first lot first."""
        p, ptr = self.p, self.label_ptr
        start, to = p.arc_from[arcs], p.arc_to[arcs]
        width = ptr[to + 1] - ptr[to]
        counts = (ptr[start + 1] - ptr[start]) * width
        begin = np.zeros(arcs.size + 1, dtype=np.int64)
        np.cumsum(counts, out=begin[1:])
        if not begin[-1]:
            return begin, np.zeros(0)
        cost = np.empty(int(begin[-1]))
        for first in range(0, cost.size, PAIRS_AT_ONCE):
            at = np.arange(first, min(first + PAIRS_AT_ONCE, cost.size))
            which = np.searchsorted(begin, at, side="right") - 1
            nth, wide = at - begin[which], width[which]
            i, j = ptr[start[which]] + nth // wide, ptr[to[which]] + nth % wide
            cost[at] = self.costs(start[which], to[which], i, j)
        return begin, cost

    def costs(self, start: Ints, to: Ints, i: Ints, j: Ints) -> Floats:
        """Return what a full lot costs to move from label ``i`` to label ``j``."""
        p = self.p
        a, b = self.bid[i], self.bid[j]
        s, t = p.bid_site[a], p.bid_site[b]
        units = p.lot_quantity[start].astype(np.float64)
        most = np.minimum(self.most[i], self.most[j] * p.lot_quantity[start] // p.lot_quantity[to])
        minutes = self.minutes[s, t]
        dated = (p.bid_end[a] != NO_TIME) & (p.bid_start[b] != NO_TIME)
        late = dated & (np.where(dated, p.bid_end[a], 0) + minutes > np.where(dated, p.bid_start[b], 0))
        cost: Floats = (self.unit[s, t] + self.fixed[s, t] / np.maximum(most, 1)) * units
        full_to = self.made(a, to) + self.least(b, j) > p.lot_quantity[to]
        full_start = self.made(b, start) + self.least(a, i) > p.lot_quantity[start]
        cost[(minutes == NONE) | late | (most < 1) | full_to | full_start] = self.forbidden
        cost[(a == b) & (most > 0)] = 0.0
        return cost

    def made(self, bid: Ints, lot: Ints) -> Ints:
        """Return what a bid makes of a lot for certain, 0 if it may be divided or is not on it."""
        wanted = bid * len(self.p.lot_ids) + lot
        at = np.minimum(np.searchsorted(self.key, wanted, sorter=self.by_key), self.key.size - 1)
        item = self.by_key[at]
        there = (self.key[item] == wanted) & ~self.p.bid_divisible[bid]
        return np.where(there, self.p.item_quantity[item], 0)

    def least(self, bid: Ints, label: Ints) -> Ints:
        """Return the least that a bid makes of its label's lot if accepted."""
        p = self.p
        return np.where(p.bid_divisible[bid], p.bid_min[bid], p.item_quantity[self.item[label]])

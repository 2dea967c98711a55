"""Find a cheap plan for one order: bids that cover its lots exactly, transport included.

A depth-first search over the lots with a bound on what the open lots cost at least, given what
capacity, groups and suppliers leave. Used by the greedy clearing and by repair; exact for orders
whose bids all take fixed quantities, as long as the node limit is not reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.flows import bids_of_lots
from market.clearing.problem import NO_TIME, NONE
from market.clearing.terms import transport_table

if TYPE_CHECKING:
    from market.clearing.problem import Ints, Problem
    from market.clearing.terms import Terms

NODE_LIMIT = 4000


@dataclass(slots=True)
class Room:
    """What is left: capacity per resource, acceptances per group."""

    capacity: list[int]
    group_left: list[int]
    opened: list[bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """Chosen (bid, quantity), moves between bids, and profit without the order's value."""

    chosen: tuple[tuple[int, int], ...]
    moves: tuple[tuple[int, int, int, int], ...]
    profit: int


class Planner:
    """Plans single orders of one problem. Bids that reach beyond the order are left out.

    ``rank`` breaks ties between bids of equal profit (lower wins).
    """

    def __init__(self, p: Problem, terms: Terms, rank: Ints) -> None:
        self.p, self.terms = p, terms
        spans = np.zeros(p.n_bids, dtype=np.bool_)
        if p.n_bids:
            item_order = p.lot_order[p.item_lot]
            spans = np.maximum.reduceat(item_order, p.bid_item_ptr[:-1]) != np.minimum.reduceat(
                item_order, p.bid_item_ptr[:-1]
            )
        self.ptr, bid, item = bids_of_lots(p, terms.usable & ~spans)
        per_unit = -(terms.profit_fixed[bid] + terms.profit_unit[bid] * terms.high[bid]) / np.maximum(
            1, np.where(terms.whole[bid], terms.quantity[bid], terms.high[bid])
        )
        lot = p.item_lot[item]
        by = np.lexsort((rank[bid], per_unit, lot))
        self.bid = bid[by].tolist()
        self.cost_per_unit = per_unit[by].tolist()
        self.ptr = self.ptr.tolist()
        self.whole, self.quantity = terms.whole.tolist(), terms.quantity.tolist()
        self.low, self.high, self.step = terms.low.tolist(), terms.high.tolist(), terms.step.tolist()
        self.fixed, self.unit = terms.profit_fixed.tolist(), terms.profit_unit.tolist()
        self.part, self.part_of = terms.part.tolist(), terms.part_of.tolist()
        self.item_ptr, self.item_lot = p.bid_item_ptr.tolist(), p.item_lot.tolist()
        self.item_quantity = terms.item_quantity.tolist()
        self.use_ptr, self.use = (
            p.bid_use_ptr.tolist(),
            list(zip(p.use_resource.tolist(), p.use_fixed.tolist(), p.use_unit.tolist(), strict=True)),
        )
        self.group_ptr, self.group = p.bid_group_ptr.tolist(), p.bid_group.tolist()
        self.group_fixed = p.group_fixed.tolist()
        self.bidder, self.site = p.bid_bidder.tolist(), p.bid_site.tolist()
        self.start, self.end = p.bid_start.tolist(), p.bid_end.tolist()
        self.lot_quantity, self.lot_ptr = p.lot_quantity.tolist(), p.order_lot_ptr.tolist()
        self.arc_ptr = p.order_arc_ptr.tolist()
        self.arc_from, self.arc_to = p.arc_from.tolist(), p.arc_to.tolist()
        self.limit = p.order_max_suppliers.tolist()
        fixed, unit, minutes = transport_table(p) if p.arc_ids else (np.zeros((0, 0)),) * 3
        self.trip_fixed, self.trip_unit, self.minutes = fixed.tolist(), unit.tolist(), minutes.tolist()

        self.node_limit = NODE_LIMIT
        self.cut_short = False
        """Whether the last search ended at the node limit: it may have missed plans."""

    def room(self) -> Room:
        """Return the full room of the empty market."""
        p = self.p
        left = np.where(p.group_max == NONE, p.n_bids + 1, p.group_max)
        return Room(p.resource_capacity.tolist(), left.tolist(), [False] * len(p.group_ids))

    def take(self, room: Room, chosen: tuple[tuple[int, int], ...], sign: int = 1) -> None:
        """Take the chosen bids out of the room (``sign`` -1 puts them back, openings apart)."""
        for b, q in chosen:
            for k in range(self.use_ptr[b], self.use_ptr[b + 1]):
                r, fixed, unit = self.use[k]
                room.capacity[r] -= sign * (fixed + unit * q)
            for k in range(self.group_ptr[b], self.group_ptr[b + 1]):
                room.group_left[self.group[k]] -= sign
                room.opened[self.group[k]] = True

    def best(self, order: int, room: Room, numerator: int = 1, denominator: int = 1) -> Plan | None:
        """Return the cheapest plan found for the given fraction of an order, or None."""
        search = _Search(self, order, room, numerator, denominator)
        plan = search.run()
        self.cut_short = search.nodes < 0
        return plan


class _Search:
    """One depth-first search."""

    def __init__(self, planner: Planner, order: int, room: Room, numerator: int, denominator: int) -> None:
        self.k, self.order, self.room = planner, order, room
        self.lots = range(planner.lot_ptr[order], planner.lot_ptr[order + 1])
        self.need = {lot: planner.lot_quantity[lot] * numerator // denominator for lot in self.lots}
        self.arcs = range(planner.arc_ptr[order], planner.arc_ptr[order + 1])
        self.limit = planner.limit[order]
        self.chosen: list[tuple[int, int]] = []
        self.best: Plan | None = None
        self.nodes = planner.node_limit

    def run(self) -> Plan | None:
        self.step(self.lots.start, self.k.ptr[self.lots.start], 0)
        return self.best

    def step(self, lot: int, position: int, profit: int) -> None:
        """Cover the next open lot from the given candidate on."""
        while lot < self.lots.stop and self.need[lot] == 0:
            lot += 1
            position = self.k.ptr[lot] if lot < self.lots.stop else 0
        if lot == self.lots.stop:
            self.finish(profit)
            return
        k = self.k
        for c in range(position, k.ptr[lot + 1]):
            self.nodes -= 1
            if self.nodes < 0:
                return
            b = k.bid[c]
            if (
                self.best is not None
                and profit - k.cost_per_unit[c] * self.need[lot] < self.best.profit - self.slack()
            ):
                break
            for q in self.quantities(b, lot):
                gain = self.enter(b, q)
                if gain is None:
                    continue
                self.step(lot, c + 1, profit + gain)
                self.leave(b, q)

    def slack(self) -> float:
        """Return how much later choices can still add: infinite when several lots are open."""
        return 0.0 if sum(1 for lot in self.lots if self.need[lot]) == 1 and not self.arcs else float("inf")

    def quantities(self, b: int, lot: int) -> tuple[int, ...]:
        k = self.k
        if k.whole[b]:
            return (k.quantity[b],)
        most = min(k.high[b], self.need[lot]) // k.step[b] * k.step[b]
        if most < k.low[b]:
            return ()
        return (most,) if most in (k.low[b], self.need[lot]) else (most, k.low[b])

    def enter(self, b: int, q: int) -> int | None:
        """Add a bid if everything leaves room for it; return its profit."""
        k, room = self.k, self.room
        items = range(k.item_ptr[b], k.item_ptr[b + 1])
        if k.whole[b] and any(k.item_quantity[i] > self.need[k.item_lot[i]] for i in items):
            return None
        for i in range(k.use_ptr[b], k.use_ptr[b + 1]):
            r, fixed, unit = k.use[i]
            if fixed + unit * q > room.capacity[r]:
                return None
        groups = k.group[k.group_ptr[b] : k.group_ptr[b + 1]]
        if any(room.group_left[g] < 1 for g in groups):
            return None
        bidders = {k.bidder[other] for other, _ in self.chosen} | {k.bidder[b]}
        if self.limit != NONE and len(bidders) > self.limit:
            return None
        gain: int = k.fixed[b] + (0 if k.whole[b] else k.unit[b] * q + k.part[b] * q // k.part_of[b])
        mine = {g for other, _ in self.chosen for g in k.group[k.group_ptr[other] : k.group_ptr[other + 1]]}
        gain -= sum(k.group_fixed[g] for g in groups if not room.opened[g] and g not in mine)
        self.move(b, q, 1)
        self.chosen.append((b, q))
        return gain

    def leave(self, b: int, q: int) -> None:
        self.chosen.pop()
        self.move(b, q, -1)

    def move(self, b: int, q: int, sign: int) -> None:
        k, room = self.k, self.room
        for i in range(k.item_ptr[b], k.item_ptr[b + 1]):
            self.need[k.item_lot[i]] -= sign * (k.item_quantity[i] if k.whole[b] else q)
        for i in range(k.use_ptr[b], k.use_ptr[b + 1]):
            r, fixed, unit = k.use[i]
            room.capacity[r] -= sign * (fixed + unit * q)
        for i in range(k.group_ptr[b], k.group_ptr[b + 1]):
            room.group_left[k.group[i]] -= sign

    def finish(self, profit: int) -> None:
        """Add transport and keep the plan if it is the best."""
        moves: list[tuple[int, int, int, int]] = []
        for arc in self.arcs:
            if self.k.arc_to[arc] == NONE:
                continue
            ways = self.ways(arc)
            if ways is None:
                return
            profit -= ways[1]
            moves += ways[0]
        if self.best is None or profit > self.best.profit:
            self.best = Plan(tuple(self.chosen), tuple(moves), profit)

    def ways(self, arc: int) -> tuple[list[tuple[int, int, int, int]], int] | None:
        """Return moves of one arc and their cost: cheapest pairs first, backed up by nothing better."""
        k = self.k
        start, to = k.arc_from[arc], k.arc_to[arc]
        supply, demand = self.amounts(start), self.amounts(to)
        demand = {b: q * k.lot_quantity[start] // k.lot_quantity[to] for b, q in demand.items()}
        pairs = []
        for a in supply:
            for b in demand:
                if a == b:
                    pairs.append((0, 0, a, b))
                    continue
                s, t = k.site[a], k.site[b]
                minutes = k.minutes[s][t]
                late = k.end[a] != NO_TIME and k.start[b] != NO_TIME and k.end[a] + minutes > k.start[b]
                if minutes != NONE and not late:
                    pairs.append((k.trip_unit[s][t], k.trip_fixed[s][t], a, b))
        if len(supply) > 1 and len(demand) > 1 and len(pairs) < len(supply) * len(demand):
            return None
        moves, cost = [], 0
        for unit, fixed, a, b in sorted(pairs):
            flow = min(supply[a], demand[b])
            if flow:
                supply[a] -= flow
                demand[b] -= flow
                moves.append((arc, a, b, flow))
                cost += 0 if a == b else fixed + unit * flow
        if any(supply.values()) or any(demand.values()):
            return None
        return moves, cost

    def amounts(self, lot: int) -> dict[int, int]:
        k, found = self.k, {}
        for b, q in self.chosen:
            for i in range(k.item_ptr[b], k.item_ptr[b + 1]):
                if k.item_lot[i] == lot:
                    found[b] = k.item_quantity[i] if k.whole[b] else q
        return found

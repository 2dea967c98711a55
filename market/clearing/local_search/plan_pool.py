"""List good plans of orders that need several bids: one winner per lot, transport included.

The best few bids of every lot at the given prices are combined; combinations that transport,
dates or the supplier limit forbid are left out. A pool for searches, not a complete list: lots
shared between winners are left to the program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.packing_rules import full_quantity, single_bids
from market.clearing.problem import NO_TIME, NONE
from market.clearing.terms import transport_table

if TYPE_CHECKING:
    from market.clearing.bounds.prices import Prices
    from market.clearing.problem import Ints, Problem
    from market.clearing.program import Floats
    from market.clearing.terms import Terms

BIDS_PER_LOT = 6
PLANS_PER_ORDER = 40
MOST_NODES = 1500

Plan = tuple[tuple[int, ...], int]
"""Bids and profit, transport paid, openings and the order's value not counted."""


class PlanPool:
    """Combines bids into plans, order by order."""

    def __init__(self, p: Problem, terms: Terms, prices: Prices) -> None:
        self.p, self.terms = p, terms
        self.quantity = full_quantity(terms)
        split = np.where(
            terms.whole, 0, terms.profit_unit * self.quantity + terms.part * self.quantity // terms.part_of
        )
        self.profit = (terms.profit_fixed + split).tolist()
        self.priced = self._priced(prices)
        fixed, unit, minutes = transport_table(p) if p.arc_ids else (np.zeros((0, 0), dtype=np.int64),) * 3
        self.fixed, self.unit, self.minutes = fixed.tolist(), unit.tolist(), minutes.tolist()
        self.site, self.bidder = p.bid_site.tolist(), p.bid_bidder.tolist()
        self.start, self.end = p.bid_start.tolist(), p.bid_end.tolist()
        self.item_ptr, self.item_lot = p.bid_item_ptr.tolist(), p.item_lot.tolist()
        self.lot_bids = self._candidates()

    def _priced(self, prices: Prices) -> Floats:
        """Return every bid's profit less the prices of what it uses."""
        p = self.p
        user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
        member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
        use = p.use_fixed + p.use_unit * self.quantity[user]
        cost = np.bincount(user, weights=prices.resource[p.use_resource] * use, minlength=p.n_bids)
        cost += np.bincount(member, weights=prices.link + prices.group[p.bid_group], minlength=p.n_bids)
        return np.array(self.profit, dtype=np.float64) - cost

    def _candidates(self) -> list[list[int]]:
        """Return, per lot of orders that single bids do not serve, its best bids."""
        p = self.p
        owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
        order = p.lot_order[p.item_lot]
        amount = np.where(self.terms.whole[owner], self.terms.item_quantity, self.quantity[owner])
        unfit = (amount != p.lot_quantity[p.item_lot]) | p.order_partial[order]
        usable = self.terms.usable & ~single_bids(p, self.terms)
        usable[owner[unfit]] = False
        if p.n_bids:
            first = order[p.bid_item_ptr[:-1]]
            usable[owner[order != first[owner]]] = False
        chosen = np.flatnonzero(usable[owner])
        by = chosen[np.lexsort((-self.priced[owner[chosen]], p.item_lot[chosen]))]
        lists: list[list[int]] = [[] for _ in p.lot_ids]
        for k in by.tolist():
            bids = lists[int(p.item_lot[k])]
            if len(bids) < BIDS_PER_LOT:
                bids.append(int(owner[k]))
        return lists

    def plans(self) -> list[tuple[int, Plan]]:
        """Return (order, plan) pairs, the best plans of each order."""
        p = self.p
        found = []
        for o in range(p.n_orders):
            lots = range(int(p.order_lot_ptr[o]), int(p.order_lot_ptr[o + 1]))
            if all(self.lot_bids[lot] for lot in lots):
                ranked = _Combiner(self, o, lots).run()
                found += [(o, plan) for plan in ranked]
        return found


class _Combiner:
    """Depth-first over the lots of one order."""

    def __init__(self, pool: PlanPool, order: int, lots: range) -> None:
        self.pool, self.lots = pool, lots
        p = pool.p
        arcs = range(int(p.order_arc_ptr[order]), int(p.order_arc_ptr[order + 1]))
        self.arcs = [(int(p.arc_from[e]), int(p.arc_to[e])) for e in arcs if p.arc_to[e] != NONE]
        self.units = {lot: int(p.lot_quantity[lot]) for lot in lots}
        self.limit = int(p.order_max_suppliers[order])
        self.winner: dict[int, int] = {}
        self.found: list[tuple[float, tuple[int, ...], int]] = []
        self.nodes = MOST_NODES

    def run(self) -> list[Plan]:
        """Return the best plans by priced profit."""
        self.descend(self.lots.start, (), 0, 0.0)
        self.found.sort(key=lambda x: (-x[0], x[1]))
        return [(bids, profit) for _, bids, profit in self.found[:PLANS_PER_ORDER]]

    def descend(self, lot: int, bids: tuple[int, ...], profit: int, priced: float) -> None:
        while lot < self.lots.stop and lot in self.winner:
            lot += 1
        if lot == self.lots.stop:
            self.found.append((priced, bids, profit))
            return
        pool = self.pool
        for b in pool.lot_bids[lot]:
            self.nodes -= 1
            if self.nodes < 0:
                return
            covered = pool.item_lot[pool.item_ptr[b] : pool.item_ptr[b + 1]]
            if any(other in self.winner for other in covered):
                continue
            suppliers = {pool.bidder[other] for other in (*bids, b)}
            if NONE < self.limit < len(suppliers):
                continue
            for other in covered:
                self.winner[other] = b
            cost = self.transport(covered)
            if cost is not None:
                gain = pool.profit[b] - cost
                self.descend(lot + 1, (*bids, b), profit + gain, priced + float(pool.priced[b]) - cost)
            for other in covered:
                del self.winner[other]

    def transport(self, covered: list[int]) -> int | None:
        """Return the cost of the moves that the newly covered lots complete, None if one cannot be."""
        total, pool = 0, self.pool
        for start, to in self.arcs:
            if (
                (start not in covered and to not in covered)
                or start not in self.winner
                or to not in self.winner
            ):
                continue
            a, b = self.winner[start], self.winner[to]
            if a == b:
                continue
            s, t = pool.site[a], pool.site[b]
            minutes = pool.minutes[s][t]
            if minutes == NONE:
                return None
            if pool.end[a] != NO_TIME and pool.start[b] != NO_TIME and pool.end[a] + minutes > pool.start[b]:
                return None
            total += pool.fixed[s][t] + pool.unit[s][t] * self.units[start]
        return total


def plan_arrays(found: list[tuple[int, Plan]]) -> tuple[Ints, Ints, Ints, Ints]:
    """Return order and profit per plan, and pointers and bids of all plans."""
    order = np.array([o for o, _ in found], dtype=np.int64)
    profit = np.array([plan[1] for _, plan in found], dtype=np.int64)
    ptr = np.zeros(len(found) + 1, dtype=np.int64)
    np.cumsum([len(plan[0]) for _, plan in found], out=ptr[1:])
    bids = np.array([b for _, plan in found for b in plan[0]], dtype=np.int64)
    return order, profit, ptr, bids

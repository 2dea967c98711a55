"""Say why an order was not served, by the first cause that can be shown.

Causes are tried in a fixed order on what the accepted bids left; "price" is the answer when a
feasible plan was left that costs more than the order is worth, "no_bid" only where a lot has no bid
or not for all of its quantity. An explanation, never a decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.allocation import units_of
from market.clearing.order_by_order.plans import NODE_LIMIT, Planner
from market.clearing.problem import NONE
from market.clearing.result import Unserved
from market.clearing.tie_break import lottery

if TYPE_CHECKING:
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.order_by_order.plans import Room
    from market.clearing.problem import Ints, Problem
    from market.clearing.result import Reason
    from market.clearing.terms import Terms

MOST_NODES = 10_000
"""How many nodes planning may visit for all orders together, about a tenth of a second of a slow core."""

LEAST_NODES = 40


def unserved_orders(p: Problem, terms: Terms, a: Allocation) -> tuple[Unserved, ...]:
    """Return every order that got nothing, with reason and detail."""
    missing = np.flatnonzero(a.units == 0)
    if not missing.size:
        return ()
    offered = np.zeros(len(p.lot_ids), dtype=np.bool_)
    offered[p.item_lot] = True
    if not offered.any():
        return tuple(
            Unserved(p.order_ids[o], "no_bid", p.lot_ids[p.order_lot_ptr[o]]) for o in missing.tolist()
        )
    finder = _Finder(p, terms, a)
    finder.planner.node_limit = min(NODE_LIMIT, max(LEAST_NODES, MOST_NODES // missing.size))
    found = []
    for o in missing.tolist():
        lots = range(int(p.order_lot_ptr[o]), int(p.order_lot_ptr[o + 1]))
        bare = next((lot for lot in lots if not offered[lot]), None)
        found.append(
            Unserved(p.order_ids[o], "no_bid", p.lot_ids[bare]) if bare is not None else finder.reason(o)
        )
    return tuple(found)


class _Finder:
    """Plans an unserved order with rules lifted one by one."""

    def __init__(self, p: Problem, terms: Terms, a: Allocation) -> None:
        self.p, self.terms = p, terms
        by_lot = np.argsort(p.item_lot, kind="stable")
        self.bid_by_lot = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))[by_lot]
        self.lot_start = np.searchsorted(p.item_lot[by_lot], np.arange(len(p.lot_ids) + 1))
        self.planner = Planner(p, terms, lottery(p.seed, p.bid_ids))
        self.left = self.planner.room()
        self.full = self.planner.room()
        won = np.flatnonzero(a.quantity > 0).tolist()
        self.planner.take(self.left, tuple((b, int(a.quantity[b])) for b in won))
        self.of: Ints = units_of(p)

    def reason(self, o: int) -> Unserved:
        """Return the first cause that explains the order."""
        p, name = self.p, self.p.order_ids[o]
        plan = self.planner.best(o, self.left)
        if plan is not None:
            if plan.profit + int(p.order_value[o]) > 0 or p.order_must[o]:
                return Unserved(name, "not_proven", "")
            return Unserved(name, "price", "")
        cut_short = self.planner.cut_short
        alone = self.planner.best(o, self.full)
        if alone is None and self.planner.cut_short:
            return Unserved(name, "not_proven", "")
        if alone is not None:
            if alone.profit + int(p.order_value[o]) <= 0 and not p.order_must[o]:
                return Unserved(name, "price", "")
            return self.crowded_out(o, alone.chosen, cut_short=cut_short)
        return self.impossible(o)

    def crowded_out(self, o: int, chosen: tuple[tuple[int, int], ...], *, cut_short: bool) -> Unserved:
        """Name the resource or group that others filled."""
        k, name = self.planner, self.p.order_ids[o]
        need: dict[int, int] = {}
        for b, q in chosen:
            for i in range(k.use_ptr[b], k.use_ptr[b + 1]):
                r, fixed, unit = k.use[i]
                need[r] = need.get(r, 0) + fixed + unit * q
        short = sorted(r for r, amount in need.items() if amount > self.left.capacity[r])
        if short:
            return Unserved(name, "capacity", self.p.resource_ids[short[0]])
        groups = sorted(
            {
                g
                for b, _ in chosen
                for g in k.group[k.group_ptr[b] : k.group_ptr[b + 1]]
                if self.left.group_left[g] < 1
            }
        )
        if groups or not cut_short:
            return Unserved(name, "group", self.p.group_ids[groups[0]] if groups else "")
        return Unserved(name, "not_proven", "")

    def impossible(self, o: int) -> Unserved:
        """Name the rule that forbids every plan even in an empty market."""
        p, k, name = self.p, self.planner, self.p.order_ids[o]
        limit, k.limit[o] = k.limit[o], NONE
        plan = k.best(o, self.full)
        k.limit[o] = limit
        if plan is not None:
            return Unserved(name, "max_suppliers", "")
        roomy: Room = k.room()
        roomy.capacity = [2**62] * len(roomy.capacity)
        if k.best(o, roomy) is not None:
            lots = range(int(p.order_lot_ptr[o]), int(p.order_lot_ptr[o + 1]))
            return Unserved(name, "capacity", p.lot_ids[lots[0]])
        roomy.group_left = [2**62] * len(roomy.group_left)
        if k.best(o, roomy) is not None:
            return Unserved(name, "group", "")
        start, k.start = k.start, [-(2**63)] * len(k.start)
        plan = k.best(o, roomy)
        k.start = start
        if plan is not None:
            return Unserved(name, "dates", "")
        return self.beyond_plans(o)

    def beyond_plans(self, o: int) -> Unserved:
        """Explain an order for which no bids of its own make a plan."""
        p, name = self.p, self.p.order_ids[o]
        for lot in range(int(p.order_lot_ptr[o]), int(p.order_lot_ptr[o + 1])):
            bids = self.bid_by_lot[self.lot_start[lot] : self.lot_start[lot + 1]]
            if not self.terms.usable[bids].any():
                reason, detail = self.useless(bids.tolist())
                return Unserved(name, reason, detail or p.lot_ids[lot])
            if self.planner.ptr[lot] == self.planner.ptr[lot + 1]:
                return self.shared(o, bids[self.terms.usable[bids]].tolist())
        leaves = p.lot_order[p.arc_from] == o if p.arc_ids else np.zeros(0, dtype=np.bool_)
        return Unserved(name, "transport" if leaves.any() else "no_bid", p.lot_ids[p.order_lot_ptr[o]])

    def useless(self, bids: list[int]) -> tuple[Reason, str]:
        """Return why none of these bids on a lot could ever be accepted."""
        p, planner, found = self.p, self.planner, set()
        for b in bids:
            least = planner.low[b] if not planner.whole[b] else planner.quantity[b]
            for r, fixed, unit in planner.use[planner.use_ptr[b] : planner.use_ptr[b + 1]]:
                if fixed + unit * least > int(p.resource_capacity[r]):
                    found.add(("capacity", p.resource_ids[r]))
            for g in planner.group[planner.group_ptr[b] : planner.group_ptr[b + 1]]:
                if int(p.group_max[g]) == 0:
                    found.add(("group", p.group_ids[g]))
            if self.stranded(b):
                found.add(("transport", ""))
        causes: tuple[Reason, ...] = ("capacity", "group", "transport")
        return next(
            ((c, min(d for k, d in found if k == c)) for c in causes if c in dict(found)), ("no_bid", "")
        )

    def stranded(self, b: int) -> bool:
        """Return whether a bid's goods cannot reach a site they must go to."""
        p, planner = self.p, self.planner
        lots = p.item_lot[p.bid_item_ptr[b] : p.bid_item_ptr[b + 1]]
        ends = p.arc_site[np.isin(p.arc_from, lots) & (p.arc_site != NONE)]
        return any(planner.minutes[planner.site[b]][site] == NONE for site in ends.tolist())

    def shared(self, o: int, bids: list[int]) -> Unserved:
        """Explain an order with a lot on which all bids reach over several orders."""
        p, planner, short = self.p, self.planner, set()
        for b in bids:
            quantity = planner.quantity[b]
            uses = planner.use[planner.use_ptr[b] : planner.use_ptr[b + 1]]
            lacking = [r for r, fixed, unit in uses if fixed + unit * quantity > self.left.capacity[r]]
            if not lacking:
                return Unserved(p.order_ids[o], "price", "")
            short.add(p.resource_ids[lacking[0]])
        return Unserved(p.order_ids[o], "capacity", min(short))

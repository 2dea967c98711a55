"""Put bidders' surpluses on their accepted bids so that the orders can bear them.

A surplus is what a bidder is paid beyond its prices. It is spread over its accepted bids in
proportion to their prices; where some order could not pay its part, by a maximum flow from
bidders over bids to what the orders have left.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from market.clearing.publishing.charges import split_by_weight
from market.clearing.publishing.settle import order_limits, settle, transport_costs
from market.mechanisms.pay_as_bid import accepted_prices
from market.mechanisms.rule import Paid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Orders that together cannot pay: ``members``'s surpluses may sum to ``limit`` at most."""

    orders: frozenset[int]
    members: frozenset[int]
    limit: int


def proportional(p: Problem, a: Allocation, surplus: Mapping[int, int]) -> Paid:
    """Return accepted prices plus surpluses, spread in proportion to prices."""
    paid = accepted_prices(p, a)
    bids = dict(paid.bids)
    for bidder, amount in surplus.items():
        own = [b for b in paid.bids if p.bid_bidder[b] == bidder]
        for b, share in zip(own, split_by_weight(amount, [paid.bids[b] for b in own]), strict=True):
            bids[b] += share
    return Paid(bids=bids, groups=paid.groups)


def spread(p: Problem, a: Allocation, surplus: Mapping[int, int]) -> Paid | Shortfall:
    """Return payments that the orders can bear, or orders that cannot."""
    paid = proportional(p, a, surplus)
    if not isinstance(settle(p, a, paid), str):
        return paid
    return _Flow(p, a, surplus).run()


class _Flow:
    """A flow of money from prices and surpluses over bids to orders."""

    def __init__(self, p: Problem, a: Allocation, surplus: Mapping[int, int]) -> None:
        self.p, self.surplus = p, surplus
        self.paid = accepted_prices(p, a)
        self.limits = order_limits(p, a)
        self.transport = transport_costs(p, a)
        self.orders_of: dict[int, frozenset[int]] = {}
        self.users: dict[int, set[int]] = defaultdict(set)
        for b in self.paid.bids:
            items = slice(int(p.bid_item_ptr[b]), int(p.bid_item_ptr[b + 1]))
            orders = frozenset(np.unique(p.lot_order[p.item_lot[items]]).tolist())
            self.orders_of[b] = orders
            for g in p.bid_group[p.bid_group_ptr[b] : p.bid_group_ptr[b + 1]].tolist():
                self.users[g] |= orders

    def run(self) -> Paid | Shortfall:
        import networkx as nx  # noqa: PLC0415  rare path, and importing it costs a third of a second

        graph: Any = nx.DiGraph()
        for b, price in self.paid.bids.items():
            graph.add_edge("source", ("bid", b), capacity=price)
            for o in self.orders_of[b]:
                graph.add_edge(("bid", b), ("order", o))
            bidder = int(self.p.bid_bidder[b])
            graph.add_edge("source", ("bidder", bidder), capacity=self.surplus.get(bidder, 0))
            graph.add_edge(("bidder", bidder), ("bid", b))
        for g, price in self.paid.groups.items():
            graph.add_edge("source", ("group", g), capacity=price)
            for o in self.users[g]:
                graph.add_edge(("group", g), ("order", o))
        for o, limit in self.limits.items():
            graph.add_edge(("order", o), "sink", capacity=max(0, limit - self.transport.get(o, 0)))
        value, flow = nx.maximum_flow(graph, "source", "sink")
        if value == self.paid.total + sum(self.surplus.values()):
            return Paid(
                bids={
                    b: price + flow["bidder", int(self.p.bid_bidder[b])][("bid", b)]
                    for b, price in self.paid.bids.items()
                },
                groups=self.paid.groups,
            )
        side = nx.minimum_cut(graph, "source", "sink")[1][0]
        return self.shortfall(frozenset(o for kind, o in side - {"source"} if kind == "order"))

    def shortfall(self, orders: frozenset[int]) -> Shortfall:
        """Return what the given orders can pay beyond the prices of what only they use."""
        p = self.p
        limit = sum(self.limits[o] - self.transport.get(o, 0) for o in orders)
        limit -= sum(price for b, price in self.paid.bids.items() if self.orders_of[b] <= orders)
        limit -= sum(price for g, price in self.paid.groups.items() if self.users[g] <= orders)
        reach: dict[int, set[int]] = defaultdict(set)
        for b in self.paid.bids:
            reach[int(p.bid_bidder[b])] |= self.orders_of[b]
        members = frozenset(i for i, reached in reach.items() if reached <= orders)
        return Shortfall(orders=orders, members=members, limit=limit)

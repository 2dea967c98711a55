"""Price what couples orders without the whole relaxation: each order takes its best plan by itself.

For markets whose goods move between lots. The bound of prices is the sum of the best plans at these prices
and what the prices are worth; it falls along averaged subgradients (the volume method, Barahona and
Anbil 2000) towards that of the linear relaxation, thousands of steps a second. Where
bids make only part of a lot, a price per bid keeps it from standing in more than once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.bounds.multipliers import named, rounded
from market.clearing.bounds.order_trees import trees_of
from market.clearing.bounds.prices import Prices
from market.clearing.bounds.tree_messages import (
    Coupling,
    Duals,
    best_plans,
    descend,
    standing,
    unaries,
)
from market.clearing.formulation.packing_rules import full_quantity
from market.clearing.problem import NONE
from market.clearing.result import Multipliers

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.program import Floats
    from market.clearing.terms import Terms

ROUNDS = 50
"""Rounds between questions whether to go on."""

MOST_ROUNDS = 6000
LEAST_STEP = 2e-3
ROUNDS_PER_WORK = 2
WHOLE = 1.0 - 1e-9


class OrderPrices:
    """Prices of one market, lowered step by step; can be stopped and continued.

    ``target`` is what the bound cannot fall below: the worth of an allocation.
    """

    def __init__(self, p: Problem, terms: Terms, target: float) -> None:
        self.p, self.terms = p, terms
        self.trees = trees_of(p, terms)
        self.coupling = _coupling(p, terms, self.trees.bid, self.trees.part)
        self.now, self.best, self.mean, self.slope = (self._zeros() for _ in range(4))
        self.fraction = np.zeros(p.n_bids)
        self.control = np.array([np.inf, 1.0, target, 0.0, 0.0])
        self.sound = self._all_possible()
        """Whether every order that must be served has a plan, capacity apart: else no bound is low enough."""

    def _zeros(self) -> Duals:
        c, prices = self.coupling, self.trees.rings.price_ptr
        return Duals(
            row=np.zeros(c.anyway.size),
            link=np.zeros(c.group.size),
            label=np.zeros(c.bid.size),
            ring=np.zeros(int(prices[-1])),
        )

    def _all_possible(self) -> bool:
        """Return whether all that must be served have plans without a pair that cannot be."""
        f = self.trees.forest
        pairs = f._replace(
            table=(f.table >= self.trees.forbidden).astype(np.float64), value=np.zeros(f.value.size)
        )
        best, pick = np.empty(int(f.best_ptr[-1]), dtype=np.int64), np.empty(f.parent.size, dtype=np.int64)
        up, worth = np.empty(self.coupling.bid.size), np.empty(f.value.size)
        best_plans(pairs, np.zeros(up.size), up, best, pick, worth)
        return bool((worth == 0.0).all())

    @property
    def bound(self) -> float:
        """The bound of the best prices, before rounding."""
        return float(self.control[0])

    @property
    def work(self) -> int:
        """Work done so far."""
        return int(self.control[4]) // ROUNDS_PER_WORK

    @property
    def converged(self) -> bool:
        """Whether steps have become too small to gain anything."""
        return bool(self.control[4] >= MOST_ROUNDS or self.control[1] < LEAST_STEP)

    def run(self, proceed: Callable[[], bool]) -> None:
        """Lower the bound until it converges or ``proceed()`` says no."""
        while not self.converged and (self.control[4] == 0.0 or proceed()):
            descend(
                self.coupling,
                self.trees.rings,
                self.trees.forest,
                self.now,
                self.best,
                self.mean,
                self.slope,
                self.fraction,
                self.control,
                ROUNDS,
            )

    def messages(self) -> tuple[Floats, Floats]:
        """Return what each label earns with its subtree, and what is lost at least if it is picked."""
        c, f, rings = self.coupling, self.trees.forest, self.trees.rings
        net, unary, up = np.empty(c.profit.size), np.empty(c.bid.size), np.empty(c.bid.size)
        best, pick = np.empty(int(f.best_ptr[-1]), dtype=np.int64), np.empty(f.parent.size, dtype=np.int64)
        worth, loss, around = np.empty(f.value.size), np.empty(c.bid.size), np.empty(c.bid.size)
        senders = np.empty(int(np.diff(f.label_ptr)[rings.to].sum()), dtype=np.int64)
        unaries(c, rings, f, self.best, net, unary, senders)
        best_plans(f, unary, up, best, pick, worth)
        standing(f, up, around, loss)
        return up, loss

    def prices(self) -> Prices:
        """Return the prices for searches; ``worth`` is empty."""
        p, row = self.p, self.best.row
        n, m = len(p.resource_ids), len(p.group_ids)
        link = np.zeros(p.bid_group.size)
        link[(p.group_fixed > 0)[p.bid_group]] = self.best.link
        return Prices(
            resource=row[:n] / np.maximum(p.resource_capacity, 1),
            group=row[n : n + m] / np.maximum(p.group_max, 1),
            link=link,
            worth=np.zeros(0),
            bound=self.bound,
            fraction=np.minimum(1.0, self.fraction),
            lot=self._lots(self.messages()[0]),
        )

    def losses(self) -> Floats:
        """Return what accepting each bid loses at least: 0 or less, without end where it cannot be."""
        c, terms = self.coupling, self.terms
        least = np.where(terms.whole, 1.0, terms.low / np.maximum(terms.high, 1))
        loss = np.where(terms.usable, 0.0, -np.inf)
        np.minimum.at(loss, c.bid, self.messages()[1] * c.part * least[c.bid])
        return loss

    def _lots(self, up: Floats) -> Floats:
        """Return the price per unit of every lot: roots bear what the whole tree costs, the others nothing.

        A lot that nobody makes bears more than the order is worth.
        """
        p, f = self.p, self.trees.forest
        root = np.flatnonzero(f.parent == NONE)
        has = np.diff(f.label_ptr)[root] > 0
        # Reduced over the labels of several lots where others stand between roots: those are cut off again.
        bounds = np.stack([f.label_ptr[root[has]], f.label_ptr[root[has] + 1]], axis=1).ravel()
        top = np.maximum.reduceat(np.append(up, -np.inf), bounds)[::2] if bounds.size else np.zeros(0)
        price = np.zeros(len(p.lot_ids))
        price[root[has]] = -np.maximum(top, -self.trees.forbidden) / p.lot_quantity[root[has]]
        empty = np.flatnonzero(np.diff(f.label_ptr) == 0)
        gifts = np.bincount(
            p.lot_order[root[has]], weights=np.maximum(top, 0.0), minlength=p.n_orders
        ) + np.where(p.order_must, 0, p.order_value)
        price[empty] = gifts[p.lot_order[empty]] / p.lot_quantity[empty]
        return price

    def multipliers(self) -> Multipliers:
        """Return the rounded multipliers: every subtree is paid for at the arc to its parent."""
        p, t, f = self.p, self.trees, self.trees.forest
        prices, (up, _) = self.prices(), self.messages()
        member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
        shares = np.flatnonzero(prices.link > 0)
        label, arc, price = [], [], []
        size = np.diff(f.label_ptr)
        for lot in np.flatnonzero(f.parent != NONE).tolist():
            link, over = int(t.link[lot]), int(f.parent[lot])
            own, above = (np.arange(f.label_ptr[k], f.label_ptr[k + 1]) for k in (lot, over))
            if not own.size or not above.size:
                continue
            sender, paid = own, up[own]
            if int(p.arc_from[link]) != lot:
                table = f.table[f.table_ptr[lot] : f.table_ptr[lot] + own.size * above.size]
                sender = above
                paid = -(up[own][:, None] - table.reshape(own.size, above.size)).max(axis=0)
            label.append(sender)
            price.append(paid / float(p.lot_quantity[p.arc_from[link]]))
            arc.append(np.full(sender.size, link))
        start = p.arc_from[t.ring]
        for e in range(t.ring.size):
            label.append(np.arange(f.label_ptr[start[e]], f.label_ptr[start[e] + 1]))
            span = slice(t.rings.price_ptr[e], t.rings.price_ptr[e + 1])
            price.append(self.best.ring[span] / float(p.lot_quantity[start[e]]))
            arc.append(np.full(size[start[e]], t.ring[e]))
        sent = zip(*(np.concatenate(x).tolist() if x else [] for x in (arc, label)), strict=True)
        micro = rounded(np.concatenate(price)).tolist() if price else []
        bid = t.bid.tolist()
        return Multipliers(
            resources=named(p.resource_ids, prices.resource),
            lots=named(p.lot_ids, prices.lot),
            groups=named(p.group_ids, prices.group),
            openings=tuple(
                (p.group_ids[p.bid_group[k]], p.bid_ids[member[k]], v)
                for k, v in zip(shares.tolist(), rounded(prices.link[shares]).tolist(), strict=True)
                if v
            ),
            arcs=tuple(
                sorted((p.arc_ids[e], p.bid_ids[bid[i]], v) for (e, i), v in zip(sent, micro, strict=True))
            ),
        )


def _coupling(p: Problem, terms: Terms, bid: Ints, part: Floats) -> Coupling:
    """Return what joins the orders: capacity, groups, openings, and single bids that make part of a lot."""
    n, m, bids = len(p.resource_ids), len(p.group_ids), p.n_bids
    quantity = full_quantity(terms)
    user = np.repeat(np.arange(bids), np.diff(p.bid_use_ptr))
    member = np.repeat(np.arange(bids), np.diff(p.bid_group_ptr))
    use = p.use_fixed + p.use_unit * quantity[user]
    size = np.bincount(p.bid_group[terms.usable[member]], minlength=m)
    limited = (p.group_max != NONE) & (size > p.group_max)
    total = np.bincount(p.use_resource, weights=np.where(terms.usable[user], use, 0), minlength=n)
    scarce = total > p.resource_capacity
    used = terms.usable[user] & scarce[p.use_resource] & (use > 0)
    placed = terms.usable[member] & limited[p.bid_group] & (p.group_max[p.bid_group] > 0)
    partial = np.zeros(bids, dtype=np.bool_)
    partial[bid[part < WHOLE]] = True
    capped = np.flatnonzero(partial)
    who = np.concatenate([user[used], member[placed], capped])
    row = np.concatenate([p.use_resource[used], n + p.bid_group[placed], n + m + np.arange(capped.size)])
    amount = np.concatenate(
        [
            use[used] / p.resource_capacity[p.use_resource[used]],
            1.0 / p.group_max[p.bid_group[placed]],
            np.ones(capped.size),
        ]
    )
    by = np.argsort(who, kind="stable")
    anyway, holder = _held(p, user, member, use, used)
    extra = m + capped.size
    split = np.where(terms.whole, 0, terms.profit_unit * quantity + terms.part * quantity // terms.part_of)
    shared = (p.group_fixed > 0)[p.bid_group]
    return Coupling(
        use_ptr=_pointers(who, bids),
        row=row[by],
        amount=amount[by],
        anyway=np.concatenate([anyway, np.ones(extra)]),
        holder=np.concatenate([holder, np.full(extra, NONE)]),
        link_ptr=_pointers(member[shared], bids),
        group=p.bid_group[shared],
        opening=p.group_fixed.astype(np.float64),
        profit=(terms.profit_fixed + split).astype(np.float64),
        bid=bid,
        part=part,
        share=1.0 / np.bincount(bid, minlength=bids)[bid] if bid.size else np.zeros(0),
    )


def _held(p: Problem, user: Ints, member: Ints, use: Ints, used: Flags) -> tuple[Floats, Ints]:
    """Return the share of each resource that is there without its group, and the group that holds it."""
    n, m = len(p.resource_ids), len(p.group_ids)
    anyway, holder = np.ones(n), np.full(n, NONE, dtype=np.int64)
    priced = np.flatnonzero((p.group_fixed > 0)[p.bid_group])
    if not priced.size:
        return anyway, holder
    at = np.flatnonzero(used)
    ptr = np.searchsorted(member[priced], np.arange(p.n_bids + 1))
    counts = np.diff(ptr)[user[at]]
    spot = np.repeat(ptr[user[at]] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    key = np.repeat(p.use_resource[at], counts) * m + p.bid_group[priced[spot]]
    pair, which = np.unique(key, return_inverse=True)
    most = np.bincount(which, weights=np.repeat(use[at], counts), minlength=pair.size)
    by = np.lexsort((pair % m, -most, pair // m))
    resource = pair[by] // m
    first = by[np.flatnonzero(np.diff(resource, prepend=-1))]
    holder[pair[first] // m] = pair[first] % m
    total = np.bincount(p.use_resource[at], weights=use[at], minlength=n)
    rest = total.copy()
    rest[pair[first] // m] -= most[first]
    held = holder != NONE
    anyway[held] = np.minimum(1.0, rest[held] / np.maximum(p.resource_capacity[held], 1))
    return anyway, holder


def _pointers(owner: Ints, n: int) -> Ints:
    ptr = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(owner, minlength=n), out=ptr[1:])
    return ptr

"""Recompute the bound of a clearing exactly from its published multipliers.

Any multipliers give a valid Lagrangian bound, so rounding them to 10^-6 minor units loses
tightness, never truth. Part of the checker: reads the problem and the multipliers alone, shares
no code with formulation or search. Integers only (int64 where magnitudes are small, else Python
integers in object arrays).

Coverage of a lot is priced per unit, except on orders of one lot whose bids each take all of it
and nothing else: there the best single bid is taken exactly. What capacity and openings are worth:
`certificate_capacity`. Goods that move between lots are priced at both ends of their arcs
(`certificate_arcs`). Bids that shut each other out pairwise pay for being in one clique
(`certificate_cliques`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from market.clearing.checker.certificate_arcs import arc_prices
from market.clearing.checker.certificate_capacity import (
    opening_groups,
    own_prices,
    resources_and_openings,
    worth_of_capacity,
)
from market.clearing.checker.certificate_cliques import clique_charges
from market.clearing.problem import NONE
from market.clearing.result import MICRO

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.result import Multipliers

_SAFE = 2.0**61


def certified_bound(p: Problem, m: Multipliers) -> int:
    """Return an upper bound on the objective of every allowed answer, in minor units.

    Raises
    ------
    KeyError
        If the multipliers name what is not there.
    CliqueError
        If a clique is none.
    """
    return _Bound(p, m).total()


def gains(p: Problem, m: Multipliers, quantity: Ints) -> NDArray[Any]:
    """Return what each bid earns at a quantity when all that it touches is priced, in micro units."""
    bound = _Bound(p, m)
    gain: NDArray[Any] = bound.gain(quantity) - bound.openings()[0] - bound.group_limits()
    gain -= clique_charges(p, m, bound.ranges()[0], bound.kind)[0]
    return gain


class _Bound:
    def __init__(self, p: Problem, m: Multipliers) -> None:
        self.p, self.m = p, m
        self.arcs = arc_prices(p, m.arcs)
        self.kind: type = object if _magnitude(p, m) + self.arcs.magnitude(p) > _SAFE else np.int64
        self.owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
        self.user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
        self.member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
        self.own = own_prices(p, m, self.user)
        self.resource_price = _prices(p.resource_ids, m.resources, self.kind, low=0)
        self.lot_price = _prices(p.lot_ids, m.lots, self.kind)
        self.group_price = _prices(p.group_ids, m.groups, self.kind, low=0)

    def exact(self, column: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = column.astype(self.kind)
        return found

    def total(self) -> int:
        """Add up cliques, resources, groups, orders and bids."""
        p = self.p
        least, most, possible = self.ranges()
        at_least, at_most = self.gain(least), self.gain(most)
        best = np.maximum(at_least, at_most)
        share, paid = self.openings()
        charge, cliques = clique_charges(p, self.m, least, self.kind)
        best = best - share - self.group_limits() - charge
        total = cliques + self.capacity(possible, paid)
        total += int((self.group_price * self.exact(np.maximum(p.group_max, 0)))[p.group_max != NONE].sum())
        total += self.orders(best, possible)
        return int(total // MICRO)

    def ranges(self) -> tuple[Ints, Ints, Flags]:
        """Return smallest and largest quantity per bid, and whether it can be accepted at all."""
        p = self.p
        size = np.zeros(p.n_bids, dtype=np.int64)
        np.add.at(size, self.owner, p.item_quantity)
        least = np.where(p.bid_divisible, p.bid_min, size)
        most = size.copy()
        lot_room = np.full(p.n_bids, 2**62, dtype=np.int64)
        np.minimum.at(lot_room, self.owner, p.lot_quantity[p.item_lot])
        most = np.where(p.bid_divisible, np.minimum(most, lot_room), most)
        possible = least <= most
        too_big = ~p.bid_divisible[self.owner] & (p.item_quantity > p.lot_quantity[p.item_lot])
        possible[self.owner[too_big]] = False
        over = (
            self.exact(p.use_fixed) + self.exact(p.use_unit) * least[self.user]
            > p.resource_capacity[p.use_resource]
        )
        possible[self.user[over.astype(bool)]] = False
        elastic = np.flatnonzero(p.bid_divisible[self.user] & (p.use_unit > 0) & ~over.astype(bool))
        room = p.resource_capacity[p.use_resource[elastic]] - p.use_fixed[elastic]
        np.minimum.at(most, self.user[elastic], room // p.use_unit[elastic])
        closed = p.group_max[p.bid_group] == 0
        possible[self.member[closed]] = False
        possible[self.arcs.stranded] = False
        return least, np.maximum(most, least), possible

    def gain(self, q: Ints) -> NDArray[Any]:
        """Return what each bid earns at a quantity, all but groups priced, in micro units."""
        p = self.p
        quantity = self.exact(q)
        offered = np.ones(p.n_bids, dtype=np.int64)
        offered[p.bid_divisible] = p.item_quantity[p.bid_item_ptr[:-1]][p.bid_divisible]
        share = np.where(p.bid_divisible, quantity, 1)
        score = -((-self.exact(p.bid_score) * share * MICRO) // offered)
        gain = score - (self.exact(p.bid_fixed) + self.exact(p.bid_unit) * quantity) * MICRO
        item = np.where(p.bid_divisible[self.owner], quantity[self.owner], p.item_quantity)
        gain = gain + _sum_by(self.owner, self.lot_price[p.item_lot] * item, p.n_bids, self.kind)
        cost = self.resource_price[p.use_resource] * (
            self.exact(p.use_fixed) + self.exact(p.use_unit) * quantity[self.user]
        )
        if self.own[0].size:
            cost[self.own[0]] = self.own[1]
        gain = gain - _sum_by(self.user, cost, p.n_bids, self.kind)
        if self.arcs.item:
            trips = self.arcs.costs(item, self.kind)
            gain = gain - _sum_by(self.owner[self.arcs.item], trips, p.n_bids, self.kind)
        total: NDArray[Any] = gain - self.deliveries(item) * MICRO
        return total

    def deliveries(self, item: NDArray[Any]) -> NDArray[Any]:
        """Return the transport cost of each bid to the fixed sites its lots go to."""
        p = self.p
        cost: NDArray[Any] = np.zeros(p.n_bids, dtype=self.kind)
        if not (p.arc_site != NONE).any():
            return cost
        ends = np.flatnonzero(p.arc_site != NONE)
        ends = ends[np.argsort(p.arc_from[ends], kind="stable")]
        first, last = (np.searchsorted(p.arc_from[ends], p.item_lot, side) for side in ("left", "right"))
        trips = last - first
        which = np.repeat(np.arange(p.item_lot.size), trips)
        nth = np.arange(which.size) - np.repeat(np.cumsum(trips) - trips, trips)
        start, stop = p.bid_site[self.owner[which]], p.arc_site[ends[first[which] + nth]]
        row = _rows_of(p, start, stop)
        moved = np.flatnonzero((row != NONE) & (start != stop))
        which, row = which[moved], row[moved]
        per_unit = self.exact(p.transport_unit[row]) * self.exact(item[which])
        np.add.at(cost, self.owner[which], self.exact(p.transport_fixed[row]) + per_unit)
        return cost

    def group_limits(self) -> NDArray[Any]:
        """Return what each bid pays for places in its groups."""
        price = np.where(self.p.group_max == NONE, 0, self.group_price)
        return _sum_by(self.member, self.exact(price[self.p.bid_group]), self.p.n_bids, self.kind)

    def openings(self) -> tuple[NDArray[Any], dict[int, int]]:
        """Return each bid's share of opening prices, and the shares of each group together."""
        p = self.p
        share: NDArray[Any] = np.zeros(p.n_bids, dtype=self.kind)
        paid: dict[int, int] = {}
        if self.m.openings:
            bids = {name: k for k, name in enumerate(p.bid_ids)}
            groups = {name: k for k, name in enumerate(p.group_ids)}
            for group, bid, price in self.m.openings:
                b, g = bids[bid], groups[group]
                if g not in p.bid_group[p.bid_group_ptr[b] : p.bid_group_ptr[b + 1]]:
                    continue
                share[b] += max(0, price)
                paid[g] = paid.get(g, 0) + max(0, price)
        return share, paid

    def capacity(self, possible: Flags, shares: dict[int, int]) -> int:
        """Return what all capacity is worth at its prices, and what is left of openings."""
        p = self.p
        size = _sum_by(self.owner, self.exact(p.item_quantity), p.n_bids, self.kind)
        amount = self.exact(p.use_fixed) + self.exact(p.use_unit) * size[self.user]
        worth = worth_of_capacity(p, self.resource_price, amount, self.own, self.user)
        group, others = opening_groups(p, possible, amount, self.user, self.member)
        rest = worth_of_capacity(p, self.resource_price, amount, self.own, self.user, others)
        return resources_and_openings(p, worth, rest, group, shares)

    def orders(self, best: NDArray[Any], possible: Flags) -> int:
        """Return the best that orders and bids can earn given all prices."""
        p = self.p
        counts = np.diff(p.bid_item_ptr)
        lots = np.diff(p.order_lot_ptr)
        fits = (
            (counts[self.owner] == 1)
            & ~p.bid_divisible[self.owner]
            & (p.item_quantity == p.lot_quantity[p.item_lot])
        )
        single = (lots == 1) & ~p.order_partial
        misfit = possible[self.owner] & ~fits
        single[p.lot_order[p.item_lot[misfit]]] = False
        order = p.lot_order[p.item_lot]
        inside = fits & single[order] & possible[self.owner]
        value = self.exact(np.where(p.order_must, 0, p.order_value)) * MICRO
        total = 0
        if single.any():
            lot_cost = self.lot_price * self.exact(p.lot_quantity)
            gain = best[self.owner[inside]] - lot_cost[p.item_lot[inside]]
            top: NDArray[Any] = np.full(p.n_orders, -(2**62), dtype=self.kind)
            np.maximum.at(top, order[inside], gain)
            reached = np.zeros(p.n_orders, dtype=np.bool_)
            reached[order[inside]] = True
            worth = np.where(p.order_must, top, np.maximum(0, top + value))
            total += int(worth[single & reached].sum())
        rest = np.ones(p.n_bids, dtype=np.bool_)
        rest[self.owner[inside]] = False
        total += int(np.maximum(0, best)[rest & possible].sum())
        cost = _sum_by(p.lot_order, self.lot_price * self.exact(p.lot_quantity), p.n_orders, self.kind)
        surplus = np.where(p.order_must, -cost, np.maximum(0, value - cost))
        return total + int(surplus[~single].sum())


def _rows_of(p: Problem, start: Ints, stop: Ints) -> Ints:
    """Return the transport row of each pair of sites, ``NONE`` where there is none."""
    rows = zip(p.transport_from.tolist(), p.transport_to.tolist(), strict=True)
    known = {pair: k for k, pair in enumerate(rows)}
    pairs, inverse = np.unique(start * len(p.sites) + stop, return_inverse=True)
    found = [known.get(divmod(pair, len(p.sites)), NONE) for pair in pairs.tolist()]
    return np.array(found, dtype=np.int64)[inverse] if found else np.empty(0, dtype=np.int64)


def _sum_by(index: Ints, values: NDArray[Any], n: int, kind: type) -> NDArray[Any]:
    """Return the sum of values per index, exact."""
    total: NDArray[Any] = np.zeros(n, dtype=kind)
    np.add.at(total, index, values)
    return total


def _prices(
    ids: tuple[str, ...], given: tuple[tuple[str, int], ...], kind: type, low: int | None = None
) -> NDArray[Any]:
    column: NDArray[Any] = np.zeros(len(ids), dtype=kind)
    if given:
        index = {name: k for k, name in enumerate(ids)}
        for name, price in given:
            column[index[name]] = price if low is None else max(low, price)
    return column


def _magnitude(p: Problem, m: Multipliers) -> float:
    """Return a bound, in floats, on the absolute value of every intermediate sum."""

    def top(pairs: tuple[tuple[str, int], ...]) -> float:
        return float(max((abs(v) for _, v in pairs), default=0))

    quantity = float(p.item_quantity.sum(dtype=np.float64))
    use = float(p.use_fixed.sum(dtype=np.float64)) + float(p.use_unit.max(initial=0)) * quantity
    money = (
        p.order_value.sum(dtype=np.float64)
        + np.abs(p.bid_score).sum(dtype=np.float64) * 2
        + p.bid_fixed.sum(dtype=np.float64)
        + float(p.bid_unit.max(initial=0)) * quantity
    )
    score = float(np.abs(p.bid_score).max(initial=0)) * float(p.item_quantity.max(initial=0))
    trips = float(p.transport_fixed.max(initial=0)) * max(p.n_bids, 1) * max(len(p.arc_ids), 1) + float(
        p.transport_unit.max(initial=0)
    ) * quantity * max(len(p.arc_ids), 1)
    extra = sum(abs(v) for _, _, v in m.openings) + sum(abs(v) for _, _, v in m.uses)
    extra += sum(abs(v) * (len(bids) + 1) for bids, v in m.cliques)
    return float(
        MICRO * (money + score + trips + float(p.group_fixed.sum(dtype=np.float64)))
        + top(m.resources) * (use + float(p.resource_capacity.sum(dtype=np.float64)))
        + top(m.lots) * (quantity + float(p.lot_quantity.sum(dtype=np.float64)))
        + top(m.groups) * (p.n_bids + float(np.maximum(p.group_max, 0).sum(dtype=np.float64)))
        + extra
    )

"""Tighten the bound of dual prices by pricing every use of a scarce resource by itself.

Starts where the prices of the linear relaxation prove their bound. What
they price stays priced (lots with divisible bids, group limits, shares of openings, plain
resources); the chosen resources become knapsacks (`max_marginals`). Where goods move between lots
it is not used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.bounds.max_marginals import NEVER, Factors, Messages, sweep
from market.clearing.bounds.multipliers import named, rounded
from market.clearing.bounds.prices import Singles
from market.clearing.formulation.formulate import holders
from market.clearing.problem import NONE
from market.clearing.result import MICRO

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.bounds.prices import Prices
    from market.clearing.formulation.formulate import Formulation
    from market.clearing.problem import Flags, Ints
    from market.clearing.program import Floats
    from market.clearing.result import Multipliers

MOST_FIT = 60.0
"""A resource that so many uses of mean size fit into is not made a knapsack: little would be gained."""

MOST_ROW_CELLS = 8_000_000
MOST_CELLS = 600_000_000
"""Cells of dynamic programmes, uses × capacity: of one knapsack, of all."""

CELLS_PER_WORK = 50_000
LEAST_GAIN = 2e-5
"""Converged when four sweeps lower the bound by less than this share."""

MOST_SWEEPS = 400
MOST_MOVE = 0.9


def decomposable(f: Formulation) -> bool:
    """Return whether goods stay within lots, so that bids meet on lots, capacity and groups only."""
    return not bool((f.problem.arc_to != NONE).any())


class Decomposition:
    """Knapsacks and orders of one market with the messages between them; can be stopped and continued."""

    def __init__(self, f: Formulation, prices: Prices) -> None:
        self.f, self.start = f, prices
        p, terms = f.problem, f.terms
        self.user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
        self.solid = terms.usable & terms.whole & ~p.bid_divisible
        self.holder = holders(p, terms.usable)
        self.member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
        most = np.where(terms.whole, terms.quantity, terms.high)
        self.use = p.use_fixed + p.use_unit * most[self.user]
        self.rows = self._chosen()
        self.factors, self.messages = self._made()
        self.constant = self._constant()
        longest = int(np.diff(self.factors.row_ptr).max(initial=0))
        self.table = np.zeros((longest + 1, int(self.factors.capacity.max(initial=0)) + 1))
        self.marginal = np.zeros(self.factors.item.size)
        self.bound = prices.bound
        self.cells = int((np.diff(self.factors.row_ptr) * self.factors.capacity).sum())
        self.rounding = self._rounding()
        """By how much the bound may rise when prices are rounded to be published."""
        self.sweeps = 0
        self.work = 0
        self.converged = self.rows.size == 0

    def _chosen(self) -> Ints:
        """Return the resources to make knapsacks of: few uses fit, some bids use them whole."""
        p, f = self.f.problem, self.f
        live = self.solid[self.user] & (self.use > 0)
        n = len(p.resource_ids)
        count = np.bincount(p.use_resource[live], minlength=n)
        total = np.bincount(p.use_resource[live], weights=self.use[live], minlength=n)
        fit = p.resource_capacity * count / np.maximum(total, 1)
        cells = count * p.resource_capacity.astype(np.float64)
        good = np.flatnonzero(
            (f.resource_row != NONE) & (count > 1) & (fit < MOST_FIT) & (cells < MOST_ROW_CELLS)
        )
        by = good[np.argsort(fit[good], kind="stable")]
        chosen: Ints = np.sort(by[np.cumsum(cells[by]) <= MOST_CELLS])
        return chosen

    def _made(self) -> tuple[Factors, Messages]:
        """Build the factors and the messages that equal the prices."""
        p, terms, prices = self.f.problem, self.f.terms, self.start
        row_of = np.full(len(p.resource_ids), NONE, dtype=np.int64)
        row_of[self.rows] = np.arange(self.rows.size)
        live = terms.usable[self.user] & (row_of[p.use_resource] != NONE) & (self.use > 0)
        solid = np.flatnonzero(live & self.solid[self.user])
        self.at = solid[np.argsort(row_of[p.use_resource[solid]], kind="stable")]
        """Positions in the problem's uses of the uses here."""
        spare = np.zeros(self.rows.size, dtype=np.int64)
        soft = np.flatnonzero(live & ~self.solid[self.user])
        np.add.at(spare, row_of[p.use_resource[soft]], self.use[soft])
        gain = self._gain()
        moving, floor = self._floors(gain)
        bids = np.flatnonzero(moving)
        counts = np.diff(p.bid_item_ptr)[bids]
        cover_ptr = np.zeros(bids.size + 1, dtype=np.int64)
        np.cumsum(counts, out=cover_ptr[1:])
        items = np.arange(cover_ptr[-1]) + np.repeat(p.bid_item_ptr[bids] - cover_ptr[:-1], counts)
        cover_lot = p.item_lot[items]
        target = self.start.lot * p.lot_quantity
        owed = np.bincount(np.repeat(np.arange(bids.size), counts), weights=target[cover_lot])
        rest = (gain[bids] + owed) / np.maximum(counts, 1)
        cover = np.repeat(rest, counts) - target[cover_lot]
        index = np.full(p.n_bids, 0, dtype=np.int64)
        index[bids] = np.arange(bids.size)
        by_lot = np.argsort(cover_lot, kind="stable")
        factors = Factors(
            row_ptr=np.searchsorted(row_of[p.use_resource[self.at]], np.arange(self.rows.size + 1)),
            capacity=p.resource_capacity[self.rows],
            spare=spare,
            unit_price=rounded(prices.resource[self.rows]) / MICRO,
            row_group=self.holder[self.rows],
            weight=self.use[self.at],
            item=index[self.user[self.at]],
            frozen=~moving[self.user[self.at]],
            cover_ptr=cover_ptr,
            cover_lot=cover_lot,
            lot_ptr=np.searchsorted(cover_lot[by_lot], np.arange(len(p.lot_ids) + 1)),
            lot_cover=by_lot,
            floor=floor,
            lot_order=p.lot_order,
            value=np.where(p.order_must, 0, p.order_value).astype(np.float64),
            must=p.order_must,
        )
        self.bids = bids
        best = floor.copy()
        np.maximum.at(best, cover_lot, cover)
        total = factors.value.copy()
        np.add.at(total, p.lot_order, best)
        messages = Messages(
            price=prices.resource[p.use_resource[self.at]] * self.use[self.at].astype(np.float64),
            cover=cover,
            lot_best=best,
            order_total=total,
            row_worth=prices.resource[self.rows] * self.factors_capacity(),
            group_total=self._group_totals(),
        )
        return factors, messages

    def factors_capacity(self) -> Floats:
        """Return the capacity of the knapsacks."""
        return self.f.problem.resource_capacity[self.rows].astype(np.float64)

    def _priced(self, quantity: Ints) -> Floats:
        """Return what each bid earns at a quantity when all but lots is priced."""
        p, terms, prices = self.f.problem, self.f.terms, self.start
        split = np.where(
            terms.whole, 0, terms.profit_unit * quantity + terms.part * quantity // terms.part_of
        )
        gain = (terms.profit_fixed + split).astype(np.float64)
        size = np.where(terms.whole, terms.quantity, quantity)
        use = p.use_fixed + p.use_unit * size[self.user]
        gain -= np.bincount(self.user, weights=prices.resource[p.use_resource] * use, minlength=p.n_bids)
        places = prices.link + np.where(p.group_max == NONE, 0.0, prices.group)[p.bid_group]
        gain -= np.bincount(self.member, weights=places, minlength=p.n_bids)
        return gain

    def _gain(self) -> Floats:
        """Return the same for whole bids."""
        return self._priced(self.f.terms.quantity)

    def _floors(self, gain: Floats) -> tuple[Flags, Floats]:
        """Return the bids whose prices may move, and what every lot is worth to the others.

        A bid moves if it covers whole lots; the others take their lots' prices as they are, a bid on
        one lot at its best rate.
        """
        p, terms = self.f.problem, self.f.terms
        owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
        part = ~self.solid[owner] | (terms.item_quantity != p.lot_quantity[p.item_lot])
        moving = terms.usable.copy()
        moving[owner[part]] = False
        floor = np.full(len(p.lot_ids), NEVER)
        target = self.start.lot * p.lot_quantity
        rest = np.flatnonzero((terms.usable & ~moving)[owner])
        bid, lot = owner[rest], p.item_lot[rest]
        several = np.diff(p.bid_item_ptr)[bid] > 1
        many = rest[several]
        if many.size:
            share = terms.item_quantity[many] / p.lot_quantity[p.item_lot[many]]
            owed = np.bincount(owner[many], weights=share * target[p.item_lot[many]], minlength=p.n_bids)
            excess = np.maximum(0.0, gain + owed)[owner[many]] / np.diff(p.bid_item_ptr)[owner[many]]
            np.maximum.at(floor, p.item_lot[many], excess / share - target[p.item_lot[many]])
        bid, lot, item = bid[~several], lot[~several], rest[~several]
        for quantity, at in ((terms.low, terms.low), (terms.high, terms.high)):
            amount = np.where(terms.whole[bid], terms.item_quantity[item], at[bid])
            rate = self._priced(quantity)[bid] * p.lot_quantity[lot] / np.maximum(amount, 1)
            np.maximum.at(floor, lot, rate)
        return moving, floor

    def _group_totals(self) -> Floats:
        """Return what shares of openings and capacity that opens with them pay beyond the opening cost."""
        p, prices = self.f.problem, self.start
        total = np.bincount(p.bid_group, weights=prices.link, minlength=len(p.group_ids)) - p.group_fixed
        held = (self.holder != NONE) & (self.f.resource_row != NONE)
        np.add.at(total, self.holder[held], prices.resource[held] * p.resource_capacity[held])
        return np.asarray(total, dtype=np.float64)

    def _constant(self) -> float:
        """Return the worth of what is neither a knapsack nor opens with a group."""
        p, prices = self.f.problem, self.start
        plain = (self.holder == NONE) & (self.f.resource_row != NONE)
        plain[self.rows] = False
        limited = p.group_max != NONE
        return float(
            (prices.resource * p.resource_capacity)[plain].sum()
            + (prices.group * np.maximum(p.group_max, 0))[limited].sum()
        )

    def _rounding(self) -> float:
        p = self.f.problem
        lots = float(p.item_quantity.sum()) + float(p.lot_quantity.sum())
        plain = np.ones(len(p.resource_ids), dtype=np.bool_)
        plain[self.rows] = False
        used = float(self.use[plain[p.use_resource]].sum()) + float(p.resource_capacity[plain].sum())
        return (lots + used + self.use.size + 3 * p.bid_group.size) / MICRO

    def _sweep(self, rows: Ints, mode: int) -> float:
        self.work += max(1, self.cells // CELLS_PER_WORK)
        return self.constant + float(
            sweep(rows, self.factors, self.messages, self.table, self.marginal, mode)
        )

    def run(self, proceed: Callable[[], bool]) -> None:
        """Sweep forth and back while ``proceed()`` and the bound still falls."""
        forth = np.arange(self.rows.size)
        back = forth[::-1].copy()
        recent = [np.inf] * 4
        while not self.converged and proceed():
            self.bound = self._sweep(back if self.sweeps % 2 else forth, 0)
            self.sweeps += 1
            recent = [*recent[1:], self.bound]
            self.converged = self.sweeps >= MOST_SWEEPS or recent[0] - recent[3] < LEAST_GAIN * abs(recent[3])

    def settle(self) -> None:
        """Move prices to those of their resources where the bound stays, so that less is to be published."""
        self.bound = self._sweep(np.arange(self.rows.size), 2)

    def prices(self) -> Prices:
        """Return the prices with the new bound and what every column is worth at most.

        They tell of single uses if those of nearly all bids may move: others are on another scale.
        """
        self._sweep(np.arange(self.rows.size), 1)
        p, m, start = self.f.problem, self.messages, self.start
        worth = start.worth + max(0.0, start.bound - self.bound)
        worth = np.where(start.worth > 0, start.worth, np.minimum(worth, 0.0))
        at_lot = m.order_total[p.lot_order] - m.lot_best
        spent = m.cover + at_lot[self.factors.cover_lot]
        must = p.order_must[p.lot_order[self.factors.cover_lot]]
        total = m.order_total[p.lot_order[self.factors.cover_lot]]
        lost = spent - np.where(must, total, np.maximum(0.0, total))
        owner = np.repeat(np.arange(self.bids.size), np.diff(self.factors.cover_ptr))
        mine = np.bincount(owner, weights=lost, minlength=self.bids.size)
        moved = ~self.factors.frozen
        mine += np.bincount(
            self.factors.item[moved],
            weights=np.minimum(0.0, self.marginal[moved]),
            minlength=self.bids.size,
        )
        worth[self.f.bid_column[self.bids]] = mine
        bid = np.where(self.f.bid_column == NONE, -np.inf, np.append(worth, 0.0)[self.f.bid_column])
        single = None
        if self.bids.size >= MOST_MOVE * int(self.f.terms.usable.sum()):
            single = Singles(bid=np.minimum(bid, 0.0), order=np.maximum(m.order_total, 0.0))
        return replace(start, worth=worth, bound=self.bound, single=single)

    def multipliers(self, base: Multipliers) -> Multipliers:
        """Return the multipliers of the prices."""
        p, m = self.f.problem, self.messages
        micro = rounded(m.price)
        row = np.repeat(np.arange(self.rows.size), np.diff(self.factors.row_ptr))
        plain = rounded(self.factors.unit_price[row] * self.factors.weight)
        first = np.zeros(micro.size, dtype=np.bool_)
        first[self.factors.row_ptr[:-1][np.diff(self.factors.row_ptr) > 0]] = True
        told = np.flatnonzero((micro != plain) | first)
        users, resources = self.user[self.at[told]].tolist(), p.use_resource[self.at[told]].tolist()
        known = m.lot_best > NEVER / 2
        lots = np.where(known, -m.lot_best / p.lot_quantity, self.start.lot)
        return replace(
            base,
            lots=named(p.lot_ids, lots),
            uses=tuple(
                (p.bid_ids[b], p.resource_ids[r], v)
                for b, r, v in zip(users, resources, micro[told].tolist(), strict=True)
            ),
            kind="lagrangian",
        )

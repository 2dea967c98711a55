"""Run the compiled volume algorithm on a packable market and read its prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.lagrangian import Point, volume
from market.clearing.multipliers import named
from market.clearing.packing import packing_of
from market.clearing.prices import Prices, no_prices
from market.clearing.problem import NONE
from market.clearing.result import Multipliers

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.formulate import Formulation
    from market.clearing.program import Floats

STEPS_PER_SLICE = 25
LEAST_GAIN = 2e-6
"""Converged when four slices of steps lower the bound by less than this share."""

MOST_STEPS = 4000


class CapacityPricer:
    """Prices the capacity of one packable market, in slices; can be stopped and continued."""

    def __init__(self, f: Formulation) -> None:
        p = f.problem
        self.f = f
        self.packing = packing_of(p, f.terms, np.arange(p.n_bids), no_prices(p))
        m = self.packing.model
        rows, entries = m.capacity.size, m.item_row.size
        self.covering = m.item_row < p.n_orders
        several = np.bincount(m.entry_item[self.covering], minlength=m.profit.size) > 1
        self.point = Point(
            price=np.zeros(rows),
            share=np.zeros(entries),
            surplus=np.zeros(p.n_orders),
            excess=np.zeros(rows),
            apart=np.zeros(entries),
            primal=np.zeros(entries),
            shared=np.flatnonzero(self.covering & several[m.entry_item]),
        )
        self.state = np.array([1e300, 1.0, 0.0, 1.0])
        self.steps = 0
        self.converged = False

    def run(self, proceed: Callable[[], bool]) -> None:
        """Take steps while ``proceed()`` and the bound still falls."""
        recent = [np.inf] * 4
        while not self.converged:
            recent = [*recent[1:], volume(self.packing.model, self.point, self.state, STEPS_PER_SLICE)]
            self.steps += STEPS_PER_SLICE
            self.converged = self.steps >= MOST_STEPS or recent[0] - recent[3] < LEAST_GAIN * abs(recent[3])
            if not proceed():
                return

    def prices(self) -> Prices:
        """Return the best prices found."""
        p, m, point = self.f.problem, self.packing.model, self.point
        at_orders = point.surplus[np.minimum(m.item_row, p.n_orders - 1)]
        paid = np.where(self.covering, at_orders, point.price[m.item_row] * m.item_use)
        worth = m.profit - np.bincount(m.entry_item, weights=paid, minlength=m.profit.size)
        columns = np.zeros(self.f.program.n_columns)
        columns[self.f.bid_column[self.packing.plan_bid]] = worth
        opened = self.f.group_column[self.f.group_column != NONE]
        columns[opened] = self.f.program.cost[opened]
        n = len(p.resource_ids)
        return Prices(
            resource=point.price[p.n_orders : p.n_orders + n].copy(),
            group=point.price[p.n_orders + n :].copy(),
            link=np.zeros(p.bid_group.size),
            worth=columns,
            fraction=self.fractions(),
            bound=float(self.state[0]) - self.packing.bonus * int(p.order_must.sum()),
        )

    def fractions(self) -> Floats:
        """Return about how much of each bid the relaxation accepts, up to a common factor."""
        weight = np.bincount(self.packing.model.entry_item, weights=self.point.primal)
        fraction = np.zeros(self.f.problem.n_bids)
        fraction[self.packing.plan_bid] = weight / max(float(weight.max(initial=0.0)), 1e-300)
        return fraction

    def multipliers(self) -> Multipliers:
        """Return the multipliers of the best prices."""
        p, prices = self.f.problem, self.prices()
        value = np.where(p.order_must, float(self.packing.bonus), p.order_value)
        return Multipliers(
            resources=named(p.resource_ids, prices.resource),
            lots=named(p.lot_ids, (value - self.point.surplus) / p.lot_quantity),
            groups=named(p.group_ids, prices.group),
        )

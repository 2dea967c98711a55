"""The master program of the central plan: prices of capacity from the ways found so far, until they settle.

It takes at most one way per order, in parts, within all capacity; the best ways at its prices are the
next ones (column generation, Gilmore and Gomory 1961). Prices move only half of the way (Wentges 1997).
Only the prices are used: their bound is computed in integers by `plan_pricing`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import highspy
import numpy as np

from scenarios.study.plan_pricing import Column, best_options, column_of, fill, priced
from scenarios.study.plan_problem import SCALE, Ints, PlanProblem, Side

MAX_ROUNDS = 200
SETTLED = 1e-4
"""Of the welfare: prices whose bound is so near to what the ways found so far reach are settled."""
STEADY = 0.5
"""Weight of the best prices so far in those at which ways are looked for."""
DIVE_ROUNDS = 12
"""Most rounds in which prices settle while ways are taken one after the other."""
WHOLE = 0.95
"""Part of a way from which on it counts as whole."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Prices of all capacity, scaled, and their bound on what is worth most, scaled."""

    prices: Ints
    bound: int


_Key = tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class Master:
    """Generates ways to make orders on one side of a problem.

    Parameters
    ----------
    dated
        Whether goods must be there before the work that needs them begins, or it is enough that some dates
        fit.
    left, made
        What is left of all capacity, and the orders that took the rest.
    ways
        Ways known before.
    """

    def __init__(
        self,
        p: PlanProblem,
        side: Side,
        *,
        dated: bool,
        left: Ints | None = None,
        made: Collection[int] = (),
        ways: Iterable[Column] = (),
    ) -> None:
        self.p, self.side, self.dated = p, side, dated
        self.left = side.capacity if left is None else left
        self.open = [number for number in range(len(p.orders)) if number not in made]
        self.known: dict[_Key, Column] = {}
        self.best: Settled | None = None
        self.model = _empty(len(p.orders), self.left)
        for way in ways:
            if way.order not in made:
                self._add(way)

    def settle(self, start: Ints, rounds: int = MAX_ROUNDS) -> Settled:
        """Return prices that no others beat by much, looked for from some."""
        self._price(start)
        for _ in range(rounds):
            value, prices = self._relaxed()
            best = self._best()
            if best.bound - value * SCALE <= SETTLED * max(1.0, abs(value)) * SCALE:
                break
            blend = (STEADY * best.prices + (1 - STEADY) * prices).astype(np.int64)
            if not self._price(blend) and not self._price(prices):
                break
        return self._best()

    def largest(self) -> list[tuple[float, Column]]:
        """Return the ways that orders are made in and the parts made so, the largest part first."""
        self.model.run()
        parts = np.array(self.model.getSolution().col_value)
        ways = list(self.known.values())
        numbers = np.argsort(-parts, kind="stable").tolist()
        return [(float(parts[number]), ways[number]) for number in numbers if parts[number] > 0]

    def _best(self) -> Settled:
        assert self.best is not None
        return self.best

    def _price(self, prices: Ints) -> bool:
        """Add the best way of every order at some prices, note their bound; return whether any is new."""
        p = self.p
        filled = fill(p, self.side, slice(0, p.row.size), prices, self.left)
        bound = priced(prices, self.left)
        new = False
        for number in self.open:
            worth, options = best_options(p.orders[number], filled, 0, dated=self.dated)
            if worth > 0:
                bound += worth
                new |= self._add(column_of(p, self.side, number, options, filled, 0))
        if self.best is None or bound < self.best.bound:
            self.best = Settled(prices, bound)
        return new

    def _add(self, way: Column) -> bool:
        key = way.order, way.options, way.rows, way.amounts
        if key in self.known:
            return False
        self.known[key] = way
        first = len(self.p.orders)
        self.model.addCol(
            way.worth / SCALE,
            0.0,
            highspy.kHighsInf,
            1 + len(way.rows),
            np.array([way.order, *(first + row for row in way.rows)], dtype=np.int32),
            np.array([1.0, *map(float, way.amounts)]),
        )
        return True

    def _relaxed(self) -> tuple[float, Ints]:
        """Return the welfare of the ways found so far, minor units, and its prices, scaled."""
        self.model.run()
        value = self.model.getInfo().objective_function_value
        duals = np.array(self.model.getSolution().row_dual)[len(self.p.orders) :]
        return value, np.rint(np.maximum(0.0, duals) * SCALE).astype(np.int64)


def _empty(orders: int, left: Ints) -> highspy.Highs:
    """Return a program without columns: a row per order, then one per resource."""
    model = highspy.Highs()  # type: ignore[no-untyped-call]
    model.silent()
    model.setOptionValue("threads", 1)
    model.changeObjectiveSense(highspy.ObjSense.kMaximize)
    most = np.concatenate([np.ones(orders), left.astype(np.float64)])
    none = np.zeros(0, dtype=np.int32)
    lowest = np.full(most.size, -highspy.kHighsInf)
    starts = np.zeros(most.size, dtype=np.int32)
    model.addRows(most.size, lowest, most, 0, starts, none, none.astype(np.float64))
    return model


def dive(p: PlanProblem, side: Side, prices: Ints) -> list[Column]:
    """Return a joint plan: ways made nearly whole are taken, prices settled anew for what is left."""
    left = side.capacity.copy()
    taken: dict[int, Column] = {}
    ways: list[Column] = []
    while len(taken) < len(p.orders):
        master = Master(p, side, dated=True, left=left, made=taken, ways=ways)
        prices = master.settle(prices, DIVE_ROUNDS).prices
        ways = list(master.known.values())
        before = len(taken)
        for part, way in master.largest():
            if len(taken) > before and part < WHOLE:
                break
            if way.order not in taken and not (left[list(way.rows)] < way.amounts).any():
                taken[way.order] = way
                left[list(way.rows)] -= way.amounts
        if len(taken) == before:
            break
    return list(taken.values())

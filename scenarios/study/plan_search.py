"""Searches the best joint plan by taking some orders out and putting others in, at settled prices.

Orders that want the same capacity are taken out together and put in again one after the other, each the
best way that what is left allows (large neighbourhood search, Shaw 1998; worse plans are kept at times,
Kirkpatrick, Gelatt and Vecchi 1983). Counted moves of a seeded stream, no clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from random import Random

import numpy as np

from scenarios.study.plan_pricing import Column, best_options, column_of, fill, fitting
from scenarios.study.plan_problem import Ints, PlanProblem

MOVES_PER_ORDER = 400
OUT = (1, 2, 2, 3, 3, 4, 5, 6)
"""How many orders are taken out at a time."""
MOST_IN = 10
"""Orders that are tried in their place."""
WARMTH = 0.005
"""Of the welfare per order: by so much a plan may get worse at first; at the end it may not."""
FACTORS = (0.0, 0.5, 1.0, 1.0, 1.5)
"""Of the settled prices, at which ways are chosen: none takes the soonest, high ones what nobody wants."""
ENOUGH = 1e-4
"""Of the bound: a plan so near to it is not improved."""


class PlanSearch:
    """A plan that is being improved.

    Parameters
    ----------
    p
        The problem; plans are made of its exact side.
    prices, bound
        Settled prices, and a bound on the welfare of any plan, both scaled.
    rng
        Where every choice comes from.
    """

    def __init__(self, p: PlanProblem, prices: Ints, bound: int, rng: Random) -> None:
        self.p, self.bound, self.rng = p, bound, rng
        self.left = p.exact.capacity.copy()
        self.plan: dict[int, Column] = {}
        self.worth = 0
        self.priced = [(prices * factor).astype(np.int64) for factor in FACTORS]
        self.wanted = [self._rows(number, prices) for number in range(len(p.orders))]

    def best(self, start: Iterable[Column]) -> tuple[Column, ...]:
        """Return the ways of the best plan found from one to start with, by order."""
        count = len(self.p.orders)
        moves = MOVES_PER_ORDER * count
        for way in start:
            self._take(way)
        best, kept = self.worth, dict(self.plan)
        for move in range(moves):
            if best >= self.bound * (1 - ENOUGH):
                break
            warmth = WARMTH * max(1, best) / count * (1 - move / moves)
            before = self.worth
            out, put_in = self._move()
            loss = before - self.worth
            if loss > 0 and self.rng.random() >= math.exp(-loss / max(1.0, warmth)):
                self._take_back(out, put_in)
            elif self.worth > best:
                best, kept = self.worth, dict(self.plan)
        return tuple(kept[number] for number in sorted(kept))

    def _move(self) -> tuple[list[Column], list[int]]:
        """Take some orders out and put others in; return the ways that were left and the orders put in."""
        rng = self.rng
        count = len(self.p.orders)
        seed = rng.randrange(count)
        many = rng.choice(OUT)
        wanted = set(self.plan[seed].rows) if seed in self.plan else self.wanted[seed]
        rivals = [n for n, way in self.plan.items() if n != seed and not wanted.isdisjoint(way.rows)]
        rivals.sort()
        rng.shuffle(rivals)
        others = [number for number in range(count) if number != seed and number not in rivals]
        gone = [seed, *[*rivals, *rng.sample(others, min(many, len(others)))][: many - 1]]
        out = [self._take_out(number) for number in gone if number in self.plan]
        waiting = [n for n in range(count) if n not in self.plan and n not in gone]
        rng.shuffle(gone)
        rng.shuffle(waiting)
        tried = [*gone, *waiting]
        if rng.randrange(2):
            rng.shuffle(tried)
        prices = self.priced[rng.randrange(len(self.priced))]
        return out, [number for number in tried[:MOST_IN] if self._put_in(number, prices)]

    def _take_back(self, out: list[Column], put_in: list[int]) -> None:
        for number in put_in:
            self._take_out(number)
        for way in out:
            self._take(way)

    def _put_in(self, number: int, prices: Ints) -> bool:
        """Make an order the best way that what is left allows; return whether there is one worth it."""
        way = fitting(self.p, number, prices, self.left)
        if way is None or way.worth <= 0:
            return False
        self._take(way)
        return True

    def _take(self, way: Column) -> None:
        self.plan[way.order] = way
        self.worth += way.worth
        self.left[list(way.rows)] -= way.amounts

    def _take_out(self, number: int) -> Column:
        way = self.plan.pop(number)
        self.worth -= way.worth
        self.left[list(way.rows)] += way.amounts
        return way

    def _rows(self, number: int, prices: Ints) -> set[int]:
        """Return what an order would take of everything, were it alone."""
        p = self.p
        order = p.orders[number]
        filled = fill(p, p.exact, order.options, prices)
        _, options = best_options(order, filled, order.options.start, dated=True)
        if not options:
            return set()
        return set(column_of(p, p.exact, number, options, filled, order.options.start).rows)

"""Solve changed markets again, warm and exactly: without a bidder, or with other prices.

Implements `market.mechanisms.rule.Resolve` on a solver. One relaxation per market serves all
bidders: its duals bound the optimum without any of them. What a bidder's absence leaves, repaired
order by order, is where a solve starts and what lets reduced costs exclude most columns; often
the bound shows at once that nothing better exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import local
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from market.clearing.errors import UnprovenError
from market.clearing.formulation.allocation import Allocation, allocation_of, allowed, decode, units_of
from market.clearing.formulation.formulate import formulate, start_of
from market.clearing.formulation.restrict import reduced_costs, restricted
from market.clearing.order_by_order.greedy import greedy_sequence
from market.clearing.order_by_order.plans import Planner
from market.clearing.program import Answer, SolveLimits
from market.clearing.terms import terms_of
from market.clearing.tie_break import lottery

if TYPE_CHECKING:
    from market.clearing.formulation.formulate import Formulation
    from market.clearing.problem import Flags, Problem
    from market.clearing.program import Floats, Program, Solver


ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What re-solving may take.

    ``left_s`` returns the seconds left of the clearing (None for no limit); ``work`` is the work
    limit of the clearing, which every single solve may take again, whatever ``workers``, so that
    what is proven does not depend on them.
    """

    left_s: Callable[[], float | None]
    work: int | None = None
    workers: int = 1

    def limits(self) -> SolveLimits:
        """Return the limits of the next solve."""
        left = self.left_s()
        if left is not None and left <= 0:
            raise UnprovenError("no time left to solve again what payments compare with")
        work = None if self.work is None else max(LEAST_WORK, self.work)
        return SolveLimits(time_s=left, work=work)


LEAST_WORK = 1000
"""LP iterations that one solve may take at least."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Relaxed:
    """A formulated market with the duals of its relaxation and reduced costs."""

    f: Formulation
    worth: Floats
    rows: float
    """What the rows contribute to the dual bound; columns add their positive reduced costs."""


class Counterfactuals:
    """Exact optima of changed markets."""

    def __init__(self, solver: Solver, budget: Budget, *, warm: bool = True) -> None:
        self.solver, self.budget, self.warm = solver, budget, warm
        self._busy = local()
        """Of each thread, whether it is one of several already."""

    def each(self, job: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> list[ResultT]:
        """Do a job for every item, as many at a time as there are workers; results in the items' order."""
        todo = list(items)
        if self.budget.workers == 1 or len(todo) <= 1 or getattr(self._busy, "now", False):
            return [job(item) for item in todo]

        def one(item: ItemT) -> ResultT:
            self._busy.now = True
            return job(item)

        with ThreadPoolExecutor(self.budget.workers) as pool:
            return list(pool.map(one, todo))

    def without(self, p: Problem, a: Allocation, bidders: Sequence[int]) -> list[Allocation | None]:
        """Return an optimum without each bidder in turn; None where must-serve orders need it.

        Raises
        ------
        UnprovenError
            If a limit ends a solve before its optimum is proven.
        """
        relaxed = self.relax(p)

        def one(bidder: int) -> Allocation | None:
            return self.optimum(relaxed, self.repaired(relaxed, a, bidder), p.bid_bidder == bidder)

        return self.each(one, bidders)

    def best(self, p: Problem, a: Allocation) -> Allocation:
        """Return an optimal allocation.

        Raises
        ------
        UnprovenError
            If a limit ends the solve before its optimum is proven.
        """
        found = self.optimum(self.relax(p), a, np.zeros(p.n_bids, dtype=np.bool_))
        if found is None:
            raise UnprovenError("a market that has an allocation was called infeasible")
        return found

    def relax(self, p: Problem) -> _Relaxed:
        """Formulate a market and solve its relaxation."""
        f = formulate(p, terms_of(p))
        duals = np.zeros(f.program.n_rows)
        if self.warm:
            solved = self.solver.solve_relaxation(f.program, self.budget.limits())
            if solved.duals is not None:
                duals = solved.duals
        side = np.where(duals > 0, f.program.row_upper, f.program.row_lower)
        # Any duals bound the optimum; the wrong sign on a one-sided row is rounding.
        priced = (duals != 0) & np.isfinite(side)
        duals = np.where(priced, duals, 0.0)
        return _Relaxed(
            f=f, worth=reduced_costs(f.program, duals), rows=float((side[priced] * duals[priced]).sum())
        )

    def repaired(self, base: _Relaxed, a: Allocation, bidder: int) -> Allocation | None:
        """Return the allocation without a bidder, its orders planned anew; None if some must be served."""
        if not self.warm:
            return None
        p, terms = base.f.problem, base.f.terms
        owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
        order = p.lot_order[p.item_lot]
        quantity = np.where(p.bid_bidder == bidder, 0, a.quantity)
        lost = (a.quantity > 0) & (quantity == 0)
        broken = np.zeros(p.n_orders, dtype=np.bool_)
        while lost.any():
            broken[order[lost[owner]]] = True
            lost = np.zeros(p.n_bids, dtype=np.bool_)
            lost[owner[broken[order]]] = True
            lost &= quantity > 0
            quantity = np.where(lost, 0, quantity)
        moves = [move for move in a.moves if not broken[p.lot_order[p.arc_from[move[0]]]]]
        usable = terms.usable & (p.bid_bidder != bidder)
        planner = Planner(p, replace(terms, usable=usable), lottery(p.seed, p.bid_ids))
        room = planner.room()
        planner.take(room, tuple((b, int(quantity[b])) for b in np.flatnonzero(quantity).tolist()))
        for o in greedy_sequence(p).tolist():
            plan = planner.best(o, room) if broken[o] else None
            if plan is not None and (p.order_must[o] or plan.profit + int(p.order_value[o]) > 0):
                planner.take(room, plan.chosen)
                moves += plan.moves
                for b, q in plan.chosen:
                    quantity[b] = q
        repaired = allocation_of(p, terms, quantity, tuple(moves))
        short = (p.order_must & (repaired.units < units_of(p))).any()
        return None if short or not allowed(p, terms, repaired) else repaired

    def optimum(self, base: _Relaxed, start: Allocation | None, banned: Flags) -> Allocation | None:
        """Return the best allocation without the banned bids; None if there is none.

        ``start`` is an allocation without them, or None.
        """
        f, program = base.f, base.f.program
        keep = np.ones(program.n_columns, dtype=np.bool_)
        for columns in (f.bid_column, f.steps_column):
            gone = columns[banned]
            keep[gone[gone >= 0]] = False
        if _empty_rows_fail(program, keep):
            return None
        values = None
        if start is not None:
            bound = base.rows + float((np.maximum(0.0, base.worth) * program.upper)[keep].sum())
            if bound + _tolerance(bound) - start.objective < 1.0:
                return start
            values = start_of(f, start.quantity, start.units)
            hopeless = base.worth < -(bound - start.objective - 1.0 + _tolerance(bound))
            keep &= ~(program.integer & hopeless) | (np.nan_to_num(values, nan=1.0) > 0.5)  # noqa: PLR2004
        rest = restricted(program, keep, np.zeros(program.n_columns))
        solved = self.solver.solve(
            rest.program, self.budget.limits(), start=None if values is None else values[keep]
        )
        if solved.answer is Answer.INFEASIBLE and start is None:
            return None
        if solved.answer is not Answer.OPTIMAL or solved.values is None:
            raise UnprovenError("a market solved again was not proven optimal within the limits")
        found = decode(f, rest.expand(solved.values, np.zeros(program.n_columns)))
        if start is not None and start.objective >= found.objective:
            found = start
        elif not allowed(f.problem, f.terms, found):
            raise UnprovenError("a market solved again came out beyond its limits")
        if solved.bound + rest.constant + _tolerance(solved.bound) - found.objective >= 1.0:
            raise UnprovenError("a market solved again has a bound above its optimum")
        return found


def _tolerance(bound: float) -> float:
    """Return how far a solver's bound may be off by rounding."""
    return 1e-6 * math.sqrt(max(1.0, abs(bound)))


def _empty_rows_fail(program: Program, keep: Flags) -> bool:
    """Return whether a row is left without columns that 0 does not satisfy."""
    rows = np.repeat(np.arange(program.n_rows), np.diff(program.row_ptr))
    bare = np.ones(program.n_rows, dtype=np.bool_)
    bare[rows[keep[program.column]]] = False
    return bool((bare & ((program.row_lower > 0) | (program.row_upper < 0))).any())

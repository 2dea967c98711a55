"""One connected market under search: its relaxation, its program, and the moves that improve it.

Every step takes its own budget and offers what it finds to the incumbent. How steps follow each
other, in one thread or several, is the business of `timed_search` and `counted_search`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.bounds.held_capacity import with_held
from market.clearing.bounds.multipliers import multipliers_of
from market.clearing.bounds.prices import Prices, no_prices, prices_of_duals
from market.clearing.formulation.allocation import allocation_of, allowed, decode
from market.clearing.formulation.formulate import formulate, start_of
from market.clearing.formulation.packing_rules import annealable, packable, priceable
from market.clearing.formulation.restrict import restricted
from market.clearing.order_by_order.greedy import greedy
from market.clearing.problem import NONE
from market.clearing.program import Answer, SolveLimits
from market.clearing.result import Multipliers
from market.clearing.search.incumbent import Incumbent
from market.clearing.search.neighbourhood import Neighbourhoods
from market.clearing.tie_break import lottery

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.bounds.decomposition import Decomposition
    from market.clearing.bounds.held_capacity import Held
    from market.clearing.bounds.order_prices import OrderPrices
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.formulation.formulate import Formulation
    from market.clearing.local_search.annealing import Annealer
    from market.clearing.local_search.packing import Packing
    from market.clearing.local_search.plan_rounds import PlanRounds
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.program import Floats, ProgramResult, Solver
    from market.clearing.terms import Terms


LARGEST_RELAXED = 15_000
"""Columns up to which markets whose goods move get a linear relaxation: it is quick, and a little tighter."""

LARGE_COLUMNS = 60_000
"""Programs above this size are never searched whole."""

COMPLETION_WORK = 20_000
"""For flows and suppliers of an allocation found without the program."""


class Case:
    """One market and everything known about it so far."""

    def __init__(self, p: Problem, terms: Terms, solver: Solver, incumbent: Incumbent) -> None:
        self.p, self.terms, self.solver, self.incumbent = p, terms, solver, incumbent
        self._formulation: Formulation | None = None
        self.held: Held | None = None
        self.prices: Prices | None = None
        self.decomposition: Decomposition | None = None
        self.multipliers: Multipliers | None = None
        self.infeasible = False
        self.cut = False
        """Whether the relaxation has been cut by cliques."""
        self.uncut: Multipliers | None = None
        """Those of the relaxation before it was cut: single uses are priced from there."""
        self._known: tuple[Allocation, Floats] | None = None
        self._packing: tuple[Prices | None, Packing] | None = None
        self._packing_lock = Lock()
        self.by_tree: Allocation | None = None
        """The last answer that searching the program found."""
        self.baseline: Allocation | None = None
        self.work = 0
        self.failures: list[str] = []
        self.orders: OrderPrices | None = None
        self.packable = packable(p, terms)
        self.annealable = annealable(p, terms)

    @property
    def f(self) -> Formulation:
        """The formulation, made when it is first needed."""
        if self._formulation is None:
            self.held = with_held(self.p, self.terms)
            whole = self.p if self.held is None else self.held.problem
            self._formulation = formulate(whole, self.terms)
        return self._formulation

    @property
    def published(self) -> Multipliers | None:
        """The multipliers in terms of the market's own resources."""
        m, held = self.multipliers, self.held
        return m if m is None or held is None else held.merged(m)

    @cached_property
    def by_order(self) -> bool:
        """Whether prices come from each order's best plan: goods move, and the relaxation is large."""
        return self.f.program.n_columns > LARGEST_RELAXED and priceable(self.p, self.terms)

    @property
    def searchable(self) -> bool:
        """Whether searching the program whole is worth its relaxation."""
        return self.f.program.n_columns <= LARGE_COLUMNS and not self.by_order

    def run_greedy(self) -> None:
        """Offer the greedy allocation, if it serves all that must be served."""
        first, missed = greedy(self.p, self.terms)
        if not missed:
            self.baseline = first
            self.incumbent.offer(first)

    def settle(self, quantity: Ints) -> None:
        """Take an allocation that zero prices prove optimal."""
        best = allocation_of(self.p, self.terms, quantity, ())
        self.baseline, self.multipliers = best, Multipliers()
        self.incumbent.offer(best)
        self.incumbent.lower_bound(best.objective)

    def relax(self, limits: SolveLimits) -> None:
        """Solve the linear relaxation for bound, multipliers and reduced costs; or begin to price orders."""
        if self.by_order and self.begin_orders():
            return
        relaxed = self.solver.solve_relaxation(self.f.program, limits, stop=self.incumbent.stopped.is_set)
        self.work += relaxed.work
        if relaxed.answer is Answer.INFEASIBLE:
            self.infeasible = True
            self.incumbent.stopped.set()
            return
        duals = relaxed.duals
        if duals is None:
            if limits.accuracy is not None and not self.incumbent.stopped.is_set():
                self.relax(replace(limits, accuracy=None))
            return
        prices = prices_of_duals(self.f, duals, relaxed.values)
        self.learn(prices, lambda: multipliers_of(self.f, duals))
        self.incumbent.lower_bound(min(prices.bound, relaxed.bound))
        if relaxed.values is not None:
            self.offer_values(relaxed.values)

    def begin_orders(self) -> bool:
        """Begin to price what couples orders by the best plan of each; return whether that is possible."""
        from market.clearing.bounds.order_prices import OrderPrices  # noqa: PLC0415  numba

        self.orders = OrderPrices(self.p, self.terms, self.incumbent.objective)
        if self.orders.sound:
            self.orders.run(lambda: False)
            self.work += self.orders.work
        return self.orders.sound

    def learn(self, prices: Prices, multipliers: Callable[[], Multipliers]) -> None:
        """Take prices if their bound is the tightest so far."""
        if self.prices is None or prices.bound < self.prices.bound:
            self.multipliers = multipliers()
            self.prices = prices

    def offer_values(self, values: Floats) -> bool:
        """Offer a program's solution if it is whole and, once rounded, allowed; return whether it is best."""
        integer = values[self.f.program.integer]
        if np.abs(integer - np.rint(integer)).max(initial=0.0) >= 1e-5:  # noqa: PLR2004
            return False
        found = decode(self.f, values)
        better = self.offer(found)
        if better:
            self._known = (found, np.where(self.f.program.integer, np.rint(values), values))
        return better

    def offer(self, allocation: Allocation) -> bool:
        """Offer an allocation if it is allowed; return whether it is the new best."""
        better = allocation.objective > self.incumbent.objective and allowed(self.p, self.terms, allocation)
        return better and self.incumbent.offer(allocation)

    def annealer(self, seed: int, most_moves: int | None = None) -> Annealer:
        """Return a calibrated annealer; ``most_moves`` limits what it does to serve all that must be."""
        from market.clearing.local_search.annealing import Annealer  # noqa: PLC0415  numba: costs most of a second

        p, packing = self.p, self.packing()
        annealer = Annealer(packing, p.seed * 64 + seed)
        annealer.build()
        self.offer_quantity(annealer.best_quantity())
        annealer.calibrate()
        self.offer_quantity(annealer.best_quantity())
        if self.incumbent.best is None and p.order_must.any():
            annealer.cover(
                lambda: self.incumbent.best is None and not self.incumbent.stopped.is_set(), most_moves
            )
            self.offer_quantity(annealer.best_quantity())
        if self.incumbent.best is not None:
            annealer.restart(self.incumbent.best.quantity)
        return annealer

    def packing(self) -> Packing:
        """Return the market as a packing at the prices known, made once for them; its openings are a copy."""
        from market.clearing.local_search.packing import packing_of  # noqa: PLC0415  numba

        with self._packing_lock:
            made, prices = self._packing, self.prices
            if made is None or made[0] is not prices:
                ranked = prices or no_prices(self.p)
                if prices is not None and self.held is not None:
                    ranked = self.held.folded(prices)
                made = (prices, packing_of(self.p, self.terms, lottery(self.p.seed, self.p.bid_ids), ranked))
                self._packing = made
        model = made[1].model
        # Annealing shuts groups for a while, each in its own prices.
        return replace(made[1], model=model._replace(group_price=model.group_price.copy()))

    def offer_quantity(self, quantity: Ints) -> None:
        """Offer accepted quantities with one winner per lot wherever goods move."""
        moves = None if self.p.arc_ids else ()
        self.offer(allocation_of(self.p, self.terms, quantity, moves))

    def values(self) -> Floats | None:
        """Return the incumbent as column values, completed by the solver where need be."""
        best = self.incumbent.best
        if best is None:
            return None
        known = self._known
        if known is not None and known[0] is best:
            return known[1]
        values = start_of(self.f, best.quantity, best.units)
        unknown = np.isnan(values)
        if unknown.any():
            rest = restricted(self.f.program, unknown, np.nan_to_num(values))
            done = self.solver.solve(rest.program, SolveLimits(work=COMPLETION_WORK))
            self.work += done.work
            if done.values is None:
                return None
            values = rest.expand(done.values, values)
        self._known = (best, values)
        return values

    def candidates(self) -> Flags:
        """Return the columns that reduced costs cannot exclude from every better allocation."""
        keep = np.ones(self.f.program.n_columns, dtype=np.bool_)
        prices = self.prices
        if prices is None or self.incumbent.best is None:
            return keep
        room = prices.bound - self.incumbent.objective
        # A better allocation is worth at least 1 more.
        margin = max(0.0, room - 1.0) + 1e-6 * max(1.0, abs(self.incumbent.objective))
        keep &= ~(self.f.program.integer & (prices.worth < -margin))
        return keep

    def exact(self, limits: SolveLimits, stop: Callable[[], bool]) -> ProgramResult | None:
        """Search the program without the columns that cannot matter; a bound for all of it."""
        values = self.values()
        keep = self.candidates()
        if values is not None:
            # Excluded columns are 0 in every better allocation, whatever they are in this one.
            keep |= np.nan_to_num(values) > 0.5  # noqa: PLR2004
        rest = restricted(self.f.program, keep, np.zeros(keep.size))
        base = np.zeros(keep.size)

        known = self.incumbent.best

        def suggest() -> Floats | None:
            nonlocal known
            latest = self.incumbent.best
            if latest is known or latest is None:
                return None
            known = latest
            news = start_of(self.f, latest.quantity, latest.units)
            outside = np.abs(news[~keep]).max(initial=0.0)
            return None if np.isnan(news).any() or outside > 0 else news[keep]

        def improved(found: Floats, bound: float) -> None:
            if self.offer_values(rest.expand(found, base)):
                self.by_tree = self.incumbent.best
            self.incumbent.lower_bound(max(bound, self.incumbent.objective))

        solved = self.solver.solve(
            rest.program,
            limits,
            start=None if values is None else values[keep],
            stop=stop,
            improved=improved,
            suggest=suggest,
        )
        self.work += solved.work
        if solved.answer is Answer.INFEASIBLE and self.incumbent.best is None:
            self.infeasible = True
            self.incumbent.stopped.set()
        elif solved.answer is not Answer.INFEASIBLE:
            if solved.values is not None:
                self.offer_values(rest.expand(solved.values, base))
            self.incumbent.lower_bound(max(solved.bound, self.incumbent.objective))
        return solved

    def narrow(self, per_order: int, limits: SolveLimits, stop: Callable[[], bool]) -> ProgramResult | None:
        """Search the program with the best few bids of every order only: a restricted MIP."""
        if self.prices is None:
            return None
        hoods = Neighbourhoods(self.f, self.prices.worth, np.random.default_rng(0), close_bids=per_order)
        best = self.incumbent.best
        quantity = np.zeros(self.p.n_bids, dtype=np.int64) if best is None else best.quantity
        everything = np.ones(self.p.n_orders, dtype=np.bool_)
        free = hoods.free_columns(everything, quantity, narrow=True)
        values = self.values()
        return self.improve_within(free, values, limits, stop)

    @property
    def planned(self) -> bool:
        """Whether goods move between lots, so that orders are served by plans of several bids."""
        return bool((self.p.arc_to != NONE).any())

    def plan_rounds(self, packing: Packing, seed: int) -> PlanRounds:
        """Return rounds that choose anew among the plans of some orders."""
        from market.clearing.local_search.plan_rounds import PlanRounds  # noqa: PLC0415  only markets with plans

        return PlanRounds(self.p, self.terms, packing, np.random.default_rng(seed))

    def choose_plans(self, rounds: PlanRounds, limits: SolveLimits) -> None:
        """Run one round."""
        if self.incumbent.best is not None:
            stopped = self.incumbent.stopped.is_set
            found, work = rounds.improved(self.incumbent.best, self.solver, limits, stopped)
            self.work += work
            if found is not None:
                self.offer(found)

    def improve_within(
        self, free: Flags, values: Floats | None, limits: SolveLimits, stop: Callable[[], bool]
    ) -> ProgramResult:
        """Solve over the free columns with the others as in ``values`` (0 if None)."""
        base = np.zeros(self.f.program.n_columns) if values is None else values
        rest = restricted(self.f.program, free, base)
        solved = self.solver.solve(
            rest.program,
            limits,
            start=None if values is None else values[free],
            stop=stop,
            improved=lambda found, _: self.offer_values(rest.expand(found, base)),
        )
        self.work += solved.work
        if solved.values is not None:
            self.offer_values(rest.expand(solved.values, base))
        return solved

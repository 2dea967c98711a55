"""Clear one problem: search, bound, payments, check, fallback; the one path for command and market.

Takes solver and clock as arguments. A function of problem, solver and limits when the limit is
work; with a time limit the answer also depends on how fast the machine is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Protocol

import numpy as np

from market.clearing.allocation import Allocation, allocation_of
from market.clearing.case import Case
from market.clearing.components import parts_of
from market.clearing.conflict import conflicting_orders
from market.clearing.counterfactual import Budget, Counterfactuals
from market.clearing.errors import SolverError
from market.clearing.greedy import greedy
from market.clearing.incumbent import Incumbent
from market.clearing.publish import Found, publish
from market.clearing.result import Clearing, Multipliers, Seconds
from market.clearing.search import Deadline, search_counted, search_for
from market.clearing.terms import terms_of
from market.clearing.uncoupled import best_bids

if TYPE_CHECKING:
    from market.clearing.components import Part
    from market.clearing.problem import Problem
    from market.clearing.program import Solver

Watch = Callable[[float, float], None]
"""Told the objective (-inf for none) and the bound (inf for none) whenever one improves."""


class Stopwatch(Protocol):
    """The part of the market's clock that a clearing needs."""

    def monotonic_s(self) -> float:
        """Return seconds of a clock that never goes back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to stop improving.

    ``time_s`` is the time for this clearing, publishing included; ``work`` counts own iterations
    plus LP iterations and makes the answer reproducible, whatever ``workers``; ``gap_ppm`` is
    good enough.
    """

    time_s: float | None = None
    work: int | None = None
    gap_ppm: int = 0
    workers: int = 1


def clear(
    problem: Problem,
    *,
    solver: Solver,
    limits: Limits,
    clock: Stopwatch,
    halt: Event | None = None,
    watch: Watch | None = None,
) -> Clearing:
    """Clear a problem and return a checked result.

    Never raises for what a solver does: a solver that fails or lies leaves the best checked
    answer, in the end the greedy one with status ``fallback``. Setting ``halt`` ends the search
    soon with the best so far.
    """
    started = clock.monotonic_s()
    hunt = Hunt(problem, solver, limits, clock, halt or Event(), watch)
    found = hunt.run()
    solved = clock.monotonic_s()
    clearing = publish(problem, hunt.terms, found, hunt.counterfactuals())
    return replace(clearing, seconds=Seconds(solve=solved - started, check=clock.monotonic_s() - solved))


def publishing_s(p: Problem) -> float:
    """Return about how many seconds publishing takes, which must end before the limit; a slow core's."""
    return 1e-6 * p.n_bids + 4e-5 * p.n_orders


class Hunt:
    """Searches part after part, smallest first, each with its share of what is left.

    ``end_s`` is when `run` should have returned, on the clock given, or None. Another thread may ask
    `so_far` for the best allocation at any time.
    """

    def __init__(
        self,
        p: Problem,
        solver: Solver,
        limits: Limits,
        clock: Stopwatch,
        halt: Event,
        watch: Watch | None = None,
    ) -> None:
        started = clock.monotonic_s()
        self.end_s: float | None = None
        if limits.time_s is not None:
            self.end_s = started + limits.time_s - min(0.3 * limits.time_s, publishing_s(p))
        self.p, self.solver, self.limits = p, solver, limits
        self.terms = terms_of(p)
        self.deadline = Deadline(now=clock.monotonic_s, start_s=started, end_s=self.end_s)
        self.halt, self.watch = halt, watch
        self.cases: list[tuple[Part, Case]] = []
        self.current: Case | None = None
        self.parts: list[Part] = []

    def run(self) -> Found:
        """Return what was found in all parts together."""
        quantity = best_bids(self.p, self.terms) if self.p.mechanism != "greedy" else None
        if quantity is not None:
            best = allocation_of(self.p, self.terms, quantity, ())
            return Found(
                allocation=best,
                bound=best.objective,
                multipliers=Multipliers(),
                greedy=best,
                components=self.p.n_orders,
            )
        self.parts, count = parts_of(self.p, self.terms)
        work = self.limits.work
        sizes = [part.problem.n_bids + 1 for part in self.parts]
        for k, part in enumerate(self.parts):
            share = sizes[k] / sum(sizes[k:])
            self.cases.append(
                (part, self.search(part, share, None if work is None else int(work * sizes[k] / sum(sizes))))
            )
        return self.merged(count)

    def so_far(self) -> Found:
        """Return the best of every part so far, greedy where none was begun; for when `run` is stuck."""
        cases = [case for _, case in self.cases]
        if self.current is not None and self.current not in cases:
            cases.append(self.current)
        parts = self.parts or parts_of(self.p, self.terms)[0]
        best = [case.incumbent.best for case in cases] + [None] * (len(parts) - len(cases))
        base = [case.baseline for case in cases] + [None] * (len(parts) - len(cases))
        for k, part in enumerate(parts):
            if best[k] is None:
                first, missed = greedy(part.problem, terms_of(part.problem))
                best[k] = base[k] = None if missed else first
        known = [case.multipliers for case in cases if case.multipliers is not None]
        return Found(
            allocation=self.joined(parts, best),
            greedy=self.joined(parts, base),
            multipliers=_concatenated(known) if known else None,
            failed=True,
            components=len(parts),
            work=sum(case.work for case in cases),
        )

    def counterfactuals(self) -> Counterfactuals:
        """Return what payment rules may ask, within what is left of the limits."""
        budget = Budget(left_s=self.deadline.left, work=self.limits.work, workers=self.limits.workers)
        return Counterfactuals(self.solver, budget)

    def search(self, part: Part, share: float, work: int | None) -> Case:
        """Search one part."""
        p = part.problem
        terms = self.terms if p is self.p else terms_of(p)
        incumbent = Incumbent(self.limits.gap_ppm, self._tell)
        case = self.current = Case(p, terms, self.solver, incumbent)
        quantity = best_bids(p, terms) if p.mechanism != "greedy" else None
        if quantity is not None:
            case.settle(quantity)
            return case
        case.run_greedy()
        if p.mechanism == "greedy" or self.halt.is_set():
            return case
        try:
            if work is not None:
                search_counted(case, work)
            else:
                left = self.deadline.left()
                now = self.deadline.now()
                end = None if left is None else now + left * share
                search_for(
                    case,
                    Deadline(now=self.deadline.now, start_s=now, end_s=end),
                    self.limits.workers,
                    self.halt,
                )
        except SolverError as error:
            case.failures.append(str(error))
        except KeyboardInterrupt:
            self.halt.set()
        return case

    def _tell(self, objective: float, bound: float) -> None:
        """Report the sum over the parts searched so far."""
        if self.watch is not None and len(self.cases) == 0:
            self.watch(objective, bound)

    def merged(self, count: int) -> Found:
        """Put the parts together."""
        work = sum(case.work for _, case in self.cases)
        # An allocation at hand refutes a solver that says there is none.
        hopeless = [
            (part, case) for part, case in self.cases if case.infeasible and case.incumbent.best is None
        ]
        if hopeless:
            part, case = hopeless[0]
            names = conflicting_orders(
                part.problem, case.terms, self.solver, lambda: self.deadline.passed() or self.halt.is_set()
            )
            return Found(allocation=None, infeasible=True, conflict=names, components=count, work=work)
        parts = [part for part, _ in self.cases]
        multipliers = [case.multipliers for _, case in self.cases]
        return Found(
            allocation=self.joined(parts, [case.incumbent.best for _, case in self.cases]),
            greedy=self.joined(parts, [case.baseline for _, case in self.cases]),
            bound=math.fsum(case.incumbent.bound for _, case in self.cases),
            multipliers=None
            if None in multipliers
            else _concatenated([m for m in multipliers if m is not None]),
            failed=any(case.failures or case.infeasible for _, case in self.cases),
            components=count,
            work=work,
        )

    def joined(self, parts: list[Part], found: list[Allocation | None]) -> Allocation | None:
        """Return the allocation of the whole problem, or None if a part has none."""
        quantity = np.zeros(self.p.n_bids, dtype=np.int64)
        moves: list[tuple[int, int, int, int]] = []
        for part, a in zip(parts, found, strict=True):
            if a is None:
                return None
            quantity[part.bids] = a.quantity
            moves += [(int(part.arcs[e]), int(part.bids[s]), int(part.bids[t]), q) for e, s, t, q in a.moves]
        return allocation_of(self.p, self.terms, quantity, tuple(moves))


def _concatenated(parts: list[Multipliers]) -> Multipliers:
    """Return the multipliers of all parts, sorted by id."""
    return Multipliers(
        resources=tuple(sorted(x for m in parts for x in m.resources)),
        lots=tuple(sorted(x for m in parts for x in m.lots)),
        groups=tuple(sorted(x for m in parts for x in m.groups)),
        openings=tuple(sorted(x for m in parts for x in m.openings)),
        uses=tuple(sorted(x for m in parts for x in m.uses)),
        arcs=tuple(sorted(x for m in parts for x in m.arcs)),
        kind="lp_dual" if all(m.kind == "lp_dual" for m in parts) else "lagrangian",
    )

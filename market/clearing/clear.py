"""Clear one problem: search, bound, payments, check, fallback; the one path for command and market.

Takes solver and clock as arguments. A function of problem, solver and limits when the limit is
work; with a time limit the answer also depends on how fast the machine is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from market.clearing import settle as settlement
from market.clearing.allocation import Allocation, allocation_of, units_of
from market.clearing.case import Case
from market.clearing.certificate import certified_bound
from market.clearing.check import check_answer
from market.clearing.errors import SolverError
from market.clearing.incumbent import Incumbent
from market.clearing.multipliers import prices_of
from market.clearing.problem import NONE
from market.clearing.reasons import unserved_orders
from market.clearing.result import Accepted, Clearing, Move, Multipliers, Seconds, Served, Status, sealed
from market.clearing.search import Deadline, search_counted, search_for
from market.clearing.settle import all_moves, settle
from market.clearing.terms import terms_of
from market.clearing.uncoupled import best_bids

if TYPE_CHECKING:
    from market.clearing.problem import Problem
    from market.clearing.program import Solver
    from market.clearing.terms import Terms


class Stopwatch(Protocol):
    """The part of the market's clock that a clearing needs."""

    def monotonic_s(self) -> float:
        """Return seconds of a clock that never goes back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to stop improving.

    ``time_s`` is the time left for this clearing; ``work`` counts own iterations plus LP
    iterations and makes the answer reproducible, whatever ``workers``; ``gap_ppm`` is good enough.
    """

    time_s: float | None = None
    work: int | None = None
    gap_ppm: int = 0
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """What a search found: an allocation or none, and what is known about the optimum."""

    allocation: Allocation | None
    bound: float = math.inf
    multipliers: Multipliers | None = None
    infeasible: bool = False
    components: int = 1
    work: int = 0
    greedy: Allocation | None = None


def clear(problem: Problem, *, solver: Solver, limits: Limits, clock: Stopwatch) -> Clearing:
    """Clear a problem and return a checked result.

    Never raises for what a solver does: a solver that fails or lies leaves the greedy answer
    with status ``fallback``.
    """
    started = clock.monotonic_s()
    terms = terms_of(problem)
    quantity = best_bids(problem, terms) if problem.mechanism != "greedy" else None
    if quantity is not None:
        allocation = allocation_of(problem, terms, quantity, ())
        found = Found(
            allocation=allocation,
            bound=allocation.objective,
            multipliers=Multipliers(),
            greedy=allocation,
            components=problem.n_orders,
        )
    else:
        found = _search(problem, terms, solver, limits, clock, started)
    solved = clock.monotonic_s()
    clearing = publish(problem, terms, found)
    seconds = Seconds(solve=solved - started, check=clock.monotonic_s() - solved)
    return replace(clearing, seconds=seconds)


def publish(p: Problem, terms: Terms, found: Found) -> Clearing:
    """Return the checked result of a search; the greedy answer if the check fails."""
    for allocation, fallback in ((found.allocation, False), (found.greedy, True)):
        if allocation is None:
            continue
        clearing = _clearing(p, terms, allocation, found, fallback=fallback)
        if not check_answer(p, clearing):
            return sealed(replace(clearing, checked=True))
    status = Status.INFEASIBLE if found.infeasible else Status.UNKNOWN
    return sealed(
        Clearing(
            status=status,
            objective=None,
            bound=None,
            bound_kind=None,
            components=found.components,
            work=found.work,
        )
    )


def _clearing(p: Problem, terms: Terms, a: Allocation, found: Found, *, fallback: bool) -> Clearing:
    """Write an allocation and its bound as a result."""
    bound, kind, multipliers = None, None, None
    if found.multipliers is not None:
        bound, kind, multipliers = certified_bound(p, found.multipliers), "certified", found.multipliers
    proven = found.bound
    if math.isfinite(proven) and (bound is None or proven < bound):
        bound, kind = max(math.floor(proven + 1e-6 * max(1.0, abs(proven)) ** 0.5), a.objective), "solver"
        if multipliers is not None and certified_bound(p, multipliers) == bound:
            kind = "certified"
    status = Status.FALLBACK if fallback else Status.OPTIMAL if bound == a.objective else Status.FEASIBLE
    payments, charges, refusal = _payments(p, a)
    of = units_of(p)
    return Clearing(
        status=status,
        objective=a.objective,
        bound=bound,
        bound_kind=kind,  # type: ignore[arg-type]
        accepted=tuple(
            Accepted(p.bid_ids[b], q)
            for b, q in zip(
                np.flatnonzero(a.quantity).tolist(), a.quantity[a.quantity > 0].tolist(), strict=True
            )
        ),
        served=tuple(
            Served(p.order_ids[o], int(a.units[o]), int(of[o])) for o in np.flatnonzero(a.units > 0).tolist()
        ),
        unserved=unserved_orders(p, terms, a),
        moves=tuple(
            Move(
                p.arc_ids[e],
                p.bid_ids[s],
                None if t == NONE else p.bid_ids[t],
                p.sites[p.arc_site[e]] if t == NONE else None,
                q,
            )
            for e, s, t, q in all_moves(p, a)
        ),
        payments=payments,
        charges=charges,
        payment_refusal=refusal,
        prices=() if multipliers is None else prices_of(multipliers),
        multipliers=multipliers,
        greedy_objective=None if found.greedy is None else found.greedy.objective,
        components=found.components,
        work=found.work,
    )


def _payments(p: Problem, a: Allocation) -> tuple:  # type: ignore[type-arg]
    bid_pay, group_pay = settlement.prices_of(p, a)
    outcome = settle(p, a, bid_pay, group_pay)
    if isinstance(outcome, str):
        return None, None, outcome
    return (*outcome, None)


def _search(
    p: Problem, terms: Terms, solver: Solver, limits: Limits, clock: Stopwatch, started: float,
) -> Found:  # fmt: skip
    """Search the whole problem as one case."""
    incumbent = Incumbent(limits.gap_ppm)
    case = Case(p, terms, solver, incumbent)
    case.run_greedy()
    if p.mechanism == "greedy":
        return Found(allocation=case.baseline, greedy=case.baseline)
    try:
        if limits.work is not None:
            search_counted(case, limits.work)
        else:
            end = None if limits.time_s is None else started + limits.time_s
            search_for(case, Deadline(now=clock.monotonic_s, start_s=started, end_s=end), limits.workers)
    except SolverError as error:
        case.failures.append(str(error))
    except KeyboardInterrupt:
        incumbent.stopped.set()
    return Found(
        allocation=incumbent.best, bound=incumbent.bound, multipliers=case.multipliers, greedy=case.baseline,
        infeasible=case.infeasible, work=case.work,
    )  # fmt: skip

"""Search one part of a market, here or elsewhere, and what comes back; the port of helpers.

A part's answer under a work limit depends on the part and its work alone, so it is the same wherever it
is searched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from market.clearing.errors import SolverError
from market.clearing.limits import Deadline
from market.clearing.order_by_order.uncoupled import best_bids
from market.clearing.result import Multipliers
from market.clearing.search.case import Case
from market.clearing.search.counted_search import search_counted
from market.clearing.search.incumbent import Incumbent
from market.clearing.search.timed_search import search_for
from market.clearing.terms import terms_of

if TYPE_CHECKING:
    from threading import Event

    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Problem
    from market.clearing.program import Solver


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartTask:
    """One part to search; ``time_s`` or ``work`` ends it."""

    problem: Problem
    gap_ppm: int
    time_s: float | None = None
    work: int | None = None
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartFound:
    """What is known about a part; ``baseline`` is the greedy allocation."""

    best: Allocation | None = None
    baseline: Allocation | None = None
    bound: float = math.inf
    multipliers: Multipliers | None = None
    infeasible: bool = False
    failures: tuple[str, ...] = ()
    work: int = 0


class Helper(Protocol):
    """Searches parts elsewhere, one at a time: in another process, on another machine."""

    def search(self, task: PartTask) -> PartFound:
        """Return what was found.

        Raises
        ------
        HelperLostError
            If there is nobody any more.
        """
        ...

    def halt(self) -> None:
        """Ask for the end of the search soon, from any thread; `search` returns the best so far."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...


Hire = Callable[[], Helper | None]
"""Returns a new helper, or None if there are no more."""


class PartSearch:
    """The search of one part in this process; `found` may be asked from any thread on the way."""

    def __init__(self, task: PartTask, solver: Solver, changed: Callable[[], None] | None = None) -> None:
        self.task = task
        incumbent = Incumbent(task.gap_ppm, None if changed is None else lambda *_: changed())
        self.case = Case(task.problem, terms_of(task.problem), solver, incumbent)

    def found(self) -> PartFound:
        """Return what is known so far."""
        case = self.case
        return PartFound(
            best=case.incumbent.best,
            baseline=case.baseline,
            bound=case.incumbent.bound,
            multipliers=case.published,
            infeasible=case.infeasible,
            failures=tuple(case.failures),
            work=case.work,
        )

    def run(self, now: Callable[[], float], halt: Event) -> PartFound:
        """Search until proven, good enough, out of time or work, or halted."""
        case, task = self.case, self.task
        quantity = best_bids(case.p, case.terms) if case.p.mechanism != "greedy" else None
        if quantity is not None:
            case.settle(quantity)
            return self.found()
        case.run_greedy()
        if case.p.mechanism == "greedy" or halt.is_set():
            return self.found()
        try:
            if task.work is not None:
                search_counted(case, task.work)
            else:
                start = now()
                end = None if task.time_s is None else start + task.time_s
                search_for(case, Deadline(now=now, start_s=start, end_s=end), task.workers, halt)
        except SolverError as error:
            case.failures.append(str(error))
        return self.found()

"""Clear one problem: search, bound, payments, check, fallback; the one path for command and market.

Takes solver and clock as arguments. A function of problem, solver and limits when the limit is
work; with a time limit the answer also depends on how fast the machine is.
"""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING

from market.clearing.publishing.publish import publish
from market.clearing.result import Clearing, Seconds
from market.clearing.search.hunt import Hunt

if TYPE_CHECKING:
    from market.clearing.limits import Limits, Stopwatch, Watch
    from market.clearing.problem import Problem
    from market.clearing.program import Solver
    from market.clearing.search.part_search import Hire


def clear(
    problem: Problem,
    *,
    solver: Solver,
    limits: Limits,
    clock: Stopwatch,
    halt: Event | None = None,
    watch: Watch | None = None,
    hire: Hire | None = None,
) -> Clearing:
    """Clear a problem and return a checked result.

    Never raises for what a solver does: a solver that fails or lies leaves the best checked
    answer, in the end the greedy one with status ``fallback``. Setting ``halt`` ends the search
    soon with the best so far. Where ``hire`` is given and there are workers for it, parts of the market
    are searched by helpers at the same time.
    """
    started = clock.monotonic_s()
    hunt = Hunt(problem, solver, limits, clock, halt or Event(), watch, hire)
    found = hunt.run()
    solved = clock.monotonic_s()
    clearing = publish(problem, hunt.terms, found, hunt.counterfactuals())
    return replace(clearing, seconds=Seconds(solve=solved - started, check=clock.monotonic_s() - solved))

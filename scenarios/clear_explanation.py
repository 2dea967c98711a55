"""``takt clear --explain BID``: exactly where the limits allow, else an estimate that says so."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from market.clearing.clear import clear
from market.clearing.errors import SolverError, UnprovenError
from market.clearing.limits import Limits
from market.clearing.publishing.counterfactual import Budget
from market.clearing.publishing.explain import explain_estimate, explain_exact

if TYPE_CHECKING:
    from threading import Event

    from market.clearing.limits import Stopwatch
    from market.clearing.problem import Problem
    from market.clearing.program import Solver

KIND = "takt.explanation.v1"
KEPT_S = 0.3
EXACT_SHARE = 0.6
"""Share of the time in which the exact threshold is sought."""


def explained(
    problem: Problem, bid: str, *, solver: Solver, limits: Limits, clock: Stopwatch, halt: Event
) -> bytes:
    """Return the ``takt.explanation.v1`` document of a bid of the problem.

    Once ``halt`` is set, what was found by then is what it estimates from.
    """
    started_s = clock.monotonic_s()

    def left_s(share: float = 1.0) -> float | None:
        return None if limits.time_s is None else started_s + share * limits.time_s - clock.monotonic_s()

    budget = Budget(left_s=lambda: left_s(EXACT_SHARE), work=limits.work, workers=limits.workers)
    try:
        found = explain_exact(problem, bid, solver=solver, budget=budget, stop=halt.is_set)
    except (UnprovenError, SolverError):
        rest = None if limits.time_s is None else max(0.0, (left_s() or 0.0) - KEPT_S)
        within = Limits(time_s=rest, work=limits.work, gap_ppm=limits.gap_ppm, workers=limits.workers)
        clearing = clear(problem, solver=solver, limits=within, clock=clock, halt=halt)
        found = explain_estimate(problem, clearing, bid)
    return json.dumps({"kind": KIND} | asdict(found), sort_keys=True, ensure_ascii=False).encode()

"""``takt clear --explain BID``: exactly where the limits allow, else an estimate that says so."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from market.clearing.clear import clear
from market.clearing.errors import SolverError, UnprovenError
from market.clearing.publishing.counterfactual import Budget
from market.clearing.publishing.explain import explain_estimate, explain_exact

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from market.clearing.limits import Limits, Stopwatch
    from market.clearing.problem import Problem
    from market.clearing.program import Solver
    from market.clearing.publishing.explain import Explanation

KIND = "takt.explanation.v1"
ESTIMATE_SHARE = 0.4
"""Share of the time in which the market is cleared for an estimate; the exact threshold has the rest."""


def explained(
    problem: Problem,
    bid: str,
    *,
    solver: Solver,
    limits: Limits,
    clock: Stopwatch,
    halt: Event,
    draft: Callable[[bytes], None],
) -> bytes:
    """Return the ``takt.explanation.v1`` document of a bid of the problem.

    ``draft`` is given the estimate, which stands if the exact threshold is not proven within the limits
    or before ``halt`` is set.
    """
    started_s = clock.monotonic_s()

    def left_s() -> float | None:
        return None if limits.time_s is None else started_s + limits.time_s - clock.monotonic_s()

    share_s = None if limits.time_s is None else ESTIMATE_SHARE * limits.time_s
    clearing = clear(problem, solver=solver, limits=replace(limits, time_s=share_s), clock=clock, halt=halt)
    estimate = _document(explain_estimate(problem, clearing, bid))
    draft(estimate)
    budget = Budget(left_s=left_s, work=limits.work, workers=limits.workers)
    try:
        return _document(explain_exact(problem, bid, solver=solver, budget=budget, stop=halt.is_set))
    except (UnprovenError, SolverError):
        return estimate


def _document(found: Explanation) -> bytes:
    return json.dumps({"kind": KIND} | asdict(found), sort_keys=True, ensure_ascii=False).encode()

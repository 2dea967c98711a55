"""Gaps of recorded runs: against what, at which time, over several instances. Arithmetic only."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

Run = Mapping[str, Any]

GRACE_S = 0.5
"""How late after its limit an answer may come and still count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What the answers to one instance are measured against; ``kind`` is published, proven or bound."""

    worth: float
    kind: str


def reference_of(runs: Sequence[Run], best_cost: int | None) -> Reference | None:
    """Return the published best of an instance, else the tightest bound that anyone proved in the run.

    A bound that some answer meets is a proven optimum. None where nothing is known.
    """
    if best_cost is not None:
        return Reference(worth=-float(best_cost), kind="published")
    bounds = [run["bound"] for run in runs if run.get("bound") is not None]
    if not bounds:
        return None
    bound = float(min(bounds))
    found = max((run["objective"] for run in runs if run.get("objective") is not None), default=None)
    if found is not None and bound - found < 1.0:
        return Reference(worth=float(found), kind="proven")
    return Reference(worth=bound, kind="bound")


def gap(objective: float | None, reference: Reference) -> float | None:
    """Return (reference − worth) / |reference|; None for no answer, negative where that is beaten."""
    if objective is None:
        return None
    return (reference.worth - objective) / max(1.0, abs(reference.worth))


def objective_at(run: Run, seconds: float, limit_s: float) -> float | None:
    """Return the best objective a run had after so many seconds.

    At the limit its checked last answer; but of a run that overran, what it had `GRACE_S` after the limit.
    """
    last, in_time = run.get("objective"), seconds < limit_s
    if not in_time and not overran(run, limit_s):
        return None if last is None else float(last)
    until = seconds if in_time else limit_s + GRACE_S
    known = [float(worth) for at, worth in run["trace"] if at <= until]
    if not known or (last is None and not in_time):
        return None
    return known[-1]


def overran(run: Run, limit_s: float) -> bool:
    """Return whether a run came back later than `GRACE_S` after its limit."""
    return bool(run.get("seconds", 0.0) > limit_s + GRACE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Gaps of one solver over several instances; ``without`` counts those without an answer."""

    mean: float | None
    median: float | None
    worst: float | None
    without: int


def spread(gaps: Sequence[float | None]) -> Spread:
    """Return mean and worst where all have an answer; the median counts none as infinitely far off."""
    known = [g for g in gaps if g is not None]
    without = len(gaps) - len(known)
    middle = statistics.median([*known, *[float("inf")] * without]) if gaps else float("inf")
    whole = bool(known) and not without
    return Spread(
        mean=statistics.fmean(known) if whole else None,
        median=middle if middle < float("inf") else None,
        worst=max(known) if whole else None,
        without=without,
    )


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the slope of the least-squares line through log–log points; None with fewer than two."""
    if len({x for x, _ in points}) < 2:
        return None
    xs, ys = [log(x) for x, _ in points], [log(y) for _, y in points]
    return statistics.linear_regression(xs, ys).slope

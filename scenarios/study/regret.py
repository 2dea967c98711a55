"""What a seller gains by not telling the truth, mechanism by mechanism.

Everybody asks what it costs; then one seller alone asks more, on the same draws. *Gain* is its profit above
the truthful one's, *regret* what the best of the margins tried would have gained it, at least 0. A mechanism
that is truthful in dominant strategies leaves no gain; joint clearings over several takts are not covered by
that theory, so what is left under VCG is of the sequence, not of the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from market.clearing.limits import Stopwatch
from scenarios.mechanisms import MechanismName
from scenarios.scenario import Case
from scenarios.study.cell import Cell, finished
from scenarios.study.statistics import Estimate, estimate

MARGINS_PPM = (50_000, 100_000, 200_000, 400_000, 800_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A margin tried by one seller under one mechanism, over seeds; minor units."""

    mechanism: MechanismName
    margin_ppm: int
    gain: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Regret:
    """What one seller's truthfulness costs it under one mechanism; minor units."""

    mechanism: MechanismName
    truthful_profit: Estimate
    deviations: tuple[Deviation, ...]
    regret: Estimate


def regret(
    case: Case,
    seller: str,
    mechanism: MechanismName,
    *,
    seeds: Sequence[int],
    stopwatch: Stopwatch,
    show: Callable[[], None] = lambda: None,
) -> Regret:
    """Return one seller's regret of bidding truthfully; ``show`` is called after every run.

    Raises
    ------
    ScenarioError
        If nobody is called ``seller``.
    """
    profits: dict[int, dict[int, float]] = {}
    for seed in seeds:
        for margin in (0, *MARGINS_PPM):
            strategies: list[object] = [
                {"policy": "truthful"},
                {"sellers": seller, "policy": "cost_plus", "margin_ppm": margin},
            ]
            cell = Cell(seed=seed, mechanism=mechanism, settings={"strategies": strategies})
            run = finished(case, cell, stopwatch)
            profits.setdefault(margin, {})[seed] = float(run.profits_minor.get(seller, 0))
            show()
    concern = f"{seller} {mechanism}"
    honest = profits[0]
    best = [max(0.0, *(profits[margin][seed] - honest[seed] for margin in MARGINS_PPM)) for seed in seeds]
    return Regret(
        mechanism=mechanism,
        truthful_profit=estimate([honest[seed] for seed in seeds], concern),
        deviations=tuple(
            Deviation(
                mechanism=mechanism,
                margin_ppm=margin,
                gain=estimate(
                    [profits[margin][seed] - honest[seed] for seed in seeds], f"{concern} {margin}"
                ),
            )
            for margin in MARGINS_PPM
        ),
        regret=estimate(best, f"{concern} regret"),
    )

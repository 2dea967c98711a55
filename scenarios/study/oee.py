"""Overall equipment effectiveness (Nakajima 1988) of the time that machines are loaded, and its factors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scenarios.study.effort import Effort
from scenarios.study.run import Metric, Run, share


def _share(
    part: Callable[[Effort], float], whole: Callable[[Effort], float]
) -> Callable[[Run], float | None]:
    def of(run: Run) -> float | None:
        lasting = [run.efforts[k.contract.id] for k in run.lasting if k.contract.id in run.efforts]
        return share(sum(map(part, lasting)), sum(map(whole, lasting)))

    return of


def _good_minutes(one: Effort) -> float:
    return one.planned_minutes * one.units / (one.units + one.scrapped)


OEE_METRICS: Mapping[str, Metric] = {
    "availability": Metric(
        unit="%",
        formula="(loaded − set-up − stopped machine minutes) / loaded, over plants' contracts",
        of=_share(lambda one: one.working_minutes, lambda one: one.loaded_minutes),
    ),
    "performance": Metric(
        unit="%",
        formula="planned run time of all pieces made / machine minutes that they took",
        of=_share(lambda one: one.planned_minutes, lambda one: one.working_minutes),
    ),
    "quality": Metric(
        unit="%",
        formula="planned run time of good pieces / of all pieces made",
        of=_share(_good_minutes, lambda one: one.planned_minutes),
    ),
    "oee": Metric(
        unit="%",
        formula="availability × performance × quality = planned run time of good pieces / loaded minutes",
        of=_share(_good_minutes, lambda one: one.loaded_minutes),
    ),
}

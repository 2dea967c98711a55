"""What a population can not do however it bids: lots without a maker, orders without the time."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.population import Population
from takt_sdk.model.plan import ProcessPlan
from takt_sdk.model.values import MINUTE_US


def undone(population: Population) -> Iterator[str]:
    """Yield lots that nobody can make or supply, and orders whose time is too short for the ways alone."""
    parts = {command.part.id: command.part for _, command in population.parts}
    for part in parts.values():
        for lot in part.plan.lots:
            eligible = [a for a in population.admissions if a.qualification.eligible(lot.requirement, "open")]
            if not eligible:
                wanted = lot.requirement
                yield (
                    f"nobody can do lot {lot.id} of part {part.id}: "
                    f"process {wanted.process}, material {wanted.material}"
                )
    for order in population.orders:
        terms = order.command.terms
        depth = _depth(parts[order.command.part_id].plan)
        ways_us = depth * population.rules.transit_us
        if terms.deadline_us - terms.release_us <= ways_us:
            given = (terms.deadline_us - terms.release_us) // MINUTE_US
            yield (
                f"order {order.command.idempotency_key} has {given} minutes from release to deadline, "
                f"and its {depth} ways alone take {ways_us // MINUTE_US} (rules.transit_minutes)"
            )


def _depth(plan: ProcessPlan) -> int:
    """Return the number of lots on the longest chain: each is followed by a way."""
    before: dict[str, int] = {}
    for name in plan.topological_order:
        before[name] = 1 + max((before[arc.source] for arc in plan.arcs if arc.target == name), default=0)
    return before[plan.final_lot]

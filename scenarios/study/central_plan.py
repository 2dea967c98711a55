"""The central plan: what a planner who knows everything could have done with the same companies and orders.

All orders of the horizon are called at once, sellers ask what it costs them at up to three dates a lot,
breakdowns are known beforehand, and one clearing decides. Its value is an interval: what was found, and
the bound that nothing beats. It is the optimum over the dates that the plants offer, not over all dates.
"""

from __future__ import annotations

from dataclasses import dataclass

from agents.roles.plant import PlantRole
from market.clearing.clear import Stopwatch
from scenarios.population import Population
from scenarios.simulator import Simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralPlan:
    """Welfare of the plan found, and the bound on that of any; None where nothing was found.

    ``in_time`` are the orders served that are there by their due date, ``late_us`` what the others are late,
    as planned: breakdowns are in it, work that takes longer and scrap are not.
    """

    orders: int
    served: int
    welfare_minor: int
    bound_minor: int | None
    in_time: int = 0
    late_us: int = 0


def central_plan(population: Population, stopwatch: Stopwatch) -> CentralPlan:
    """Return the central plan of a population that was built for the mechanism ``clairvoyant``."""
    assert population.mechanism == "clairvoyant", population.mechanism
    simulation = Simulation(population, stopwatch=stopwatch)
    for company in simulation.companies.values():
        if isinstance(company.role, PlantRole):
            company.role.foresee()
    for _ in simulation.steps():
        if simulation.record.cleared:
            break
    if not simulation.record.cleared:
        return CentralPlan(orders=len(population.orders), served=0, welfare_minor=0, bound_minor=0)
    _, clearing = simulation.record.cleared[0]
    late_us = [
        max(0, (record.promised_us or 0) - record.order.terms.due_us)
        for record in simulation.kernel.state.orders.values()
        if record.charge_minor is not None
    ]
    return CentralPlan(
        orders=len(population.orders),
        served=len(clearing.served),
        in_time=sum(1 for late in late_us if not late),
        late_us=sum(late_us),
        welfare_minor=clearing.objective or 0,
        bound_minor=clearing.bound,
    )

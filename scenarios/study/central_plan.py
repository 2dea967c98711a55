"""The central plan: what a planner who knows everything could have done with the same companies and orders.

All orders of the horizon and all breakdowns are known, sellers work at cost, and every date inside a lot's
window may be taken, a lot in several stretches. Its value is an interval from the plan found to a bound.
There are two bounds. No plan that knows of the breakdowns and keeps to its dates is worth more than
``plan_bound_minor``. No run of a market with the same companies is worth more than ``bound_minor``: a
market may promise what a breakdown makes late, and welfare counts what is delivered, not when.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.chance import stream
from scenarios.population import Population
from scenarios.study.plan_master import Master, dive
from scenarios.study.plan_pricing import Column, bound_at
from scenarios.study.plan_problem import SCALE, Ints, PlanProblem
from scenarios.study.plan_reading import plan_problem
from scenarios.study.plan_search import PlanSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralPlan:
    """Welfare of the plan found and its bounds, minor units.

    ``in_time`` are the orders served that are there by their due date, ``late_us`` what the others are late,
    as planned: breakdowns are in it, work that takes longer and scrap are not. ``prices`` prove
    ``bound_minor``: `bound_at` of them on the loose side is that bound.
    """

    orders: int
    served: int
    welfare_minor: int
    bound_minor: int
    plan_bound_minor: int
    in_time: int
    late_us: int
    prices: tuple[int, ...]
    columns: tuple[Column, ...]


def central_plan(population: Population) -> CentralPlan:
    """Return the central plan of a population that was built for the mechanism ``clairvoyant``."""
    assert population.mechanism == "clairvoyant", population.mechanism
    return plan_of(plan_problem(population), len(population.orders), population.seed)


def plan_of(p: PlanProblem, orders: int, seed: int) -> CentralPlan:
    """Return the plan of a problem that has ``orders`` orders, those included that nobody can make."""
    nothing: Ints = np.zeros(p.exact.capacity.size, dtype=np.int64)
    loose = Master(p, p.loose, dated=False).settle(nothing)
    exact = Master(p, p.exact, dated=True).settle(loose.prices)
    search = PlanSearch(p, exact.prices, exact.bound, stream(seed, "plan"))
    columns = search.best(dive(p, p.exact, exact.prices))
    bound = bound_at(p, p.loose, loose.prices)
    late_us = [
        max(0, column.end_us + column.transit_us - p.orders[column.order].due_us) for column in columns
    ]
    return CentralPlan(
        orders=orders,
        served=len(columns),
        welfare_minor=-(-sum(column.worth for column in columns) // SCALE),
        bound_minor=bound,
        plan_bound_minor=min(bound, bound_at(p, p.exact, exact.prices)),
        in_time=sum(1 for late in late_us if not late),
        late_us=sum(late_us),
        prices=tuple(loose.prices.tolist()),
        columns=columns,
    )

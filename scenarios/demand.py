"""Orders drawn from a scenario's demand.

``python -m scenarios.demand SCENARIO > orders.csv`` writes the orders of the scenario's own seed, so
that a library's orders file can be made again. Reservation values are should-cost times a drawn
factor: some below what any plant can offer.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from agents.profile import CustomerProfile
from scenarios.chance import stream, triangular
from scenarios.companies import PPM, customer_profiles
from scenarios.errors import ScenarioFileError
from scenarios.facts.tables import Facts, load_facts
from scenarios.imports.tabled import Tables
from scenarios.orders_file import OrderLine, format_orders
from scenarios.scenario import Scenario, load_scenario
from scenarios.sections import DemandSection, Draw
from scenarios.should_cost import NO_TABLES, ShouldCost

HOUR_MINUTES = 60


def draw_orders(
    scenario: Scenario, facts: Facts, seed: int, tables: Tables = NO_TABLES
) -> tuple[OrderLine, ...]:
    """Return the orders of a scenario's demand in order of submission, one stream per order."""
    demand = scenario.demand
    if demand is None:
        raise ScenarioFileError(scenario.name, "demand", None, "is due where there is no orders file")
    parts = {part.id for part in scenario.parts}
    for index, entry in enumerate(demand.parts):
        if entry.part not in parts:
            field = f"demand.parts[{index}].part"
            raise ScenarioFileError(scenario.name, field, entry.part, "is unknown")
    cost = ShouldCost(scenario, facts, tables)
    customers = (
        *customer_profiles(scenario),
        *(profile for profile in cost.tabled if isinstance(profile, CustomerProfile)),
    )
    lines = (
        _line(cost, demand, customers, stream(seed, "order", str(number)), number, minute)
        for number, minute in enumerate(_arrivals(demand, seed), start=1)
    )
    return tuple(sorted(lines, key=lambda line: (line.at, line.key)))


def _arrivals(demand: DemandSection, seed: int) -> list[int | None]:
    """Return each order's working minute from the start; None where the order draws it itself."""
    a_day = (demand.last_hour - demand.first_hour) * HOUR_MINUTES
    weights = (
        [demand.day_weights[day % len(demand.day_weights)] for day in range(demand.days)]
        if (demand.day_weights)
        else [1] * demand.days
    )
    if demand.arrivals == "fixed":
        if not demand.day_weights:
            return [None] * demand.orders
        rng = stream(seed, "arrivals")
        days = rng.choices(range(demand.days), weights=weights, k=demand.orders)
        return [day * a_day + rng.randrange(a_day) for day in days]
    # A process of rate 1 in operational time, in which a day lasts as long as it weighs (Çinlar 1975).
    rng = stream(seed, "arrivals")
    total = sum(weights)
    found: list[int | None] = []
    at = rng.expovariate(demand.orders / total)
    while at < total:
        day, before = 0, 0.0
        while before + weights[day] <= at:
            before += weights[day]
            day += 1
        found.append(day * a_day + int((at - before) / weights[day] * a_day))
        at += rng.expovariate(demand.orders / total)
    return found


def _line(
    cost: ShouldCost,
    demand: DemandSection,
    customers: Sequence[CustomerProfile],
    rng: random.Random,
    number: int,
    arrival: int | None,
) -> OrderLine:
    scenario = cost.scenario

    def hours(given: Draw) -> timedelta:
        return timedelta(hours=triangular(rng, given.low, given.typical, given.high))

    customer = customers[rng.randrange(len(customers))]
    wanted = rng.choices(demand.parts, weights=[entry.weight for entry in demand.parts])[0]
    part = next(part for part in scenario.parts if part.id == wanted.part)
    minutes_a_day = (demand.last_hour - demand.first_hour) * HOUR_MINUTES
    if arrival is None:
        arrival = rng.randrange(demand.days * minutes_a_day)
    day, minute = divmod(arrival, minutes_a_day)
    at = scenario.start + timedelta(days=day, hours=demand.first_hour, minutes=minute)
    quantity = triangular(rng, wanted.quantity.low, wanted.quantity.typical, wanted.quantity.high)
    release = at + timedelta(hours=demand.release_hours)
    due = release + hours(wanted.window_hours)
    factor_ppm = triangular(rng, demand.limit_ppm.low, demand.limit_ppm.typical, demand.limit_ppm.high)
    limit_minor = cost.minor(part, quantity) * factor_ppm // PPM
    return OrderLine(
        key=f"{scenario.name}-{number:04d}",
        at=at,
        customer=customer.participant,
        part=wanted.part,
        quantity=quantity,
        destination=customer.site,
        release=release,
        due=due,
        deadline=due + hours(demand.slack_hours),
        limit_minor=limit_minor,
        lateness_penalty_minor_per_day=limit_minor * demand.lateness_ppm_per_day // PPM,
        certificates=demand.certificates if rng.randrange(PPM) < demand.certified_ppm else (),
        good_for_takts=demand.good_for_takts,
    )


def main() -> None:
    """Write the orders of a scenario's demand and own seed to standard output."""
    case = load_scenario(Path(sys.argv[1]))
    lines = draw_orders(case.scenario, load_facts(), case.scenario.seed, case.tables)
    sys.stdout.write(format_orders(lines))


if __name__ == "__main__":
    main()

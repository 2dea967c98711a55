"""Orders drawn from a scenario's demand, and what a part should cost.

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
from scenarios.companies import MINOR, PPM, blank_prices_minor
from scenarios.errors import ScenarioFileError
from scenarios.facts.roads import road_network
from scenarios.facts.tables import Facts, load_facts
from scenarios.orders_file import OrderLine, format_orders
from scenarios.plans import run_time_us
from scenarios.scenario import DemandSection, Draw, LotSection, PartSection, Scenario, load_scenario

MINUTE_US = 60_000_000
HOUR_MINUTES = 60


def should_cost_minor(scenario: Scenario, facts: Facts, part: PartSection, quantity: int) -> int:
    """Return what ``quantity`` pieces should cost: typical prices, the mean country, the mean lane.

    Every lot is one lot, and every arc of the plan one shipment between two cities of the scenario.
    """
    countries = [facts.city(city).country for plants in scenario.plants for city in plants.cities]
    cities = {city for plants in scenario.plants for city in plants.cities}
    cities |= {city for customers in scenario.customers for city in customers.cities}
    lanes = road_network(facts, cities).lanes
    total = 0
    for lot in part.lots:
        units = lot.quantity_per_piece * quantity
        total += _lot_minor(scenario, facts, lot, units, countries)
        if lanes:
            total += sum(lane.fixed_minor + lane.unit_minor * units for lane in lanes) // len(lanes)
    return total


def _lot_minor(
    scenario: Scenario, facts: Facts, lot: LotSection, units: int, countries: Sequence[str]
) -> int:
    if lot.kind == "material":
        material = next((m for m in scenario.materials if m.id == lot.material), None)
        if material is None:
            raise ScenarioFileError(
                scenario.name, f"parts.lots[{lot.id}].material", lot.material, "is unknown"
            )
        delivery = facts.get("handling", "delivery_cost").scaled(MINOR)[1]
        return blank_prices_minor(material, facts)[1] * units + delivery
    centre = next((c for c in scenario.work_centres.values() if c.process == lot.process), None)
    if centre is None:
        raise ScenarioFileError(
            scenario.name, f"parts.lots[{lot.id}].process", lot.process, "is done nowhere"
        )
    if centre.rate_minor_per_hour is None:
        rates = [facts.get("machine_rate", lot.process, country).scaled(MINOR)[1] for country in countries]
        rate = sum(rates) // len(rates)
    else:
        rate = _typical(centre.rate_minor_per_hour)
    if centre.setup_minutes is None:
        setup_minutes = facts.get("setup_time", lot.process).scaled()[1]
    else:
        setup_minutes = _typical(centre.setup_minutes)
    machine_us = setup_minutes * MINUTE_US + run_time_us(lot, facts) * units
    return rate * machine_us // (HOUR_MINUTES * MINUTE_US)


def _typical(given: int | Draw) -> int:
    return given if isinstance(given, int) else given.typical


def draw_orders(
    scenario: Scenario, facts: Facts, seed: int, customers: Sequence[CustomerProfile]
) -> tuple[OrderLine, ...]:
    """Return the orders of a scenario's demand in order of submission, one stream per order."""
    demand = scenario.demand
    if demand is None:
        raise ScenarioFileError(scenario.name, "demand", None, "is due where there is no orders file")
    parts = {part.id for part in scenario.parts}
    for entry in demand.parts:
        if entry.part not in parts:
            raise ScenarioFileError(scenario.name, "demand.parts.part", entry.part, "is unknown")
    lines = (
        _line(scenario, facts, demand, customers, stream(seed, "order", str(number)), number)
        for number in range(1, demand.orders + 1)
    )
    return tuple(sorted(lines, key=lambda line: (line.at, line.key)))


def _line(
    scenario: Scenario,
    facts: Facts,
    demand: DemandSection,
    customers: Sequence[CustomerProfile],
    rng: random.Random,
    number: int,
) -> OrderLine:
    def hours(given: Draw) -> timedelta:
        return timedelta(hours=triangular(rng, given.low, given.typical, given.high))

    customer = customers[rng.randrange(len(customers))]
    wanted = rng.choices(demand.parts, weights=[entry.weight for entry in demand.parts])[0]
    part = next(part for part in scenario.parts if part.id == wanted.part)
    minutes_a_day = (demand.last_hour - demand.first_hour) * HOUR_MINUTES
    day, minute = divmod(rng.randrange(demand.days * minutes_a_day), minutes_a_day)
    at = scenario.start + timedelta(days=day, hours=demand.first_hour, minutes=minute)
    quantity = triangular(rng, wanted.quantity.low, wanted.quantity.typical, wanted.quantity.high)
    release = at + timedelta(hours=demand.release_hours)
    due = release + hours(wanted.window_hours)
    factor_ppm = triangular(rng, demand.limit_ppm.low, demand.limit_ppm.typical, demand.limit_ppm.high)
    limit_minor = should_cost_minor(scenario, facts, part, quantity) * factor_ppm // PPM
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
    scenario = case.scenario
    customers = [
        CustomerProfile(participant=f"{city}-{section.id}", site=city)
        for section in scenario.customers
        for city in section.cities
    ]
    sys.stdout.write(format_orders(draw_orders(scenario, load_facts(), scenario.seed, customers)))


if __name__ == "__main__":
    main()

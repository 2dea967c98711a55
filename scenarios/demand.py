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

from agents.profile import SUPPLY, CustomerProfile, PostedPrice
from scenarios.chance import stream, triangular
from scenarios.companies import MINOR, PPM, blank_prices_minor, customer_profiles
from scenarios.errors import ScenarioFileError
from scenarios.facts.roads import road_network
from scenarios.facts.tables import Facts, load_facts
from scenarios.orders_file import OrderLine, format_orders
from scenarios.plans import run_time_us
from scenarios.scenario import Scenario, load_scenario
from scenarios.sections import DemandSection, Draw, LotSection, PartSection
from takt_sdk.model.values import HOUR_US, MINUTE_US

HOUR_MINUTES = 60


class ShouldCost:
    """What parts should cost in a scenario: typical prices, the mean country, the mean lane.

    Every lot is one lot, and every arc of the plan one shipment between two cities of the scenario.
    """

    def __init__(self, scenario: Scenario, facts: Facts) -> None:
        self.scenario = scenario
        self.facts = facts
        self.countries = [facts.city(city).country for plants in scenario.plants for city in plants.cities]
        cities = {city for plants in scenario.plants for city in plants.cities}
        cities |= {city for customers in scenario.customers for city in customers.cities}
        self.lanes = road_network(facts, cities).lanes

    def price_list(self, level_ppm: int) -> tuple[PostedPrice, ...]:
        """Return a price list at ``level_ppm`` of should-cost: materials by the unit, work by the hour."""
        delivery = self.facts.get("handling", "delivery_cost").scaled(MINOR)[1]
        posted = [
            PostedPrice(
                process=SUPPLY,
                material=material.id,
                fixed_minor=delivery * level_ppm // PPM,
                minor_per_unit=blank_prices_minor(material, self.facts)[1] * level_ppm // PPM,
            )
            for material in self.scenario.materials
        ]
        for process in dict.fromkeys(centre.process for centre in self.scenario.work_centres.values()):
            rate, setup_minutes = self._machine(process)
            posted.append(
                PostedPrice(
                    process=process,
                    fixed_minor=rate * setup_minutes * MINUTE_US // HOUR_US * level_ppm // PPM,
                    minor_per_hour=rate * level_ppm // PPM,
                )
            )
        return tuple(posted)

    def minor(self, part: PartSection, quantity: int) -> int:
        """Return what ``quantity`` pieces should cost."""
        total = 0
        for lot in part.lots:
            units = lot.quantity_per_piece * quantity
            total += (
                self._material_minor(lot, units) if lot.kind == "material" else self._work_minor(lot, units)
            )
            if self.lanes:
                lanes_minor = sum(lane.fixed_minor + lane.unit_minor * units for lane in self.lanes)
                total += lanes_minor // len(self.lanes)
        return total

    def _material_minor(self, lot: LotSection, units: int) -> int:
        material = next((m for m in self.scenario.materials if m.id == lot.material), None)
        if material is None:
            field = f"parts.lots[{lot.id}].material"
            raise ScenarioFileError(self.scenario.name, field, lot.material, "is no material")
        delivery = self.facts.get("handling", "delivery_cost").scaled(MINOR)[1]
        return blank_prices_minor(material, self.facts)[1] * units + delivery

    def _work_minor(self, lot: LotSection, units: int) -> int:
        if all(centre.process != lot.process for centre in self.scenario.work_centres.values()):
            field = f"parts.lots[{lot.id}].process"
            raise ScenarioFileError(self.scenario.name, field, lot.process, "is done nowhere")
        rate, setup_minutes = self._machine(lot.process)
        machine_us = setup_minutes * MINUTE_US + run_time_us(lot, self.facts) * units
        return rate * machine_us // HOUR_US

    def _machine(self, process: str) -> tuple[int, int]:
        """Return the typical rate per hour and set-up minutes of a process that a work centre does."""
        facts = self.facts
        centre = next(c for c in self.scenario.work_centres.values() if c.process == process)
        if centre.rate_minor_per_hour is None:
            rates = [facts.get("machine_rate", process, place).scaled(MINOR)[1] for place in self.countries]
            rate = sum(rates) // len(rates)
        else:
            rate = _typical(centre.rate_minor_per_hour)
        if centre.setup_minutes is None:
            setup_minutes = facts.get("setup_time", process).scaled()[1]
        else:
            setup_minutes = _typical(centre.setup_minutes)
        return rate, setup_minutes


def _typical(given: int | Draw) -> int:
    return given if isinstance(given, int) else given.typical


def draw_orders(scenario: Scenario, facts: Facts, seed: int) -> tuple[OrderLine, ...]:
    """Return the orders of a scenario's demand in order of submission, one stream per order."""
    demand = scenario.demand
    if demand is None:
        raise ScenarioFileError(scenario.name, "demand", None, "is due where there is no orders file")
    parts = {part.id for part in scenario.parts}
    for entry in demand.parts:
        if entry.part not in parts:
            raise ScenarioFileError(scenario.name, "demand.parts.part", entry.part, "is unknown")
    customers = tuple(customer_profiles(scenario))
    cost = ShouldCost(scenario, facts)
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
    scenario = load_scenario(Path(sys.argv[1])).scenario
    sys.stdout.write(format_orders(draw_orders(scenario, load_facts(), scenario.seed)))


if __name__ == "__main__":
    main()

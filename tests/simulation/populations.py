"""Small random populations: 1 to 5 plants, suppliers, customers, orders and breakdowns, drawn from a seed."""

from __future__ import annotations

from random import Random

from agents.profile import (
    CustomerProfile,
    Disruption,
    PlantProfile,
    Pricing,
    Profile,
    Shift,
    StockedMaterial,
    SupplierProfile,
    WorkCentre,
    admission,
)
from market.model.network import Lane, Network, Site
from market.model.rules import Rules
from scenarios.population import Breakdown, Population, TimedOrder
from takt_sdk.model.capability import Capability, Requirement
from takt_sdk.model.messages import PublishPart, SubmitOrder
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import Part, PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, PeriodGrid, Window

START_US = 20_605 * DAY_US
HORIZON_US = START_US + 40 * DAY_US
SITES = ("bonn", "gent", "lyon", "turin")
PROCESSES = ("milling", "painting")


def random_population(seed: int) -> Population:
    """Return a population in which everything of the language can happen."""
    r = Random(seed)
    plants = [_plant(r, index) for index in range(r.randint(1, 5))]
    suppliers = [_supplier(r, index) for index in range(r.randint(1, 3))]
    customers = [
        CustomerProfile(participant=f"customer-{index}", site=r.choice(SITES))
        for index in range(r.randint(1, 3))
    ]
    profiles: list[Profile] = [*customers, *plants, *suppliers]
    parts = {plan.id: plan for plan in (_milled(r), _assembled(r))}
    orders = [_order(r, index, customers, sorted(parts)) for index in range(r.randint(1, 8))]
    return Population(
        market="sim",
        title=f"random market {seed}",
        seed=seed,
        start_us=START_US,
        end_us=HORIZON_US,
        rules=_rules(r),
        network=_network(r),
        profiles=tuple(sorted(profiles, key=lambda profile: profile.participant)),
        admissions=tuple(
            admission(profile) for profile in sorted(profiles, key=lambda profile: profile.participant)
        ),
        parts=tuple(
            (customer.participant, PublishPart(part=part))
            for customer in customers
            for part in parts.values()
        ),
        orders=tuple(sorted(orders, key=lambda order: order.at_us)),
        breakdowns=tuple(
            Breakdown(participant=plant.participant, resource=disruption.resource, window=disruption.window)
            for plant in plants
            for disruption in plant.disruptions
        ),
        beat_us=6 * HOUR_US,
        mechanism="pay_as_bid",
    )


def _rules(r: Random) -> Rules:
    return Rules(
        takt_us=12 * HOUR_US,
        response_us=r.choice((HOUR_US, 7 * HOUR_US)),
        early_close=r.random() < 0.7,
        periods=PeriodGrid(origin_us=START_US, length_us=DAY_US),
        max_periods=40,
        transit_us=12 * HOUR_US,
        fee_ppm=r.choice((0, 10_000)),
        emissions_minor_per_tonne=r.choice((0, 8_000)),
        acceptance_us=r.choice((0, DAY_US)),
        confirm_us=DAY_US,
        clearing_work=2_000,
    )


def _network(r: Random) -> Network:
    lanes = [
        Lane(
            source=a,
            target=b,
            distance_m=100_000,
            transit_minutes=r.choice((60, 300, 1_000)),
            fixed_minor=r.choice((0, 2_000)),
            unit_minor=r.randint(0, 50),
            emissions_g=1_000,
            unit_emissions_g=10,
        )
        for a in SITES
        for b in SITES
        if a != b
    ]
    return Network(sites=tuple(Site(id=site, name=site, country="") for site in SITES), lanes=tuple(lanes))


def _plant(r: Random, index: int) -> PlantProfile:
    processes = r.choice((PROCESSES, PROCESSES[:1], PROCESSES[1:], PROCESSES))
    centres = tuple(
        WorkCentre(
            id=process,
            capabilities=(Capability(process=process, materials=("any",)),),
            shifts=(Shift(start_minute=360, end_minute=r.choice((840, 1_320))),),
            rate_minor_per_hour=r.randint(3_000, 9_000),
            machines=r.randint(1, 2),
            setup_us=r.choice((0, 30 * MINUTE_US)),
        )
        for process in processes
    )
    disruptions: tuple[Disruption, ...] = ()
    if r.random() < 0.8:
        start_us = START_US + r.randint(1, 9) * DAY_US + r.randint(0, 23) * HOUR_US
        window = Window(start_us=start_us, end_us=start_us + r.randint(2, 8) * DAY_US)
        disruptions = (Disruption(resource=r.choice(processes), window=window),)
    return PlantProfile(
        participant=f"plant-{index}",
        site=r.choice(SITES),
        work_centres=centres,
        pricing=Pricing(
            policy=r.choice(("cost_plus", "scarcity")),
            alternatives=r.randint(1, 3),
            divisible_from=r.choice((None, 10)),
        ),
        disruptions=disruptions,
    )


def _supplier(r: Random, index: int) -> SupplierProfile:
    return SupplierProfile(
        participant=f"supplier-{index}",
        site=r.choice(SITES),
        materials=(
            StockedMaterial(
                material="steel",
                cost_minor_per_unit=r.randint(50, 400),
                stock_per_period=r.choice((20, 60, 200)),
                handling_us=2 * HOUR_US,
            ),
        ),
    )


def _milled(r: Random) -> Part:
    lots = (
        PlannedLot(
            id="mill",
            kind="operation",
            requirement=Requirement(process="milling", material="steel"),
            run_time_us=r.randint(1, 20) * MINUTE_US,
        ),
    )
    return Part(id="bracket", name="Bracket", plan=ProcessPlan(lots=lots))


def _assembled(r: Random) -> Part:
    steel = Requirement(process="supply", material="steel")
    lots = (
        PlannedLot(id="steel", kind="material", requirement=steel, quantity_per_piece=r.choice((1, 2))),
        PlannedLot(
            id="mill",
            kind="operation",
            requirement=Requirement(process="milling", material="steel"),
            run_time_us=r.randint(1, 20) * MINUTE_US,
        ),
        PlannedLot(
            id="paint",
            kind="operation",
            requirement=Requirement(process="painting", material="steel"),
            run_time_us=r.randint(1, 10) * MINUTE_US,
        ),
    )
    arcs = (PlannedArc(source="steel", target="mill"), PlannedArc(source="mill", target="paint"))
    return Part(id="housing", name="Housing", plan=ProcessPlan(lots=lots, arcs=arcs))


def _order(r: Random, index: int, customers: list[CustomerProfile], parts: list[str]) -> TimedOrder:
    customer = r.choice(customers)
    at_us = START_US + r.randint(0, 10 * 24) * HOUR_US + r.choice((0, 17 * MINUTE_US))
    due_us = at_us + r.randint(4, 16) * DAY_US
    quantity = r.choice((1, 5, 10, 20, 40))
    terms = OrderTerms(
        quantity=quantity,
        destination=customer.site,
        release_us=at_us,
        due_us=due_us,
        deadline_us=due_us + r.randint(0, 4) * DAY_US,
        reservation_value_minor=20_000 + quantity * r.randint(500, 8_000),
        lateness_penalty_minor_per_day=r.choice((0, 1_000)),
        partial=r.random() < 0.2,
        max_suppliers=r.choice((None, None, 2, 3)),
        good_for_takts=r.randint(1, 3),
    )
    command = SubmitOrder(idempotency_key=f"order-{index}", part_id=r.choice(parts), terms=terms)
    return TimedOrder(at_us=at_us, customer=customer.participant, command=command)
